#!/usr/bin/env python3
"""Stacks with a known truth: PSNR, flux and processor time of methods of `scry deblur`.

usage: stack_quality.py [--scry build/scry] [--scene spots ...] [--psf widefield ...]
                        [--level 30 ...] [--shape 24 72 72] [-- OPTIONS of scry deblur]

A scene may also be a TIFF of a volume, whose middle is taken as a truth.

Scenes on a grid of cubes: `spots`, `threads` (curved filaments), `shells` (hollow cells with
grains), all of their light inside of the stack, on a background of 2 % of the peak. PSFs are files:
`confocal` (Gaussian, 1.6 px and 3 px in z) and `widefield` (scalar, NA 0.9 in water, 2 Z - 1
planes: a good part of the light of each voxel leaves the stack). Peak of LEVEL electrons in the
blurred stack, read noise of 1.5 e-, 0.5 e-/ADU, offset 100. scry is given the PSF and the camera.
PSNR: range 1 at the peak of the truth, absolute intensities. Flux: of the output less the
background, over that of the truth; seen: of the input, over that of the truth; counted: of the
input, over the light that reached it, which differ by the noise of the counts."""
import argparse
import os
import resource
import subprocess
import tempfile

import numpy as np
import tifffile
from scipy import ndimage, signal

BACKGROUND = 0.02


def spots(shape, rng):
    x = np.zeros(shape)
    for _ in range(60):
        at = tuple(int(v) for v in rng.uniform(0.15, 0.85, 3) * shape)
        x[at] = rng.uniform(0.4, 1)
    return ndimage.gaussian_filter(x, 0.7)


def threads(shape, rng):
    x = np.zeros(shape)
    for _ in range(14):
        p = rng.uniform(0.2, 0.8, 3) * shape
        d = rng.normal(size=3) * (0.5, 1, 1)
        for _ in range(400):
            d += 0.15 * rng.normal(size=3) * (0.5, 1, 1)
            d /= np.linalg.norm(d)
            p = p + 0.4 * d
            if np.any(p < 0.12 * np.array(shape)) or np.any(p > 0.88 * np.array(shape)):
                break
            x[tuple(p.astype(int))] = 1
    return ndimage.gaussian_filter(x, 0.7)


def shells(shape, rng):
    x = np.zeros(shape)
    grid = np.indices(shape)
    for _ in range(7):
        c = rng.uniform(0.25, 0.75, 3) * shape
        r = rng.uniform(0.18, 0.3) * min(shape)
        d = np.sqrt(sum((g - v) ** 2 for g, v in zip(grid, c)))
        x += 0.25 * (d < r) + 0.6 * (np.abs(d - r) < 1)
    x *= 1 + 0.4 * ndimage.gaussian_filter(rng.normal(size=shape), 1.2) * 5
    return np.clip(ndimage.gaussian_filter(x, 0.6), 0, None)


SCENES = {"spots": spots, "threads": threads, "shells": shells}


def confocal(shape):
    z, y, x = np.meshgrid(*[np.arange(-r, r + 1) for r in (9, 6, 6)], indexing="ij")
    return np.exp(-(x * x + y * y) / (2 * 1.6 ** 2) - z * z / (2 * 3.0 ** 2))


def widefield(shape, na=0.9, ni=1.33, wavelength=0.52, pixel=0.15):
    side, planes = 2 * min(shape[1:]) - 1, 2 * shape[0] - 1
    f = np.fft.fftfreq(side, pixel)
    fr2 = f[:, None] ** 2 + f[None] ** 2
    kz = np.sqrt(np.maximum((ni / wavelength) ** 2 - fr2, 0))
    pupil = fr2 <= (na / wavelength) ** 2
    h = np.empty((planes, side, side))
    for k in range(planes):
        field = np.fft.ifft2(pupil * np.exp(2j * np.pi * kz * pixel * (k - planes // 2)))
        h[k] = np.fft.fftshift(np.abs(field) ** 2)
    return h


PSFS = {"confocal": confocal, "widefield": widefield}


def volume(path, shape):
    x = np.squeeze(tifffile.imread(path)).astype(float)
    start = [(n - k) // 2 for n, k in zip(x.shape, shape)]
    x = x[tuple(slice(a, a + k) for a, k in zip(start, shape))]
    return np.clip(x - np.percentile(x, 5), 0, None)


def simulate(scene, psf, level, shape, seed):
    rng = np.random.default_rng(seed)
    truth = SCENES[scene](shape, rng) if scene in SCENES else volume(scene, shape)
    truth /= truth.max()
    h = PSFS[psf](shape)
    h /= h.sum()
    part = tuple(slice(k // 2, k // 2 + n) for k, n in zip(h.shape, shape))
    seen = np.maximum(signal.fftconvolve(truth, h, mode="full")[part], 0)
    gain = level / seen.max()
    dark = BACKGROUND * level
    electrons = rng.poisson(seen * gain + dark) + 1.5 * rng.normal(size=shape)
    image = np.clip(np.round(electrons / 0.5 + 100), 0, 65535).astype(np.uint16)
    return truth * gain, dark, image, h.astype(np.float32), seen.sum() * gain


def cpu():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime


def run(scry, folder, dark, options):
    out = os.path.join(folder, "out.tif")
    start = cpu()
    subprocess.run([scry, "deblur", os.path.join(folder, "in.tif"), out, "--psf",
                    os.path.join(folder, "psf.tif"), "--gain", "0.5", "--offset", "100",
                    "--read-noise", "1.5", "--background", str(dark), "--type", "float32",
                    "--psf-width", "1", "--force", "--quiet", *options], check=True)
    return (np.squeeze(tifffile.imread(out)).astype(float) - 100) * 0.5 - dark, cpu() - start


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--scry", default="build/scry")
    p.add_argument("--scene", nargs="+", default=list(SCENES))
    p.add_argument("--psf", nargs="+", default=list(PSFS))
    p.add_argument("--level", nargs="+", type=float, default=[30, 300, 3000])
    p.add_argument("--shape", nargs=3, type=int, default=[24, 72, 72])
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--keep", help="folder that inputs and outputs stay in")
    p.add_argument("options", nargs="*", help="of scry deblur, after --")
    a = p.parse_args()
    options = a.options or ["--method", "richardson-lucy"]
    print("scene    psf        level   PSNR   flux   seen  counted     s")
    with tempfile.TemporaryDirectory() as folder:
        folder = a.keep or folder
        for scene in a.scene:
            for psf in a.psf:
                for level in a.level:
                    truth, dark, image, h, reached = simulate(scene, psf, level, a.shape, a.seed)
                    tifffile.imwrite(os.path.join(folder, "in.tif"), image, imagej=True,
                                     resolution=(10, 10),
                                     metadata={"axes": "ZYX", "spacing": 0.1, "unit": "um"})
                    tifffile.imwrite(os.path.join(folder, "psf.tif"), h)
                    got, seconds = run(a.scry, folder, dark, options)
                    mse = np.mean((got - truth) ** 2) / truth.max() ** 2
                    counts = np.sum((image - 100.0) * 0.5 - dark)
                    name = os.path.basename(scene)[-8:]
                    print(f"{name:8s} {psf:10s} {level:5g} {-10 * np.log10(mse):6.2f} "
                          f"{got.sum() / truth.sum():6.3f} {counts / truth.sum():6.3f} "
                          f"{counts / reached:8.3f} {seconds:5.1f}",
                          flush=True)


if __name__ == "__main__":
    main()

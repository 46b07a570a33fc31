#!/usr/bin/env python3
"""Stacks with a known truth: PSNR, flux and processor time of methods of `scry deblur`.

usage: stack_quality.py [--scry build/scry] [--scene spots ...] [--psf widefield ...]
                        [--level 30 ...] [--shape 24 72 72] [--treat smoothed ...]
                        [-- OPTIONS of scry deblur]

A scene may also be a TIFF of a volume, whose middle is taken as a truth.

Scenes on a grid of cubes: `spots`, `threads` (curved filaments), `shells` (hollow cells with
grains), all of their light inside of the stack, on a background of 2 % of the peak. PSFs are files:
`confocal` (Gaussian, 1.6 px and 3 px in z) and `widefield` (scalar, NA 0.9 in water, 2 Z - 1
planes: a good part of the light of each voxel leaves the stack). Peak of LEVEL electrons in the
blurred stack, read noise of 1.5 e-, 0.5 e-/ADU, offset 100. scry is given the PSF and the camera.

With --treat the stack is what people have, and scry is given the PSF alone: `raw`, `smoothed` (a
Gaussian of 1 px on all axes), `resampled` (planes between the planes, by linear interpolation),
`8bit` (scaled to its own range), `long` and `short` (a PSF 1.4 and 0.7 times as long along z),
`wide` (1.3 times as wide in the plane), `sparse` (every fifth plane of a stack five times as tall,
with the PSF of all planes). Input: PSNR of the stack itself.

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


def confocal(shape, deep=1, wide=1):
    r = [int(np.ceil(v)) for v in (9 * deep, 6 * wide, 6 * wide)]
    z, y, x = np.meshgrid(*[np.arange(-k, k + 1) for k in r], indexing="ij")
    return np.exp(-(x * x + y * y) / (2 * (1.6 * wide) ** 2) - z * z / (2 * (3.0 * deep) ** 2))


def widefield(shape, deep=1, wide=1, na=0.9, ni=1.33, wavelength=0.52, pixel=0.15):
    side, planes = 2 * min(shape[1:]) - 1, 2 * shape[0] - 1
    f = np.fft.fftfreq(side, pixel / wide)
    fr2 = f[:, None] ** 2 + f[None] ** 2
    kz = np.sqrt(np.maximum((ni / wavelength) ** 2 - fr2, 0))
    pupil = fr2 <= (na / wavelength) ** 2
    h = np.empty((planes, side, side))
    for k in range(planes):
        field = np.fft.ifft2(pupil * np.exp(2j * np.pi * kz * pixel / deep * (k - planes // 2)))
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


TREATED_PSF = {"long": dict(deep=1.4), "short": dict(deep=0.7), "wide": dict(wide=1.3),
               "sparse": dict()}


def treated(scene, psf, level, shape, seed, treat):
    """Truth, the background, the file, the PSF that is given, and file = a electrons + b."""
    tall = (5 * shape[0], *shape[1:]) if treat == "sparse" else shape
    truth, dark, image, h, _ = simulate(scene, psf, level, tall, seed)
    a, b, y = 2.0, 100.0, image.astype(float)
    if treat == "sparse":
        truth, y = truth.reshape(-1, 5, *shape[1:]).mean(1), y[2::5]
    if treat == "smoothed":
        y = ndimage.gaussian_filter(y, 1)
    if treat == "resampled":
        y, truth = (y[1:] + y[:-1]) / 2, (truth[1:] + truth[:-1]) / 2
    y = np.clip(np.round(y), 0, 65535)
    if treat == "8bit":
        low, high = y.min(), y.max()
        a, b, y = a * 255 / (high - low), (b - low) * 255 / (high - low), y - low
        y = np.round(y * 255 / (high - low))
    if treat in TREATED_PSF:
        h = PSFS[psf](shape, **TREATED_PSF[treat])
        h = (h / h.sum()).astype(np.float32)
    return truth, dark, y.astype(np.uint8 if treat == "8bit" else np.uint16), h, a, b


def cpu():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime


def run(scry, folder, told, options):
    out = os.path.join(folder, "out.tif")
    start = cpu()
    subprocess.run([scry, "deblur", os.path.join(folder, "in.tif"), out, "--psf",
                    os.path.join(folder, "psf.tif"), *told, "--type", "float32", "--force",
                    "--quiet", *options], check=True)
    return np.squeeze(tifffile.imread(out)).astype(float), cpu() - start


def write(folder, image, h):
    tifffile.imwrite(os.path.join(folder, "in.tif"), image, imagej=True, resolution=(10, 10),
                     metadata={"axes": "ZYX", "spacing": 0.1, "unit": "um"})
    tifffile.imwrite(os.path.join(folder, "psf.tif"), h)


def psnr(got, truth):
    return -10 * np.log10(np.mean((got - truth) ** 2) / truth.max() ** 2)


def treat_all(a, options, folder, cases):
    print("scene    psf        treated    level  input   PSNR   flux   seen     s")
    for treat in a.treat:
        for scene, psf, level in cases:
            truth, dark, y, h, gain, zero = treated(scene, psf, level, a.shape, a.seed, treat)
            write(folder, y, h)
            got, seconds = run(a.scry, folder, [], options)
            light = [(v.astype(float) - zero) / gain - dark for v in (y, got)]
            print(f"{os.path.basename(scene)[-8:]:8s} {psf:10s} {treat:9s} {level:6g} "
                  f"{psnr(light[0], truth):6.2f} {psnr(light[1], truth):6.2f}  "
                  f"{light[1].sum() / truth.sum():5.3f} {light[0].sum() / truth.sum():6.3f} "
                  f"{seconds:5.1f}", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--scry", default="build/scry")
    p.add_argument("--scene", nargs="+", default=list(SCENES))
    p.add_argument("--psf", nargs="+", default=list(PSFS))
    p.add_argument("--level", nargs="+", type=float, default=[30, 300, 3000])
    p.add_argument("--shape", nargs=3, type=int, default=[24, 72, 72])
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--treat", nargs="+", choices=["raw", "smoothed", "resampled", "8bit", "long",
                                                  "short", "wide", "sparse"])
    p.add_argument("--keep", help="folder that inputs and outputs stay in")
    p.add_argument("options", nargs="*", help="of scry deblur, after --")
    a = p.parse_args()
    options = a.options or ([] if a.treat else ["--method", "richardson-lucy"])
    cases = [(s, h, level) for s in a.scene for h in a.psf for level in a.level]
    if a.treat:
        with tempfile.TemporaryDirectory() as folder:
            return treat_all(a, options, a.keep or folder, cases)
    print("scene    psf        level   PSNR   flux   seen  counted     s")
    with tempfile.TemporaryDirectory() as folder:
        folder = a.keep or folder
        for scene, psf, level in cases:
            truth, dark, image, h, reached = simulate(scene, psf, level, a.shape, a.seed)
            write(folder, image, h)
            told = ["--gain", "0.5", "--offset", "100", "--read-noise", "1.5", "--background",
                    str(dark), "--psf-width", "1"]
            got, seconds = run(a.scry, folder, told, options)
            got = (got - 100) * 0.5 - dark
            counts = np.sum((image - 100.0) * 0.5 - dark)
            print(f"{os.path.basename(scene)[-8:]:8s} {psf:10s} {level:5g} "
                  f"{psnr(got, truth):6.2f} {got.sum() / truth.sum():6.3f} "
                  f"{counts / truth.sum():6.3f} {counts / reached:8.3f} {seconds:5.1f}",
                  flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""The noise that `scry mri` finds in a scan without a noise scan, over the noise that was put in.

    mri_noise.py SCRY MRI.npz [--part test] [--scans 4] [--noise 0.0005,0.005,0.02]
                 [--grid 64x8,64x4,64x1,128x8,128x1,256x8] [--case all,equispaced4,...,spiral]

Scans are simulated from slices of MRI.npz (keys PART/...), SCANS of them, evenly spread; each has
its own coils, phase, pattern and noise. GRID is a list of SIZExCOILS. Noise is the sd of a complex
sample, sqrt(E|n|^2), as a share of bright tissue, its root mean square over the coils, which differ
by 25 % and share `--shared` of it with the next one. A cell is the mean of found / true over the
scans, one for each noise; behind it the least and the largest of all. Constants were chosen on
`--part train`.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

from mri_quality import image_of, lines, smooth_coils, write_cfl

ON_GRID = (
    "all", "equispaced2", "equispaced3", "equispaced4", "equispaced6", "equispaced8",
    "poisson4", "poisson6", "ellipse", "ellipse-poisson4", "partial", "echo", "padded",
)
OFF_GRID = ("radial", "radial4", "spiral", "spiral4")

EMPTY = 0.06  # of bright tissue: the noise of the slices themselves


def slices_of(path, part, count):
    slices = np.load(path)
    names = sorted(k for k in slices.files if k.startswith(part + "/"))
    names = [k for k in names if min(slices[k].shape) >= 128]
    return [slices[names[i * len(names) // count]].astype(float) for i in range(count)]


def object_of(image, n, random):
    """The slice on n x n pixels: bright tissue 1, a smooth phase, nothing beside the object."""
    side = max(n, *image.shape)
    a = np.zeros((side, side))
    y0, x0 = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    a[y0 : y0 + image.shape[0], x0 : x0 + image.shape[1]] = image
    a /= np.percentile(image[image > 0], 99.5)
    k = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(a), norm="ortho"))
    at = side // 2 - n // 2
    a = image_of(k[at : at + n, at : at + n]).real * n / side
    a[a < EMPTY] = 0
    y, x = np.meshgrid(*[(np.arange(n) - n // 2) / n * 2] * 2, indexing="ij")
    p = random.normal(size=5)
    phase = p[0] * x + p[1] * y + 0.8 * (p[2] * x * x + p[3] * y * y) + p[4] * x * y
    return a * np.exp(1j * phase)


def poisson(scry, folder, n, accel, seed):
    ones = os.path.join(folder, "ones")
    write_cfl(ones, np.ones((1, 1, n, n)))
    command = [scry, "kspace", "undersample", "--pattern", "poisson", "--accel", str(accel)]
    command += ["--seed", str(seed), "--centre", "0.12", "--force", "--quiet"]
    command += [ones + ".cfl", ones + "_p.npy"]
    subprocess.run(command, check=True)
    return np.abs(np.load(ones + "_p.npy").squeeze()) > 0


def pattern_of(case, n, seed, scry, folder):
    y, x = np.meshgrid(*[np.abs(np.arange(n) - n // 2) / (n // 2)] * 2, indexing="ij")
    mask = np.ones((n, n))
    if case.startswith("equispaced"):
        r = int(case[10:])
        mask = mask * lines(n, r, max(0.08 if r < 6 else 0.06, 8 / n), seed % r)[:, None]
    if "poisson" in case:
        mask = mask * poisson(scry, folder, n, int(case[-1]), seed)
    if "ellipse" in case:
        mask = mask * (np.hypot(y, x) <= 1)
    if case == "partial":
        mask = mask * (np.arange(n) >= n * 3 // 8)[:, None]
    if case == "echo":
        mask = mask * (np.arange(n) >= n // 4)
    if case == "padded":
        mask = mask * (y < 0.75) * (x < 0.75)
    return mask > 0


def trajectory_of(case, n):
    """(samples, lines, 2), cycles a field of view: as many lines as Nyquist asks, or a quarter."""
    share = 4 if case.endswith("4") else 1
    if case.startswith("radial"):
        spokes, at = int(np.ceil(np.pi / 2 * n / share)), (np.arange(2 * n) - n) / 2
        angle = np.arange(spokes) * np.pi * (np.sqrt(5) - 1) / 2
        return at[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    arms, t, slow = n // 4, np.linspace(0, 1, 4 * n), 0.15
    r = np.sqrt(slow * slow + t * (1 + 2 * slow)) - slow
    angle = 2 * np.pi * (n / 2 / arms * r[:, None] + np.arange(0, arms, share) / arms)
    return n / 2 * r[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], -1)


def at_trajectory(images, k):
    n = images.shape[-1]
    at = np.arange(n) - n // 2
    wave = [np.exp(-2j * np.pi * np.outer(k[:, i], at) / n) for i in (0, 1)]
    return np.array([((wave[0] @ a.T) * wave[1]).sum(1) for a in images]) / n


def scan(case, image, n, coils, seed, scry, folder):
    """Noise-free samples (coils, ...), the trajectory or None, and the samples that are kept."""
    random = np.random.default_rng(seed)
    a = object_of(image, n, random)
    if coils > 1:
        a = smooth_coils(n, coils, random)[0] * a
    a = a.reshape(coils, n, n)
    if case in OFF_GRID:
        k = trajectory_of(case, n)
        return at_trajectory(a, k.reshape(-1, 2)).reshape(coils, *k.shape[:2]), k, None
    axes = (-2, -1)
    k = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(a, axes), norm="ortho"), axes)
    return k, None, pattern_of(case, n, seed, scry, folder)


def found(scry, work, samples, trajectory, n):
    command = [scry, "mri"]
    if trajectory is None:
        write_cfl(work, samples[:, None])
    else:  # BART: 1 x samples x lines x coils; 3 x samples x lines
        write_cfl(work, np.swapaxes(samples, 1, 2)[..., None])
        k = np.swapaxes(trajectory, 0, 1)
        write_cfl(work + "_t", np.stack([k[..., 1], k[..., 0], 0 * k[..., 0]], -1))
        command += ["--trajectory", work + "_t.cfl", "--size", f"{n}x{n}"]
    command += ["--method", "cg-sense", "--iterations", "1", "--noise", "kspace"]
    command += ["--maps", "lowres"]
    command += ["--force", "--quiet", "--report", work + ".json", work + ".cfl", work + "_x.npy"]
    done = subprocess.run(command if samples.shape[0] > 1 else
                          [c for c in command if c not in ("--maps", "lowres")],
                          capture_output=True, text=True)
    if done.returncode:
        print(done.stderr.strip().split("\n")[-1], file=sys.stderr)
        return np.nan
    with open(work + ".json") as file:
        return json.load(file).get("noise_sd", np.nan)


def ratios(case, n, coils, a, images, folder):
    table = []
    for i, image in enumerate(images):
        k, trajectory, mask = scan(case, image, n, coils, i, a.scry, folder)
        random = np.random.default_rng(1000 + i)
        noise = random.normal(size=(2, *k.shape)) * np.sqrt(0.5)
        noise = noise[0] + 1j * noise[1]
        if coils > 1:
            noise = (noise + a.shared * np.roll(noise, 1, 0)) / np.hypot(1, a.shared)
            gain = np.exp(0.25 * random.normal(size=coils))
            noise *= (gain / np.sqrt(np.mean(gain**2))).reshape(-1, *[1] * (k.ndim - 1))
        kept = 1 if mask is None else mask
        work = os.path.join(folder, "scan")
        table.append(
            [found(a.scry, work, (k + s * noise) * kept, trajectory, n) / s for s in a.noise]
        )
    return np.array(table)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("scry")
    p.add_argument("slices")
    p.add_argument("--part", default="test")
    p.add_argument("--scans", type=int, default=4)
    p.add_argument("--noise", default="0.0005,0.005,0.02")
    p.add_argument("--shared", type=float, default=0.2)
    p.add_argument("--grid", default="64x8,64x4,64x1,128x8,128x1,256x8")
    p.add_argument("--case", default=",".join(ON_GRID + OFF_GRID))
    a = p.parse_args()
    a.noise = [float(s) for s in a.noise.split(",")]
    folder = tempfile.mkdtemp(prefix="mri_noise_")
    images = slices_of(a.slices, a.part, a.scans)
    grid = [[int(v) for v in g.split("x")] for g in a.grid.split(",")]
    names = [f"{n} x {n}, {c} coil{'s' * (c > 1)}" for n, c in grid]
    print("| sampling | " + " | ".join(names) + " |")
    print("|---" * (1 + len(grid)) + "|")
    for case in a.case.split(","):
        row = []
        for n, coils in grid:
            t = ratios(case, n, coils, a, images, folder)
            cell = " ".join(f"{m:.2f}" for m in t.mean(0))
            row.append(f"{cell} ({np.nanmin(t):.2f}-{np.nanmax(t):.2f})")
        print(f"| {case} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""What the closed-form start (solvers/start.h) saves: calls of the network at equal quality.

    start.py SCRY DATA [--part sample,deblur,inpaint,kspace] [--prior microscopy,mri]
             [--sigma 5.5 3.5 2 1] [--samples 64] [--chains 8]

DATA holds train/<prior>.npz (keys "test/..." are scored against), microscopy/bench as in quality.py
and kspace as in mri_quality.py. A sampler walks n levels down from sigma 40 (Karras, rho 7). It is
run whole, from noise, and from the Gaussian at each sigma with those levels only that are below it,
equally spaced, so that each row asks the network less and is otherwise the row above.

sample: `scry sample`, 64 x 64. "to 96" is the rms distance to the image from the same noise in 96
levels from noise; "to data" the Frechet distance between samples and held-out crops of 12 features
(log power in eight rings, and the mean, sd, skewness and 99 % quantile of the pixels), each divided
by its sd in the crops; "change" that from the whole walk, whose standard error is a paired
bootstrap's.
deblur, inpaint, kspace: PSNR of the mean of the chains, the share of the truth inside mean +- 1.645
sd (sqrt(1 + 1 / chains)), over 128 x 128 images, and calls for a chain.
"""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np
import tifffile

import mri_quality

LOW, HIGH, RHO = 0.03, 40, 7
SAMPLER, LEVELS, REFERENCE = "dpm++", 24, 96
IMAGES = ["actin", "dsb2", "nuclei"]
RESTORE = {
    "deblur": [("diffpir", 30, []), ("preconditioned-langevin", 40, ["--travel", 2])],
    "inpaint": [("jfps", 60, []), ("preconditioned-langevin", 40, ["--travel", 2])],
    "kspace": [("dds", 60, []), ("jfps", 60, [])],
}


def scry(program, *words):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stderr}")


def starts(levels, sigmas):
    """(name, levels left, options) of the whole walk and of its ends."""
    yield "noise", levels, ["--start", "noise", "--steps", levels]
    a, b = HIGH ** (1 / RHO), LOW ** (1 / RHO)
    grid = (a + np.arange(levels) / (levels - 1) * (b - a)) ** RHO
    for s in sigmas:
        left = int((grid <= s).sum())
        top = grid[levels - left]
        yield f"{top:.2f}", left, ["--start", "gaussian", "--start-sigma", top, "--steps", left]


# ---- unconditional ----


def features(x):
    side = x.shape[-1]
    f = np.fft.fftfreq(side)
    ring = np.digitize(np.hypot(f[:, None], f[None, :]), np.geomspace(1 / side, 0.5, 8))
    window = np.outer(np.hanning(side), np.hanning(side))
    mean, sd = x.mean((1, 2)), x.std((1, 2))
    power = np.abs(np.fft.fft2((x - mean[:, None, None]) * window)) ** 2
    rings = [np.log(power[:, ring == k].mean(1)) for k in range(8)]
    skew = (((x - mean[:, None, None]) / sd[:, None, None]) ** 3).mean((1, 2))
    return np.stack([*rings, mean, sd, skew, np.quantile(x, 0.99, (1, 2))], 1)


def frechet(a, b):
    ca, cb = np.cov(a.T), np.cov(b.T)
    root = np.linalg.eigvals(ca @ cb)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb) - 2 * np.sqrt(
        np.maximum(root.real, 0)).sum()


def held_out(path, side):
    rng, rows = np.random.default_rng(3), []
    with np.load(path) as archive:
        for key in sorted(k for k in archive.files if k.startswith("test/")):
            v = archive[key].astype(float)
            low, high = np.percentile(v, [0.5, 99.9])
            if high <= low or min(v.shape) < side:
                continue
            i, j = (rng.integers(n - side + 1) for n in v.shape)
            crop = (v[i : i + side, j : j + side] - low) / (high - low)
            if crop.std() > 0.02:
                rows.append(2 * rng.uniform(0.5, 1) * crop - 1)
    return np.array(rows)


def sample(a, folder):
    for prior in a.prior.split(","):
        truth = features(held_out(os.path.join(a.data, "train", prior + ".npz"), 64))
        scale = truth.std(0)
        out = os.path.join(folder, "sample.tif")

        def run(options):
            scry(a.scry, "sample", out, "--prior", prior, "--size", "64x64", "--sampler", SAMPLER,
                 "--samples", a.samples, "--seed", 1, "--force", "--quiet", *options)
            return tifffile.imread(out).astype(float)

        print(f"{prior}, {SAMPLER}, {a.samples} samples, {len(truth)} crops\n"
              f"{'start':>8} {'calls':>6} {'saved %':>8} {'to ' + str(REFERENCE):>8} "
              f"{'to data':>8} {'change (se)':>16}", flush=True)
        reference = run(["--start", "noise", "--steps", REFERENCE])
        whole, t = None, truth / scale
        picks = np.random.default_rng(4).integers(a.samples, size=(200, a.samples))
        for name, left, options in starts(LEVELS, a.sigma):
            x = run(options)
            f = features(x) / scale
            whole = f if whole is None else whole
            gains = [frechet(f[i], t) - frechet(whole[i], t) for i in picks]
            print(f"{name:>8} {left:6d} {100 * (1 - left / LEVELS):8.0f} "
                  f"{np.sqrt(np.mean((x - reference) ** 2)):8.3f} {frechet(f, t):8.3f} "
                  f"{frechet(f, t) - frechet(whole, t):+8.3f} ({np.std(gains):.3f})", flush=True)


# ---- conditional ----


def crop(source, folder, name):
    path = os.path.join(folder, name + ".tif")
    image = tifffile.imread(source)
    i, j = ((n - 128) // 2 for n in image.shape)
    tifffile.imwrite(path, image[i : i + 128, j : j + 128])
    return path


def scored(mean, sd, truth, where, peak, chains):
    error = (mean - truth)[where]
    inside = np.abs(error) <= 1.645 * np.sqrt(1 + 1 / chains) * sd[where]
    return 10 * np.log10(peak**2 / np.mean(error**2)), 100 * inside.mean()


def restore(a, folder, part, method, options):
    """PSNR and coverage of each image."""
    bench, rows = os.path.join(a.data, "microscopy", "bench"), []
    for name in IMAGES:
        f = lambda s: os.path.join(bench, f"{name}_{s}.tif")
        truth = crop(f("truth"), folder, "truth")
        out, sd = (os.path.join(folder, s) for s in ("out.tif", "sd.tif"))
        common = [out, "--method", method, "--samples", a.chains, "--sd", sd, "--seed", 1,
                  "--force", "--quiet", "--type", "float32", *options]
        x = tifffile.imread(truth).astype(float)
        where = np.ones(x.shape, bool)
        if part == "deblur":
            scry(a.scry, "deblur", crop(f("ph100"), folder, "camera"), *common, "--psf",
                 os.path.join(bench, "psf.tif"), "--gain", 0.5, "--offset", 100, "--read-noise",
                 1.5, "--background", 2)
            unit = lambda v: ((v - 100) * 0.5 - 2) / 100
            slope = 0.5 / 100
        else:
            mask = crop(f("rand80_mask"), folder, "mask")
            scry(a.scry, "inpaint", truth, *common, "--mask", mask)
            where, unit, slope = tifffile.imread(mask) == 0, lambda v: v, 1
        rows.append(scored(unit(tifffile.imread(out)), slope * tifffile.imread(sd), x, where, 1,
                           a.chains))
    return np.array(rows)


def kspace(a, folder, method, options):
    p = mri_quality.prepare("brain4", a.scry, os.path.join(a.data, "kspace"), folder)
    out, sd = (os.path.join(folder, s) for s in ("out.cfl", "sd.cfl"))
    scry(a.scry, "mri", p["k"], out, "--maps", p["maps"], "--method", method, "--samples", a.chains,
         "--sd", sd, "--seed", 1, "--force", "--quiet", *options)
    image, spread = (np.abs(mri_quality.read_cfl(n[:-4]).squeeze()) for n in (out, sd))
    truth, where = np.abs(p["reference"]), p["support"]
    scale = (image[where] @ truth[where]) / (image[where] @ image[where])
    return np.array([scored(scale * image, scale * spread, truth, where, truth[where].max(),
                            a.chains)])


def conditional(a, folder, part):
    for method, levels, more in RESTORE[part]:
        travel = more[1] if more else 1
        print(f"{part}, {method}, {a.chains} chains\n{'start':>8} {'calls':>6} {'saved %':>8} "
              f"{'PSNR':>7} {'90 % holds':>11} {'change, dB (se)':>17} {'points':>7}", flush=True)
        whole = None
        for name, left, options in starts(levels, a.sigma):
            options = [*options, *more]
            rows = (kspace(a, folder, method, options) if part == "kspace" else
                    restore(a, folder, part, method, options))
            whole = rows if whole is None else whole
            gain = rows - whole
            se = gain[:, 0].std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else float("nan")
            print(f"{name:>8} {left * travel:6d} {100 * (1 - left / levels):8.0f} "
                  f"{rows[:, 0].mean():7.2f} {rows[:, 1].mean():11.1f} {gain[:, 0].mean():+9.2f} "
                  f"({se:.2f}) {gain[:, 1].mean():+7.1f}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("scry")
    p.add_argument("data")
    p.add_argument("--part", default="sample,deblur,inpaint,kspace")
    p.add_argument("--prior", default="microscopy,mri")
    p.add_argument("--sigma", type=float, nargs="+", default=[10, 5.5, 3.5, 2, 1])
    p.add_argument("--samples", type=int, default=64)
    p.add_argument("--chains", type=int, default=8)
    a = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="scry-start-") as folder:
        for part in a.part.split(","):
            sample(a, folder) if part == "sample" else conditional(a, folder, part)


if __name__ == "__main__":
    main()

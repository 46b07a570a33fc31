#!/usr/bin/python3
"""How far the weight that held-out samples choose is from the best.

    mri_weights.py SCRY MRI.npz [--method tv] [--case equispaced4,equispaced8] [--count 6]
                   [--noise 0.02]

Simulated scans (mri_quality.py) of COUNT training slices, which nothing is quoted from. Prints the
mean PSNR at multiples of the weight that `scry mri` chooses by itself, and what the choice loses to
the best multiple of each slice.
"""
import argparse
import json
import sys
import tempfile

import mri_quality as mri
import numpy as np

MULTIPLES = (0.25, 0.4, 0.6, 0.8, 1, 1.3, 1.7, 2.5)


def slices_of(path, count):
    slices = np.load(path)
    names = sorted(k for k in slices.files if k.startswith("train/"))
    names = [k for k in names if min(slices[k].shape) >= 128]
    return [slices[names[(2 * i + 1) * len(names) // (2 * count)]].astype(float)
            for i in range(count)]


def chosen(scry, problem, method):
    _, words = mri.run(scry, problem, method, [], 0)
    if words:
        sys.exit(words)
    with open(problem["folder"] + "_" + method + ".json") as file:
        options = json.load(file)["options"]
    return next(options[k] for k in ("lambda", "wavelet-weight", "tv-weight") if k in options)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("scry")
    p.add_argument("slices")
    p.add_argument("--method", default="tv")
    p.add_argument("--case", default="equispaced4,equispaced8")
    p.add_argument("--count", type=int, default=6)
    p.add_argument("--noise", type=float, default=0.02)
    a = p.parse_args()
    images, folder = slices_of(a.slices, a.count), tempfile.mkdtemp(prefix="mri_weights_")
    print(f"{'case':12} " + " ".join(f"{m:6g}" for m in MULTIPLES) + "   lost")
    for case in a.case.split(","):
        psnr = np.zeros((a.count, len(MULTIPLES)))
        for i in range(a.count):
            problem = mri.simulated(case, images[i], 100 + i, a.scry, folder, noise=a.noise)
            weight = chosen(a.scry, problem, a.method)
            for k, m in enumerate(MULTIPLES):
                extra = ["--lambda", repr(weight * m)]
                psnr[i, k] = mri.run(a.scry, problem, a.method, extra, 0)[0]["psnr"]
        lost = psnr.max(1) - psnr[:, MULTIPLES.index(1)]
        print(f"{case:12} " + " ".join(f"{v:6.2f}" for v in psnr.mean(0)) +
              f"   {lost.mean():.2f} +- {lost.std(ddof=1) / np.sqrt(a.count):.2f}", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""D of pretrained priors and BM3D on images that no training saw: PSNR by class and noise level.

    denoise_quality.py DATA.npz PRIOR... [--levels 0.05 0.1 0.2 0.4 0.8] [--per-class 8]
                       [--classes nuclei ...] [--no-bm3d]

DATA.npz holds 8-bit images under "test/<class>/...", the class part optional; the middle 128 x 128
of each of at most --per-class images a class becomes x0 = 1.5 v - 1, and white noise of each level
(in x, range 2) is added. PRIOR is a folder; its D is computed by priors/pretrained/network.py in
PyTorch, with which scry's agrees (tests/test_unet.c). BM3D is the package `bm3d` from PyPI, told
the noise level. Means over a class are of decibels; the last row is the mean over classes.
"""
import argparse
import os
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "priors", "pretrained"))
from make_prior_json import held_out  # noqa: E402
from network import Prior  # noqa: E402


def bm3d_of(noisy, sigma):
    import bm3d
    return np.array([[bm3d.bm3d(image, sigma)] for image in noisy[:, 0]])


def psnr(estimate, truth):
    return 10 * np.log10(4 / ((estimate - truth) ** 2).mean((1, 2, 3)))


def table(sigma, names, classes, scores, baseline):
    print(f"\nsigma {sigma}: PSNR in dB" + (f", in brackets over {baseline}" if baseline else ""))
    print(f"{'class':12} {'n':>3} " + "".join(f"{name:>20.20}" for name in scores))
    rows = []
    for c in names:
        mine = classes == c
        means = {name: values[mine].mean() for name, values in scores.items()}
        rows.append(list(means.values()))
        print(f"{c:12} {mine.sum():3} " + line(means, baseline))
    mean = dict(zip(scores, np.mean(rows, 0)))
    print(f"{'MEAN':12} {len(classes):3} " + line(mean, baseline), flush=True)


def line(means, baseline):
    return "".join(
        f"{m:20.2f}" if not baseline or name == baseline
        else f"{m:12.2f} ({m - means[baseline]:+.2f})" for name, m in means.items()
    )


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("data")
    p.add_argument("priors", nargs="+")
    p.add_argument("--levels", nargs="+", type=float, default=[0.05, 0.1, 0.2, 0.4, 0.8])
    p.add_argument("--per-class", type=int, default=8)
    p.add_argument("--classes", nargs="+")
    p.add_argument("--no-bm3d", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(1)
    with np.load(a.data) as archive:
        truth, classes = held_out(archive, a.per_class)
    names = a.classes or sorted(set(classes))
    kept = np.isin(classes, names)
    truth, classes = truth[kept], classes[kept]
    noise = np.random.default_rng(3).standard_normal(truth.shape)
    priors = [(os.path.basename(os.path.normpath(f)), Prior(f)) for f in a.priors]
    for sigma in a.levels:
        noisy, scores = truth + sigma * noise, {}
        if not a.no_bm3d:
            scores["bm3d"] = psnr(bm3d_of(noisy, sigma), truth)
        for name, prior in priors:
            scores[name] = psnr(prior.denoise(noisy, sigma), truth)
        table(sigma, names, classes, scores, None if a.no_bm3d else "bm3d")


if __name__ == "__main__":
    main()

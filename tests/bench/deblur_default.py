#!/usr/bin/env python3
"""What the default of `scry deblur` brings over the methods that it chooses from, on raw images.

usage: deblur_default.py SCRY FOLDER [PHOTONS,...] [CROPS]

FOLDER holds NAME_truth.tif (floats in [0, 1], 128 x 128 or more). Each truth is blurred (Gaussian,
1.6 px, reflecting edge), counted (peak of PHOTONS electrons on 2 % background), read (1.5 e-) and
digitised (0.5 e-/ADU, offset 100); scry is given the PSF alone and takes 2 chains. PSNR after the
least-squares map a x + b, less that of the better of the input and 20 plain iterations of
Richardson-Lucy; flux of the output over that of the input."""
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import tifffile
from scipy import ndimage

SIGMA = 1.6


def blur(x):
    return ndimage.gaussian_filter(x, SIGMA, mode="reflect")


def psnr(x, truth):
    a = np.stack([x.ravel(), np.ones(x.size)], 1)
    fit = np.linalg.lstsq(a, truth.ravel(), rcond=None)[0]
    return -10 * np.log10(np.mean((a @ fit - truth.ravel()) ** 2))


def richardson_lucy(y, steps=20):
    y = np.maximum(y - np.percentile(y, 1), 0) + 1e-3 * (y.max() - y.min() + 1e-9)
    x = np.full_like(y, y.mean())
    for _ in range(steps):
        x = x * blur(y / np.maximum(blur(x), 1e-9 * y.max()))
    return x


def restore(scry, folder, method):
    out, report = os.path.join(folder, "out.tif"), os.path.join(folder, "run.json")
    subprocess.run([scry, "deblur", os.path.join(folder, "in.tif"), out, "--psf",
                    f"gaussian:sigma={SIGMA}", "--samples", "2", "--seed", "1", "--force",
                    "--type", "float32", "--quiet", "--method", method, "--report", report],
                   check=True)
    with open(report) as f:
        image = json.load(f)["files"][0]["images"][0]
    weights = {m["name"]: m.get("weight", 0) for m in image.get("held_out", {}).get("methods", [])}
    return np.squeeze(tifffile.imread(out)).astype(float), weights.get("diffpir", float("nan"))


def main():
    scry, folder = sys.argv[1:3]
    levels = [float(p) for p in (sys.argv[3] if len(sys.argv) > 3 else "30,300,3000").split(",")]
    names = sorted(glob.glob(os.path.join(folder, "*_truth.tif")))
    names = names[:int(sys.argv[4])] if len(sys.argv) > 4 else names
    for photons in levels:
        rows = []
        for i, name in enumerate(names):
            truth = tifffile.imread(name).astype(float)[:128, :128]
            rng = np.random.default_rng([0, i, int(photons)])
            light = rng.poisson(photons * blur(truth) + .02 * photons)
            y = (light + rng.normal(0, 1.5, truth.shape)) / .5 + 100
            y = np.clip(np.rint(y), 0, 65535).astype(np.uint16)
            plain = max(psnr(y.astype(float), truth), psnr(richardson_lucy(y.astype(float)), truth))
            with tempfile.TemporaryDirectory() as work:
                tifffile.imwrite(os.path.join(work, "in.tif"), y)
                got = {m: restore(scry, work, m) for m in ("richardson-lucy", "diffpir", "auto")}
            gains = [psnr(got[m][0], truth) - plain for m in ("richardson-lucy", "diffpir", "auto")]
            both = (got["richardson-lucy"][0] + got["diffpir"][0]) / 2
            rows.append(gains + [psnr(both, truth) - plain, got["auto"][1],
                                 abs(got["auto"][0].sum() / y.sum() - 1)])
        mean = np.mean(rows, 0)
        print("%7g e-: richardson-lucy %+.2f  diffpir %+.2f  default %+.2f dB  (half and half "
              "%+.2f; mean weight of diffpir %.2f; |flux - 1| %.4f)" % (photons, *mean), flush=True)


main()

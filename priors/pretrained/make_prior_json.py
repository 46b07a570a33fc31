#!/usr/bin/env python3
"""Write prior.json beside a pretrained network: what it was trained on, and the mean and radial
power spectrum of that content in the prior's unit.

    make_prior_json.py FOLDER TRAIN.npz

FOLDER/about.json holds the words (name, description, training_data, licence); TRAIN.npz holds 8-bit
slices under keys "train/...". Each slice is mapped as in training,
    x = 2 g (v - lo) / (hi - lo) - 1,   lo, hi its 0.5 and 99.9 percentiles, g between 0.5 and 1,
here with g at the midpoints of four equal parts of its range. Crops of 128 x 128 on a fixed grid,
at most eight a slice so that large images do not outvote small ones.

Spectrum: |DFT(w (x - mean))|^2 / sum(w^2), w a Hann window, mean that of the whole collection,
averaged over crops and over rings of frequency; white noise of sd s has s^2 everywhere. It is
stored at f_i = i sqrt(0.5) / (count - 1) cycles per pixel.
"""
import hashlib
import json
import os
import sys

import numpy as np

SIDE, COUNT, PER_SLICE = 128, 65, 8
GAINS = np.array([0.5625, 0.6875, 0.8125, 0.9375])


def crops(archive):
    for key in sorted(k for k in archive.files if k.startswith("train/")):
        v = archive[key].astype(np.float64)
        lo, hi = np.percentile(v, [0.5, 99.9])
        if min(v.shape) < SIDE or hi <= lo:
            continue
        u = (v - lo) / (hi - lo)
        tops = range(0, v.shape[0] - SIDE + 1, SIDE)
        lefts = range(0, v.shape[1] - SIDE + 1, SIDE)
        places = [(i, j) for i in tops for j in lefts]
        for i, j in places[:: max(1, -(-len(places) // PER_SLICE))]:
            yield u[i : i + SIDE, j : j + SIDE]


def rings(power):
    """Power at the frequencies of the table. Near the origin, where it falls by a factor of two
    from bin to bin, each distinct radius stands for itself; further out rings are averaged."""
    f = np.fft.fftfreq(SIDE)
    radius = np.hypot(f[:, None], f[None, :]).ravel()
    at = np.arange(COUNT) * np.sqrt(0.5) / (COUNT - 1)
    ring = np.rint(radius / at[1]) * at[1]
    key = np.round(np.where(radius < 8 / SIDE, radius, ring), 9)
    places, index = np.unique(key, return_inverse=True)
    mean = np.bincount(index, power.ravel()) / np.bincount(index)
    return np.exp(np.interp(at, places, np.log(mean)))


def main(folder, npz):
    tiles = np.array(list(crops(np.load(npz))))
    x = 2 * GAINS[:, None, None, None] * tiles[None] - 1
    mean, variance = x.mean(), x.var()

    window = np.outer(np.hanning(SIDE), np.hanning(SIDE))
    power = np.zeros((SIDE, SIDE))
    for row in x.reshape(-1, SIDE, SIDE):
        power += np.abs(np.fft.fft2(window * (row - mean))) ** 2
    power /= (window**2).sum() * x.shape[0] * x.shape[1]

    radial = rings(power)

    with open(os.path.join(folder, "about.json")) as file:
        words = json.load(file)
    with open(os.path.join(folder, "diffusion_pytorch_model.safetensors"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    with open(os.path.join(folder, "config.json")) as file:
        channels = json.load(file)["in_channels"]
    words.update(
        channels=channels,
        intensity={
            "map": "x = 2 g (v - lo) / (hi - lo) - 1",
            "low_percentile": 0.5,
            "high_percentile": 99.9,
            "gain_low": 0.5,
            "gain_high": 1.0,
        },
        mean=float("%.6g" % mean),
        variance=float("%.6g" % variance),
        radial_power=[float("%.5g" % p) for p in radial],
        weights_sha256=digest,
    )
    with open(os.path.join(folder, "prior.json"), "w") as file:
        json.dump(words, file, indent=1)
        file.write("\n")
    print(folder, "crops", len(tiles), "mean %.4f variance %.4f" % (mean, variance))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

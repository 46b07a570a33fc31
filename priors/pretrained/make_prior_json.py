#!/usr/bin/python3
"""Write prior.json beside a pretrained network: what it was trained on, the mean and radial power
spectrum of that content in the prior's unit, and how far the network is from that Gaussian.

    make_prior_json.py FOLDER TRAIN.npz [CROPS]

FOLDER/about.json holds the words (name, description, training_data, licence); TRAIN.npz holds 8-bit
slices under keys "train/..." and, not seen in training, "test/...". Each is mapped as in training,
    x = 2 g (v - lo) / (hi - lo) - 1,   lo, hi its 0.5 and 99.9 percentiles, g between 0.5 and 1,
here with g at the midpoints of four equal parts of its range. Crops of 128 x 128 on a fixed grid,
at most eight a slice so that large images do not outvote small ones.

Spectrum: |DFT(w (x - mean))|^2 / sum(w^2), w a Hann window, mean that of the whole collection,
averaged over crops and over rings of frequency; white noise of sd s has s^2 everywhere. It is
stored at f_i = i sqrt(0.5) / (count - 1) cycles per pixel.

Departure (priors/gaussian_gap.h): 1 - E|D - x0|^2 / E|D_G - x0|^2 at x0 + sigma n, x0 some
CROPS (32) from "test/...", D the network in PyTorch, D_G the denoiser of the Gaussian just written.
"""
import hashlib
import json
import os
import sys

import numpy as np
import torch

from continue_training import UNet, load, step_of

SIDE, COUNT, PER_SLICE = 128, 65, 8
GAINS = np.array([0.5625, 0.6875, 0.8125, 0.9375])
BATCH, LEVELS = 8, np.geomspace(0.25, 32, 12)


def crops(archive, prefix):
    for key in sorted(k for k in archive.files if k.startswith(prefix)):
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


def gaussian_denoiser(x, sigma, mean, radial):
    """mean + C (C + sigma^2)^-1 (x - mean), C of the table as scry_radial_power has it."""
    f = np.fft.fftfreq(SIDE)
    at = np.hypot(f[:, None], f[None, :]) / np.sqrt(0.5) * (COUNT - 1)
    power = np.exp(np.interp(at, np.arange(COUNT), np.log(radial)))
    return mean + np.fft.ifft2(np.fft.fft2(x - mean) * (power / (power + sigma**2))).real


def departure(folder, config, tiles, mean, radial, count):
    rng = np.random.default_rng(1)
    tiles = tiles[rng.permutation(len(tiles))[:count]]
    x0 = 2 * rng.uniform(0.5, 1, (len(tiles), 1, 1)) * tiles - 1
    n = rng.standard_normal(x0.shape)
    net = UNet(config, load(os.path.join(folder, "diffusion_pytorch_model.safetensors")))
    alpha = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    levels = np.sqrt((1 - alpha) / alpha)
    values = []
    print("   sigma   rms error of D    of D_G   departure (its standard error over crops)")
    for s in LEVELS:
        x = x0 + s * n
        estimates = [np.empty_like(x), gaussian_denoiser(x, s, mean, radial)]
        for k in range(0, len(x), BATCH):
            at = torch.from_numpy((x[k : k + BATCH] / np.sqrt(1 + s * s)).astype(np.float32))
            with torch.no_grad():
                eps = net(at[:, None], step_of(levels, np.full(len(at), s)))[:, 0].numpy()
            estimates[0][k : k + BATCH] = x[k : k + BATCH] - s * eps
        error = [((e - x0) ** 2).mean((1, 2)) for e in estimates]
        mine, theirs = error[0].mean(), error[1].mean()
        value = 1 - mine / theirs
        se = np.std(error[0] - mine / theirs * error[1]) / theirs / np.sqrt(len(x0))
        print(f"{s:8.3f} {mine**0.5:16.4f} {theirs**0.5:9.4f} {value:11.3f} ({se:.3f})", flush=True)
        values.append(float("%.4g" % value))
    return {
        "crops": len(tiles),
        "sigma": [float("%.5g" % s) for s in LEVELS],
        "value": values,
    }


def main(folder, npz, count=32):
    archive = np.load(npz)
    tiles = np.array(list(crops(archive, "train/")))
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
        config = json.load(file)
    torch.set_num_threads(1)
    words.update(
        channels=config["in_channels"],
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
        gaussian_departure=departure(
            folder, config, np.array(list(crops(archive, "test/"))), mean, radial, int(count)
        ),
        weights_sha256=digest,
    )
    with open(os.path.join(folder, "prior.json"), "w") as file:
        json.dump(words, file, indent=1)
        file.write("\n")
    print(folder, "crops", len(tiles), "mean %.4f variance %.4f" % (mean, variance))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])

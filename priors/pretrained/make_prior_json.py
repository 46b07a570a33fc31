#!/usr/bin/python3
"""Write prior.json beside a pretrained network: its training data, the mean and radial power
spectrum of that content in the prior's unit, how far the network is from that Gaussian, and how
well it denoises images that it has not seen.

    make_prior_json.py FOLDER DATA.npz [CROPS]

FOLDER/about.json holds the words (name, description, training_data, licence) and FOLDER/prior.json,
where there is one, "input" (unshuffle, mean, std: priors/network/unet.h). DATA.npz holds 8-bit
images under keys "train/<class>/..." and, not seen in training, "test/<class>/...", the class part
optional. Each is mapped as in training,
    x = 2 g (v - lo) / (hi - lo) - 1,   lo, hi its 0.5 and 99.9 percentiles, g between 0.5 and 1,
here with g at the midpoints of four equal parts of its range. Crops of 128 x 128 on a fixed grid,
at most eight an image so that large images do not outvote small ones; classes count by the root of
their area, and images within a class by the root of theirs, as in training.

Spectrum: |DFT(w (x - mean))|^2 / sum(w^2), w a Hann window, mean that of the whole collection,
averaged over crops and over rings of frequency; white noise of sd s has s^2 everywhere. It is
stored at f_i = i sqrt(0.5) / (count - 1) cycles per pixel.

Departure (priors/gaussian_gap.h): 1 - E|D - x0|^2 / E|D_G - x0|^2 at x0 + sigma n, x0 some
CROPS (32) from "test/...", D the network in PyTorch, D_G the denoiser of the Gaussian just written.

Held out: PSNR of D at x0 + sigma n, range 2, x0 = 1.5 v - 1 the first crop of each of at most eight
images a class.
"""
import hashlib
import json
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from network import Prior  # noqa: E402

SIDE, COUNT, PER_IMAGE, PER_CLASS = 128, 65, 8, 8
GAINS = np.array([0.5625, 0.6875, 0.8125, 0.9375])
LEVELS = np.geomspace(0.25, 32, 12)
PSNR_LEVELS = [0.05, 0.1, 0.2, 0.4, 0.8, 2.0]


def class_of(key):
    return key.split("/")[1] if key.count("/") > 1 else "all"


def crops(archive, prefix):
    """Crops in [0, 1], the weight of each, and its class."""
    found = []
    for key in sorted(k for k in archive.files if k.startswith(prefix)):
        v = archive[key].astype(np.float64)
        lo, hi = np.percentile(v, [0.5, 99.9])
        if min(v.shape) < SIDE or hi <= lo:
            continue
        u = (v - lo) / (hi - lo)
        tops = range(0, v.shape[0] - SIDE + 1, SIDE)
        lefts = range(0, v.shape[1] - SIDE + 1, SIDE)
        places = [(i, j) for i in tops for j in lefts]
        places = places[:: max(1, -(-len(places) // PER_IMAGE))]
        for i, j in places:
            weight = np.sqrt(v.size) / len(places)
            found.append((u[i : i + SIDE, j : j + SIDE], weight, class_of(key), key, v.size))
    tiles, weights, classes, keys, sizes = (np.array(part) for part in zip(*found))
    for c in set(classes):
        mine = classes == c
        area = sum(dict(zip(keys[mine], sizes[mine])).values())
        weights[mine] *= np.sqrt(area) / weights[mine].sum()
    return tiles, weights / weights.sum(), classes


def held_out(archive, per_class=PER_CLASS):
    """One crop of each of at most per_class test images of a class, (N, 1, SIDE, SIDE) in x."""
    kept, classes, counts = [], [], {}
    for key in sorted(k for k in archive.files if k.startswith("test/")):
        v, c = archive[key], class_of(key)
        if min(v.shape) < SIDE or counts.get(c, 0) == per_class:
            continue
        counts[c] = counts.get(c, 0) + 1
        i, j = ((n - SIDE) // 2 for n in v.shape)
        kept.append(1.5 * v[None, i : i + SIDE, j : j + SIDE] / 255 - 1)
        classes.append(c)
    return np.array(kept), np.array(classes)


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


def gaussian_gap(prior, archive, mean, radial, count):
    rng = np.random.default_rng(1)
    tiles, weights, _ = crops(archive, "test/")
    tiles = tiles[rng.choice(len(tiles), min(count, len(tiles)), replace=False, p=weights)]
    x0 = 2 * rng.uniform(0.5, 1, (len(tiles), 1, 1)) * tiles - 1
    n = rng.standard_normal(x0.shape)
    values = []
    print("   sigma   rms error of D    of D_G   gap (its standard error over crops)")
    for s in LEVELS:
        x = x0 + s * n
        estimates = [prior.denoise(x[:, None], s)[:, 0], gaussian_denoiser(x, s, mean, radial)]
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


def scores(prior, archive):
    x0, classes = held_out(archive)
    noise = np.random.default_rng(1).standard_normal(x0.shape)
    table = {c: [] for c in sorted(set(classes))}
    for s in PSNR_LEVELS:
        error = ((prior.denoise(x0 + s * noise, s) - x0) ** 2).mean((1, 2, 3))
        psnr = 10 * np.log10(4 / error)
        for c in table:
            table[c].append(round(float(psnr[classes == c].mean()), 2))
    mean = [round(float(m), 2) for m in np.mean(list(table.values()), 0)]
    print("held-out PSNR, mean over classes:", *mean)
    return {"sigma": PSNR_LEVELS, "psnr": table, "mean": mean}


def main(folder, npz, count=32):
    torch.set_num_threads(1)
    archive = np.load(npz)
    tiles, weights, classes = crops(archive, "train/")
    x = 2 * GAINS[:, None, None, None] * tiles[None] - 1
    mean = float((weights * x.mean((0, 2, 3))).sum())
    variance = float((weights * ((x - mean) ** 2).mean((0, 2, 3))).sum())

    window = np.outer(np.hanning(SIDE), np.hanning(SIDE))
    power = np.zeros((SIDE, SIDE))
    for row in x:
        for tile, weight in zip(row, weights / len(x)):
            power += weight * np.abs(np.fft.fft2(window * (tile - mean))) ** 2
    radial = rings(power / (window**2).sum())

    with open(os.path.join(folder, "about.json")) as file:
        words = json.load(file)
    before = {}
    if os.path.exists(os.path.join(folder, "prior.json")):
        with open(os.path.join(folder, "prior.json")) as file:
            before = json.load(file)
    with open(os.path.join(folder, "diffusion_pytorch_model.safetensors"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    prior = Prior(folder)
    for key in ("input", "images_seen"):
        if key in before:
            words[key] = before[key]
    words.update(
        channels=prior.config["in_channels"] // prior.input["unshuffle"] ** 2,
        classes=sorted(set(classes)),
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
        gaussian_gap=gaussian_gap(prior, archive, mean, radial, int(count)),
        held_out=scores(prior, archive),
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

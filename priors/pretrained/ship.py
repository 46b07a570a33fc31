#!/usr/bin/python3
"""Make the folder of a training into a prior of this folder, with its notes and a check.

    ship.py TRAINED NAME DATA.npz [--scry build/scry] [--force]

TRAINED is the folder that `scry train` leaves, or a folder of config.json, scheduler_config.json,
diffusion_pytorch_model.safetensors, train.json (pixel_unshuffle, mean, std, images_seen) and
log.jsonl (held-out PSNR now and then). NAME is the folder beside this script to put them in; its
about.json has the words. DATA.npz has the images, keys "train/<class>/..." and "test/<class>/...".

Writes a whole new folder, prior.json last (make_prior_json.py), measures D on held-out crops of
DATA.npz with the prior that is there now and with the new one, and puts it in place when it is
better in the mean over classes at every level (--force: anyway). With --scry, `scry denoise` must
give PyTorch's result (needs tifffile).
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import make_prior_json  # noqa: E402
from network import Prior  # noqa: E402

LEVELS = [0.05, 0.1, 0.2, 0.4, 0.8]
COPIED = ["config.json", "scheduler_config.json", "diffusion_pytorch_model.safetensors"]


def notes(trained, name, out):
    with open(os.path.join(HERE, name, "about.json")) as file:
        about = json.load(file)
    if os.path.exists(os.path.join(trained, "train.json")):
        with open(os.path.join(trained, "train.json")) as file:
            train = json.load(file)
        about["input"] = {"unshuffle": train["pixel_unshuffle"], "mean": train["mean"],
                          "std": train["std"]}
        about["images_seen"] = train["images_seen"]
    else:
        with open(os.path.join(trained, "prior.json")) as file:
            train = json.load(file)
        about["input"], about["images_seen"] = train["input"], train["images_seen"]
    path = os.path.join(trained, "log.jsonl")
    if os.path.exists(path):
        with open(path) as file:
            lines = [json.loads(line) for line in file if line.strip()]
        with open(os.path.join(out, "log.jsonl"), "w") as file:
            for line in lines:
                for s, p in line["psnr"].items():
                    line["psnr"][s] = round(p["mean"] if isinstance(p, dict) else p, 3)
                file.write(json.dumps(line) + "\n")
    with open(os.path.join(out, "prior.json"), "w") as file:
        json.dump(about, file, indent=1)


def psnr(folder, crops, noise):
    prior = Prior(folder)
    rows = []
    for sigma in LEVELS:
        d = prior.denoise(crops + sigma * noise, sigma)
        rows.append(10 * np.log10(4 / ((d - crops) ** 2).mean((1, 2, 3))))
    return np.array(rows)


def agrees(scry, folder, crop):
    """D of `scry denoise` in the prior's unit, which a range of -1 to 0.5 is, against PyTorch's."""
    import tifffile
    sigma = 0.2
    noisy = (crop + sigma * np.random.default_rng(6).standard_normal(crop.shape)).astype("f4")
    with tempfile.TemporaryDirectory() as work:
        a, b = os.path.join(work, "a.tif"), os.path.join(work, "b.tif")
        tifffile.imwrite(a, noisy[0])
        subprocess.run([scry, "denoise", a, b, "--prior", folder, "--sigma", str(sigma),
                        "--range=-1,0.5", "--quiet"], check=True)
        got = tifffile.imread(b)
    expected = Prior(folder).denoise(noisy[None], sigma)[0, 0]
    return np.sqrt(((got - expected) ** 2).mean())


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("trained")
    p.add_argument("name")
    p.add_argument("data")
    p.add_argument("--scry")
    p.add_argument("--force", action="store_true")
    a = p.parse_args()
    place = os.path.join(HERE, a.name)
    out = tempfile.mkdtemp(prefix=a.name + ".", dir=HERE)
    os.chmod(out, 0o755)
    try:
        for name in COPIED:
            shutil.copyfile(os.path.join(a.trained, name), os.path.join(out, name))
        shutil.copyfile(os.path.join(place, "about.json"), os.path.join(out, "about.json"))
        notes(a.trained, a.name, out)
        make_prior_json.main(out, a.data)
        with np.load(a.data) as archive:
            crops, classes = make_prior_json.held_out(archive)
        noise = np.random.default_rng(5).standard_normal(crops.shape)
        before, after = psnr(place, crops, noise), psnr(out, crops, noise)
        names = sorted(set(classes))
        gains = np.array([[(after - before)[k, classes == c].mean() for c in names]
                          for k in range(len(LEVELS))])
        print("held-out PSNR of D over that of the prior in place, dB, by class")
        print("sigma  " + " ".join("%10.10s" % c for c in names) + "       mean")
        for sigma, row in zip(LEVELS, gains):
            print("%5.2f  " % sigma + " ".join("%10.2f" % g for g in row) +
                  " %10.2f" % row.mean())
        if a.scry:
            off = agrees(a.scry, out, crops[0])
            print("scry denoise is off by %.1e of PyTorch's result, rms" % off)
            if off > 1e-4:
                sys.exit("expected below 1e-4: left as it was")
        if not a.force and gains.mean(1).min() <= 0:
            sys.exit("not better in the mean at every level: left as it was (--force ships it)")
        for name in os.listdir(out):
            os.replace(os.path.join(out, name), os.path.join(place, name))
        print("shipped to", place)
    finally:
        shutil.rmtree(out)


if __name__ == "__main__":
    main()

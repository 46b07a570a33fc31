#!/usr/bin/env python3
"""Crops with holes from the held-out images of a training set, in the layout that quality.py reads.

usage: hole_crops.py SET.npz FOLDER [--side 128] [--each 2] [--seed 1]

Of every class the middles of the first images that are large enough, --each of them, scaled to
[0, 1]; masks (255 where the image is known): block32, three holes of 32 x 32 at random places;
border32, three holes that the border cuts; rand80, 80 % of the pixels lost; lines8, every eighth
line lost with its two neighbours. Needs numpy and tifffile.
"""
import argparse, os
import numpy as np, tifffile


def blocks(random, side, cut):
    known = np.full((side, side), 255, np.uint8)
    for k in range(3):
        y, x = random.integers(0, side - 32, 2)
        if cut:
            y = random.choice([0, side - 24])
        known[y:y + (24 if cut else 32), x:x + 32] = 0
    return known


def masks(random, side):
    lines = np.full((side, side), 255, np.uint8)
    for y in range(4, side, 8):
        lines[y - 1:y + 2] = 0
    return {"block32": blocks(random, side, False), "border32": blocks(random, side, True),
            "rand80": (255 * (random.random((side, side)) < .2)).astype(np.uint8),
            "lines8": lines}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("set")
    p.add_argument("folder")
    p.add_argument("--side", type=int, default=128)
    p.add_argument("--each", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    random, taken = np.random.default_rng(a.seed), {}
    images = np.load(a.set, allow_pickle=True)
    for name in images.files:
        part, kind, title = (name.split("/") + ["", ""])[:3]
        if part != "test" or min(images[name].shape) < a.side or taken.get(kind, 0) == a.each:
            continue
        y, x = ((n - a.side) // 2 for n in images[name].shape)
        crop = images[name][y:y + a.side, x:x + a.side].astype(np.float32)
        if crop.max() - crop.min() < 16:
            continue
        taken[kind] = taken.get(kind, 0) + 1
        to = os.path.join(a.folder, f"{kind}{taken[kind]}")
        tifffile.imwrite(to + "_truth.tif", (crop - crop.min()) / (crop.max() - crop.min()))
        for mask, known in masks(random, a.side).items():
            tifffile.imwrite(f"{to}_{mask}_mask.tif", known)
        print(f"{kind}{taken[kind]:<2} {title}")


main()

#!/usr/bin/env python3
"""The default of `scry deblur` on images as laboratories treat them; nothing but the PSF is given.

usage: treated.py ARCHIVE.npz [--scry build/scry] [--kinds raw mean3 ...] [--photons 300 3000 ...]
                  [--crops 0 3 ...] [--vary FILE.c NAME VALUE ...] [--measured] [--each]
                  [--json OUT] [-- options of scry]

ARCHIVE holds 8-bit images in keys test/KIND/...; of each kind the two that vary most in a part of
128 x 128 pixels give the crops, 0, 1, ... in the order of the kinds (--crops picks some). A crop is
blurred (Gaussian, 1.6 px, reflecting edge), counted (peak of `photons` electrons on 2 % of it),
read (1.5 e-), digitised (.5 e-/ADU, offset 100) and treated: see KINDS. PSNR after the best map
a x + b of the input, of 20 plain iterations of Richardson-Lucy and of scry; harm: scry's less the
better of the two, mean and worst over crops; flux: largest departure of the sum from the input's,
in %; psf: mean factor by which its width was taken; network: weight of diffpir in the result.

--vary builds scry once for each VALUE of the constant NAME in FILE.c (`NAME = number` or `#define
NAME number`), from the objects of the build folder beside --scry, and prints a row for each: the
tables of defaults. Needs numpy, scipy, tifffile and pillow."""
import argparse
import io
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage

SIGMA, SIDE = 1.6, 128
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ.setdefault("SCRY_PRIORS", os.path.join(ROOT, "priors", "pretrained"))


def blur(x, sigma=SIGMA):
    return ndimage.gaussian_filter(x, sigma, mode="reflect")


def u16(x):
    return np.clip(np.rint(x), 0, 65535).astype(np.uint16)


def bytes_of(x, cut=0.1):
    low, high = np.percentile(x, [cut, 100 - cut])
    return np.clip(np.rint(255 * (x - low) / (high - low)), 0, 255).astype(np.uint8)


def jpeg(quality):
    def compress(x):
        f = io.BytesIO()
        Image.fromarray(bytes_of(x)).save(f, "JPEG", quality=quality)
        return np.array(Image.open(io.BytesIO(f.getvalue())))
    return compress


def zero_border(x):
    y = u16(x)
    y[:12] = 0
    y[:, -9:] = 0
    return y


def non_local_means(x, patch=5, reach=6):
    """Buades, Coll & Morel 2005; h is .8 sd of the noise, which differences of pixels tell."""
    sd = 1.4826 * np.median(abs(ndimage.convolve(x, np.outer([1, -2, 1], [1, -2, 1])))) / 6
    total, weights = np.zeros_like(x), np.zeros_like(x)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            y = np.roll(x, (dy, dx), (0, 1))
            d = ndimage.uniform_filter((x - y) ** 2, patch) - 2 * sd ** 2
            w = np.exp(-np.maximum(d, 0) / (0.8 * sd) ** 2)
            total += w * y
            weights += w
    return total / weights


def zoom(factor, order):
    return lambda x: ndimage.zoom(x, factor, order=order, grid_mode=True, mode="nearest")


def turn(angle, order, mode):
    return lambda x: ndimage.rotate(x, angle, reshape=False, order=order, mode=mode)


def rolling(x):
    return u16(np.maximum(x - ndimage.grey_opening(blur(x, 2), 31), 0))


def reduced(factor):
    return lambda x: zoom(factor, 1)(blur(x, .5))


def labelled(x):
    """A scale bar is burnt in."""
    y = u16(x)
    y[-16:-12, -50:-12] = y.max()
    return y


def same(t):
    return t


def then(*steps):
    def all_of(x):
        for step in steps:
            x = step(x)
        return x
    return all_of


# the treatment of the image, that of the truth, the factor on the PSF that is given
KINDS = {
    "raw": (u16, same, 1),
    "mean3": (then(lambda x: ndimage.uniform_filter(x, 3), u16), same, 1),
    "mean5": (then(lambda x: ndimage.uniform_filter(x, 5), u16), same, 1),
    "gauss.6": (then(lambda x: blur(x, .6), u16), same, 1),
    "gauss1": (then(lambda x: blur(x, 1), u16), same, 1),
    "median3": (then(lambda x: ndimage.median_filter(x, 3), u16), same, 1),
    "median5": (then(lambda x: ndimage.median_filter(x, 5), u16), same, 1),
    "nlm": (then(non_local_means, u16), same, 1),
    "auto8": (bytes_of, same, 1),
    "clipped": (lambda x: bytes_of(x, 1), same, 1),
    "jpeg95": (jpeg(95), same, 1),
    "jpeg85": (jpeg(85), same, 1),
    "jpeg60": (jpeg(60), same, 1),
    "subtracted": (lambda x: u16(np.maximum(x - ndimage.minimum_filter(blur(x, 3), 41), 0)),
                   same, 1),
    "rolling": (rolling, same, 1),
    "border": (zero_border, same, 1),
    "rotated": (then(turn(7, 1, "constant"), u16), turn(7, 1, "constant"), 1),
    "rotated cubic": (then(turn(20, 3, "reflect"), u16), turn(20, 3, "reflect"), 1),
    "upsampled": (then(zoom(2, 1), u16), zoom(2, 1), 2),
    "enlarged cubic": (then(zoom(1.5, 3), u16), zoom(1.5, 3), 1.5),
    "reduced": (then(reduced(.7), u16), reduced(.7), .7),
    "halved": (then(reduced(.5), u16), reduced(.5), .5),
    "labelled": (labelled, same, 1),
    "float01": (lambda x: ((x - x.min()) / np.ptp(x)).astype(np.float32), same, 1),
    "gamma": (lambda x: u16(4000 * ((x - x.min()) / np.ptp(x)) ** .5), same, 1),
    "sharpened": (lambda x: u16(np.maximum(2 * x - blur(x, 2), 0)), same, 1),
    "wide psf": (u16, same, 1.25),
    "double psf": (u16, same, 2),
    "auto8, double": (bytes_of, same, 2),
    "median3, double": (then(lambda x: ndimage.median_filter(x, 3), u16), same, 2),
    "jpeg85, double": (jpeg(85), same, 2),
    "clipped, double": (lambda x: bytes_of(x, 1), same, 2),
    "narrow psf": (u16, same, .75),
}


def busiest(image):
    """The part that varies most after noise is averaged, and how much."""
    best = (-1, None)
    for y in range(0, image.shape[0] - SIDE + 1, SIDE // 2):
        for x in range(0, image.shape[1] - SIDE + 1, SIDE // 2):
            part = image[y:y + SIDE, x:x + SIDE] / 255.0
            varies = part.reshape(SIDE // 4, 4, SIDE // 4, 4).mean((1, 3)).std()
            if varies > best[0]:
                best = (varies, part)
    return best


def crops_of(path):
    archive, kinds = np.load(path), {}
    for key in archive.files:
        if key.startswith("test/") and min(archive[key].shape) >= SIDE:
            kinds.setdefault(key.split("/")[1], []).append(key)
    for kind in sorted(kinds):
        parts = sorted((busiest(archive[key]) for key in kinds[kind]), key=lambda p: -p[0])
        for k, (_, part) in enumerate(parts[:2]):
            yield "%s %d" % (kind, k), part


def valid(kind, shape):
    """Where the truth is known."""
    m = np.ones(shape, bool)
    if kind == "border":
        m[:16] = m[:, -13:] = False
    if kind == "labelled":
        m[-20:-8, -54:-8] = False
    if kind == "rotated":
        m = ndimage.binary_erosion(turn(7, 0, "constant")(np.ones(shape)) > .5, iterations=5)
    return m


def psnr(x, truth, m):
    a = np.stack([x[m], np.ones(m.sum())], 1)
    fit = np.linalg.lstsq(a, truth[m], rcond=None)[0]
    return -10 * np.log10(np.mean((a @ fit - truth[m]) ** 2))


def richardson_lucy(y, sigma, steps=20):
    y = np.maximum(y - np.percentile(y, 1), 0) + 1e-3 * (np.ptp(y) + 1e-9)
    x = np.full_like(y, y.mean())
    for _ in range(steps):
        x = x * blur(y / np.maximum(blur(x, sigma), 1e-9 * y.max()), sigma)
    return x


def score(scry, args, kind, photons, number, truth, folder):
    treat, move, factor = KINDS[kind]
    rng = np.random.default_rng([1, number, int(photons)])
    e = rng.poisson(photons * (blur(truth) + .02)) + rng.normal(0, 1.5, truth.shape)
    y, truth, sigma = treat(e / .5 + 100), move(truth), SIGMA * factor
    paths = [os.path.join(folder, n) for n in ("in.tif", "out.tif", "run.json")]
    tifffile.imwrite(paths[0], y)
    psf = "gaussian:sigma=%g" % sigma
    if args.measured:
        psf = os.path.join(folder, "psf.tif")
        a = np.exp(-np.arange(-12, 13) ** 2 / (2 * sigma ** 2))
        tifffile.imwrite(psf, np.outer(a, a).astype(np.float32))
    done = subprocess.run([scry, "deblur", paths[0], paths[1], "--psf", psf, "--seed", "1",
                           "--force", "--type", "float32", "--quiet", "--samples", "2", "--report",
                           paths[2], *args.rest], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("%s, %g e-, crop %d: %s" % (kind, photons, number, done.stderr[-300:]))
    with open(paths[2]) as f:
        image = json.load(f)["files"][0]["images"][0]
    x, y = np.squeeze(tifffile.imread(paths[1])).astype(float), y.astype(float)
    m = valid(kind, truth.shape)
    before = [psnr(y, truth, m), psnr(richardson_lucy(y, sigma), truth, m)]
    network = sum(c["weight"] for c in image.get("held_out", {}).get("methods", [])
                  if not c["name"].startswith("richardson-lucy"))
    width = image.get("psf_width") or {}
    return {"input": before[0], "RL20": before[1], "scry": psnr(x, truth, m),
            "harm": psnr(x, truth, m) - max(before), "flux": 100 * (x[m].sum() / y[m].sum() - 1),
            "psf": width.get("used", 1), "network": network,
            "excess": image.get("held_out", {}).get("noise_excess", 1)}


def variant(scry, source, name, value, folder):
    """A scry in which the constant has this value."""
    build = os.path.dirname(os.path.abspath(scry))
    lines = subprocess.run(["ninja", "-C", build, "-t", "commands", "scry"], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    with open(source) as f:
        text, count = re.subn(r"\b(%s(?: =)?) [-+.\de]+" % name, r"\g<1> %s" % value, f.read(), 1)
    if not count:
        raise SystemExit("no constant %s in %s" % (name, source))
    other, made = os.path.join(folder, "other.c"), os.path.join(folder, "scry-" + value)
    with open(other, "w") as f:
        f.write(text)
    whole = os.path.abspath(source)
    words = next(w for w in map(shlex.split, lines) if "-c" in w and w[-1] == whole)
    words[-1], words[words.index("-o") + 1] = other, other + ".o"
    subprocess.run(words, cwd=build, check=True)
    link = next(x for x in reversed(lines) if re.search(r" -o scry\b", x))
    link = link.split("&&")[1] if "&&" in link else link
    words = shlex.split(link)
    words[words.index("-o") + 1] = made
    words.insert(words.index("-o"), other + ".o")
    subprocess.run(words, cwd=build, check=True)
    return made


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("archive")
    p.add_argument("--scry", default="build/scry")
    p.add_argument("--kinds", nargs="+", default=list(KINDS))
    p.add_argument("--photons", nargs="+", type=float, default=[30, 300, 3000, 30000])
    p.add_argument("--crops", nargs="+", type=int)
    p.add_argument("--vary", nargs="+", metavar=("FILE", "NAME"))
    p.add_argument("--measured", action="store_true", help="the PSF is given as a file")
    p.add_argument("--each", action="store_true", help="a line for each crop too")
    p.add_argument("--json")
    argv, rest = sys.argv[1:], []
    if "--" in argv:
        argv, rest = argv[:argv.index("--")], argv[argv.index("--") + 1:]
    args = p.parse_args(argv)
    args.rest = rest
    return args


def print_row(kind, photons, what, rows, names):
    mean = {k: np.mean([r[k] for r in rows]) for k in rows[0]}
    worst = min(range(len(rows)), key=lambda k: rows[k]["harm"])
    print("%-14s %6g e- %s input %5.2f  RL20 %5.2f  scry %5.2f  harm %+5.2f  worst %+5.2f %s  "
          "flux %+.2f %%  psf %.2f  network %.2f" %
          (kind, photons, what, mean["input"], mean["RL20"], mean["scry"], mean["harm"],
           rows[worst]["harm"], names[worst], max((r["flux"] for r in rows), key=abs), mean["psf"],
           mean["network"]), flush=True)


def main():
    args, every, folder = parse(), [], tempfile.mkdtemp(prefix="scry-treated-")
    programs = {"": args.scry}
    if args.vary:
        source, name, *values = args.vary
        programs = {name + " " + v: variant(args.scry, source, name, v, folder) for v in values}
    crops = [(k, *c) for k, c in enumerate(crops_of(args.archive))
             if not args.crops or k in args.crops]
    for kind, photons, what in itertools.product(args.kinds, args.photons, programs):
        rows = []
        for number, name, truth in crops:
            row = score(programs[what], args, kind, photons, number, truth, folder)
            rows.append(row)
            every.append({"kind": kind, "photons": photons, "crop": name, "with": what, **row})
            if args.each:
                print("    %-13s" % name, " ".join("%s %.3g" % i for i in row.items()), flush=True)
        print_row(kind, photons, what, rows, [c[1] for c in crops])
    if args.json:
        with open(args.json, "w") as f:
            json.dump(every, f, indent=1)


if __name__ == "__main__":
    main()

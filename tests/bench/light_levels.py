#!/usr/bin/env python3
"""Data steps at every light level: does each method fit the measurement, keep the flux, and beat
Richardson-Lucy?

usage: light_levels.py [--scry build/scry] [--level 5 30 ...] [--law poisson-gaussian gaussian]
                       [--method diffpir ...] [--scene edge cells] [--truths FILE.npz] [--crops N]
                       [--size 96] [--samples 4] [--json FILE] [--vary FILE.c NAME VALUE ...]
                       [-- options of scry]

A scene of known truth, its brightest blurred pixel at `level` electrons, behind a Gaussian psf of
1.6 pixels. poisson-gaussian: counts, read noise 1.5 e-, gain .5 e-/ADU, offset 100. gaussian: noise
of the same variance in the mean over the image, the same everywhere. psf and noise are given.
Scenes: edge, a bright ramp against a background of nothing; cells, the phantom of scry simulate;
and with --truths, N crops of keys test/* of an archive of 8-bit images, evenly spread over it.

A row is the mean over scenes: PSNR (range: the brightest of the truth), and less the better of two
Richardson-Lucy's, 20 plain iterations and scry's default; the largest chi2 of the mean; the range
of chi2 of the draws; the largest change of the flux in %; data steps that did not converge, in
%; processor seconds of a scene. --vary: as in treated.py, a table for each value. Needs numpy and
tifffile, and what treated.py needs with --vary.
"""
import argparse, json, os, resource, subprocess, sys, tempfile

import numpy as np
import tifffile

SIGMA, READ, GAIN, OFFSET, MARGIN = 1.6, 1.5, 0.5, 100, 12
DRAWS = ["diffpir", "jfps", "mmps", "dds"]
METHODS = [*DRAWS, "wiener", "tikhonov", "tv"]
RL = {"RL 20": ["richardson-lucy", "--stop", "steps", "--iterations", "20", "--accelerate", "none"],
      "RL": ["richardson-lucy"]}


def blur(x):
    n = [k + 2 * MARGIN for k in x.shape]
    f = [np.fft.fftfreq(k)[:, None] if i == 0 else np.fft.rfftfreq(k)[None]
         for i, k in enumerate(n)]
    H = np.exp(-2 * np.pi**2 * SIGMA**2 * (f[0]**2 + f[1]**2))
    y = np.fft.irfft2(H * np.fft.rfft2(np.pad(x, MARGIN, mode="edge")), s=n)
    return y[MARGIN:-MARGIN, MARGIN:-MARGIN]


def edge(n):
    y, x = np.mgrid[:n, :n] * (96 / n)
    d = x + 0.9 * y - 110
    t = np.exp(-d**2 / 3) + 0.35 * (d < 0) * (0.6 + 0.4 * np.sin(x / 3) * np.cos(y / 4))
    t[d > 2] = 0
    return t


def scenes(args, folder):
    for name in args.scene:
        if name == "edge":
            yield name, edge(args.size)
            continue
        path = os.path.join(folder, "phantom.tif")
        subprocess.run([args.scry, "simulate", "--phantom", name, "--size",
                        f"{args.size}x{args.size}", "--force", "--quiet", path], check=True)
        yield name, np.squeeze(tifffile.imread(path)).astype(float)
    if not args.truths:
        return
    archive = np.load(args.truths)
    keys = [k for k in archive.files
            if k.startswith("test/") and min(archive[k].shape) >= args.size]
    for k in [keys[i * len(keys) // args.crops] for i in range(args.crops)]:
        a = archive[k] / 255.0
        y, x = ((s - args.size) // 2 for s in a.shape)
        yield k[5:], a[y:y + args.size, x:x + args.size]


def measure(truth, level, law, seed):
    """The truth in ADU, the measurement, and the options that give its noise."""
    seen = np.maximum(blur(truth), 0)
    unit, r = level / seen.max(), np.random.default_rng(seed)
    e = seen * unit
    if law == "gaussian":
        sd = np.sqrt(e.mean() + READ**2)
        return truth * unit, e + r.normal(0, sd, e.shape), ["--sigma", f"{sd:.8g}"]
    e = r.poisson(e) + r.normal(0, READ, e.shape)
    words = ["--gain", GAIN, "--offset", OFFSET, "--read-noise", READ]
    return truth * unit / GAIN + OFFSET, e / GAIN + OFFSET, words


def restore(args, words, noise, folder):
    """The image, its entry in the report, and the processor time."""
    f = lambda s: os.path.join(folder, s)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [args.scry, "deblur", f("y.tif"), f("x.tif"), "--psf", f"gaussian:sigma={SIGMA}",
               *noise, "--type", "float32", "--seed", "1", "--force", "--report", f("r.json"),
               "--samples", args.samples, "--method", *words, *args.rest]
    if words[0] in DRAWS:
        command += ["--sd", f("sd.tif")]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip(), 0
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    with open(f("r.json")) as report:
        image = json.load(report)["files"][0]["images"][0]
    return np.squeeze(tifffile.imread(f("x.tif"))).astype(float), image, spent


def score(args, words, noise, truth, y, folder):
    x, image, spent = restore(args, words, noise, folder)
    if x is None:
        print("   ", image[-200:])
        return None
    ratio = np.nan
    if words[0] in DRAWS:
        sd = np.squeeze(tifffile.imread(os.path.join(folder, "sd.tif")))
        wide = np.sqrt((1 + 1 / args.samples) * np.mean(sd.astype(float)**2))
        ratio = np.sqrt(np.mean((x - truth)**2)) / wide
    zero = OFFSET if "--gain" in noise else 0
    return {"psnr": 20 * np.log10((truth.max() - zero) / np.sqrt(np.mean((x - truth)**2))),
            "chi2": image["chi2_per_pixel"] or np.nan,
            "draws": image.get("chi2_of_draws") or np.nan,
            "flux": 100 * ((x - zero).sum() / (y - zero).sum() - 1), "seconds": spent,
            "ratio": ratio,
            "steps": image["data_steps"], "unconverged": image["data_steps_unconverged"]}


def row(name, level, law, done, best):
    gain = np.mean([d["psnr"] - b for d, b in zip(done, best)])
    draws = [d["draws"] for d in done]
    steps = sum(d["steps"] for d in done)
    flux = max((d["flux"] for d in done), key=abs)
    short = 100 * sum(d["unconverged"] for d in done) / steps if steps else 0
    print(f"{law:17s} {level:7g} {name:10s} {np.mean([d['psnr'] for d in done]):6.2f} {gain:+6.2f} "
          f"{max(d['chi2'] for d in done):7.3f} {min(draws):6.3f} {max(draws):6.3f} {flux:+7.2f} "
          f"{np.mean([d['ratio'] for d in done]):7.2f} {short:6.1f} "
          f"{np.mean([d['seconds'] for d in done]):7.2f}", flush=True)


def table(args, truths, folder, every):
    """Prints rows and appends their scores to `every`, which has what goes with each first."""
    for law in args.law:
        for level in args.level:
            done = {name: [] for name in [*RL, *args.method]}
            for i, (scene, truth) in enumerate(truths):
                truth, y, noise = measure(truth, level, law, [i, int(level)])
                tifffile.imwrite(os.path.join(folder, "y.tif"), y.astype(np.float32))
                for name in done:
                    s = score(args, RL.get(name, [name]), noise, truth, y, folder)
                    done[name].append(s)
                    every[1].append({"scene": scene, "level": level, "law": law, "method": name,
                                     **every[0], **(s or {})})
            best = [max(done[r][i]["psnr"] for r in RL) for i in range(len(truths))]
            for name, scores in done.items():
                if all(scores):
                    row(name, level, law, scores, best)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--scry", default="build/scry")
    p.add_argument("--level", nargs="+", type=float, default=[5, 30, 300, 3000, 50000])
    p.add_argument("--law", nargs="+", default=["poisson-gaussian", "gaussian"])
    p.add_argument("--method", nargs="+", default=METHODS)
    p.add_argument("--scene", nargs="*", default=["edge", "cells"])
    p.add_argument("--truths")
    p.add_argument("--crops", type=int, default=6)
    p.add_argument("--size", type=int, default=96)
    p.add_argument("--samples", type=int, default=4)
    p.add_argument("--json")
    p.add_argument("--vary", nargs="+", metavar=("FILE", "NAME"))
    argv, rest = sys.argv[1:], []
    if "--" in argv:
        argv, rest = argv[:argv.index("--")], argv[argv.index("--") + 1:]
    args = p.parse_args(argv)
    args.rest, every, folder = rest, [], tempfile.mkdtemp(prefix="scry-light-")
    programs = {"": args.scry}
    if args.vary:
        from treated import variant
        source, name, *values = args.vary
        programs = {name + " " + v: variant(args.scry, source, name, v, folder) for v in values}
    truths = list(scenes(args, folder))
    for what, args.scry in programs.items():
        print(what, "law                 level method       psnr   - RL    chi2  draws (range)   "
              "flux % err/sd  short %    s", sep="\n" if what else "")
        table(args, truths, folder, [{"with": what}, every])
    if args.json:
        with open(args.json, "w") as f:
            json.dump(every, f, indent=1)


if __name__ == "__main__":
    main()

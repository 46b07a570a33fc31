#!/usr/bin/env python3
"""Restoration quality on real crops with a known truth.

usage: quality.py BENCH-FOLDER [--scry build/scry] [--task deblur|inpaint] [--level 20 100 ...]
                  [--method diffpir richardson-lucy ...] [--only golgi ...] [--out FOLDER]
                  [--json FILE] [--chains 16] [--crop 128] [-- options of scry]

BENCH-FOLDER holds <name>_truth.tif in [0, 1], <name>_ph<N>.tif (camera: gain 0.5 e-/ADU, offset 100
ADU, read noise 1.5 e-, peak of N photons, background 2 % of the peak), psf.tif and
<name>_{block32,rand80,lines8}_mask.tif. Prints PSNR (range 1) and SSIM of each file and their
means; the results stay in FOLDER, each with a PNG of result, truth and error beside it. Inpainting
is scored inside the hole. With --chains K of a posterior method the last column is the share of
the truth that 90 % intervals of K chains hold (scry compare --sd --samples). --crop N cuts the
middle N x N of each file (needs numpy and tifffile; else standard library only).
"""
import argparse, glob, json, math, os, subprocess, sys, tempfile, time

HOLES = ["block32", "rand80", "lines8"]
CLASSICAL = ["biharmonic", "richardson-lucy", "wiener", "tikhonov", "tv", "auto"]


def scry(args, *words):
    done = subprocess.run([args.scry, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


def cropped(folder, side, out):
    """The same folder with the middle of each image, the psf left as it is."""
    import tifffile
    os.makedirs(out, exist_ok=True)
    for path in glob.glob(folder + "/*.tif"):
        a, name = tifffile.imread(path), os.path.basename(path)
        y, x = (0, 0) if name == "psf.tif" else ((n - side) // 2 for n in a.shape)
        tifffile.imwrite(os.path.join(out, name), a[y:y + side, x:x + side])
    return out


def restore(args, method, name, level, out):
    f = lambda s: os.path.join(args.folder, s)
    common = ["--method", method, "--seed", args.seed, "--force", "--type", "float32", *args.rest]
    if args.chains and method not in CLASSICAL:
        common += ["--samples", args.chains, "--sd", out[:-4] + "_sd.tif"]
    if args.task == "deblur":
        background = 0.02 * float(level)
        scry(args, "deblur", f(f"{name}_ph{level}.tif"), out, "--psf", f("psf.tif"), "--gain", 0.5,
             "--offset", 100, "--read-noise", 1.5, "--background", background, *common)
        return ["--map", f"((x-100)*0.5-{background})/{level}"]
    mask = f(f"{name}_{level}_mask.tif")
    scry(args, "inpaint", f(f"{name}_truth.tif"), out, "--mask", mask, *common)
    return ["--hole", mask]


def shown(coverage):
    return "" if math.isnan(coverage) else f"  {coverage:.3f}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--scry", default="build/scry")
    p.add_argument("--task", default="deblur", choices=["deblur", "inpaint"])
    p.add_argument("--level", nargs="+")
    p.add_argument("--method", nargs="+", default=["diffpir"])
    p.add_argument("--only", nargs="+")
    p.add_argument("--out")
    p.add_argument("--json")
    p.add_argument("--chains", type=int)
    p.add_argument("--crop", type=int)
    p.add_argument("--seed", default=1)
    argv, rest = sys.argv[1:], []
    if "--" in argv:
        argv, rest = argv[:argv.index("--")], argv[argv.index("--") + 1:]
    args = p.parse_args(argv)
    args.rest = rest
    out = args.out or tempfile.mkdtemp(prefix="scry-quality-")
    os.makedirs(out, exist_ok=True)
    if args.crop:
        args.folder = cropped(args.folder, args.crop, os.path.join(out, "cropped"))
    bars = ["--samples", args.chains] if args.chains else []
    levels = args.level or (["20", "100"] if args.task == "deblur" else HOLES)
    names = sorted(os.path.basename(n)[:-10] for n in glob.glob(args.folder + "/*_truth.tif"))
    names = [n for n in names if not args.only or n in args.only]
    rows = {}
    for level in levels:
        for method in args.method:
            scores, began = [], time.time()
            for name in names:
                result = os.path.join(out, f"{name}_{level}_{method}.tif")
                mapped = restore(args, method, name, level, result)
                truth = os.path.join(args.folder, f"{name}_truth.tif")
                sd = ["--sd", result[:-4] + "_sd.tif", *bars]
                sd = sd if bars and method not in CLASSICAL else []
                m = json.loads(scry(args, "compare", result, truth, "--json", "--range", 1,
                                    *mapped, *sd))
                scores.append((m["psnr"], m["ssim"], m.get("coverage_90", math.nan)))
                unit = [] if args.task == "inpaint" else mapped
                scry(args, "figure", result[:-3] + "png", f"result={result}", f"truth={truth}",
                     f"error={result}-{truth}", "--force", *unit)
                rows[f"{name}/{level}/{method}"] = m
                print(f"{level:>8} {method:16} {name:14} {m['psnr']:6.2f} dB  {m['ssim']:.3f}"
                      f"{shown(scores[-1][2])}", flush=True)
            psnr, ssim, held = (sum(s) / len(scores) for s in zip(*scores))
            print(f"{level:>8} {method:16} {'MEAN':14} {psnr:6.2f} dB  {ssim:.3f}"
                  f"{shown(held)}   {(time.time() - began) / len(scores):.1f} s a file", flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(rows, f, indent=1)
    print(f"results in {out}")


main()

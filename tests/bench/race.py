#!/usr/bin/python3
"""Processor time that each method takes to a given PSNR and to honest error bars.

    race.py SCRY BENCH KSPACE --out FOLDER [--problem deblur,inpaint,kspace] [--method diffpir,...]
            [--settings first|all|"--steps 20"] [--images 2] [--budget 30] [--report-only]

BENCH and KSPACE are the folders of quality.py and mri_quality.py. The problems:
deblur   64 x 64 crops of real images, PSF gaussian of 2 px, 100 photons, camera noise
inpaint  the same crops, 80 % of the pixels lost, noise of sd 0.05; scored on the lost ones
kspace   a real brain, 128 x 128, 16 coils, every fourth line (brain4 of mri_quality.py)

Each setting of a method runs one chain and then CHAINS of them, fewer if those do not fit into the
budget (seconds of processor time a run, user and system, one thread; start and loading included).
That gives the cost of a chain, and with v the mean variance between chains the error of a mean
over K of them: mse(K) = mse(n) + v (1/K - 1/n) in expectation, as chains are independent draws.
An interval holds the truth if it is within t sd sqrt(1 + 1/n) of the mean, t the 95 % point of
Student's t with n - 1 degrees of freedom: 90 % of the pixels for n draws of a posterior that is
right and Gaussian, with any n. With fewer than FEWEST it says little and is not counted.

Runs are kept in FOLDER/<problem>.json and not repeated, so that a race may be run in pieces, also
side by side; all that is there is printed (--report-only: no more). FOLDER also gets race.json and
race.png.
"""
import argparse
import fcntl
import json
import os
import resource
import subprocess
import sys
import tempfile

import numpy as np
import tifffile

import mri_quality

CHAINS, FEWEST = 8, 6
CROPS = ["dsb0", "membrane", "mitochondria"]  # no default was chosen on one of them
SIDE, PHOTONS, NOISE = 64, 100, 0.05
REFERENCE = {
    "deblur": ["richardson-lucy", "wiener"],
    "inpaint": ["biharmonic", "tv"],
    "kspace": ["wavelet", "tv", "cg-sense"],
}
# "" is the default; then more and fewer steps, and the accurate settings of a label. Methods of a
# thousand calls or more run at a setting that a race can afford.
SETTINGS = {
    "diffpir": ["", "--steps 32", "--steps 8", "--steps 64"],
    "dds": ["", "--steps 25", "--steps 12", "--steps 100"],
    "ddnm": ["", "--steps 25"],
    "ddrm": ["", "--steps 40"],
    "jfps": ["", "--spread 1", "--steps 20", "--steps 10", "--steps 80"],
    "mmps": ["", "--steps 10", "--steps 40"],
    "tmpd": ["", "--steps 15"],
    "pigdm": ["", "--steps 15"],
    "pnpdm": ["", "--steps 20", "--steps 10"],
    "daps": ["--variance matched --steps 50", "--variance matched", "--steps 20"],
    "dps": ["--steps 100"],
    "pnp-ula": ["--steps 400", "--scheme kinetic --coupling exact --zeta 0.5 --steps 300"],
    "sk-rock": ["--steps 50", "--scheme postprocessed --coupling exact --inner 2 --zeta 0.6 "
                "--steps 400"],
    "langevin": ["--steps 40 --travel 5"],
    "preconditioned-langevin": ["", "--steps 20 --travel 2", "--steps 30"],
    "tds": ["--particles 4 --steps 40", "--twist model --particles 8 --steps 20"],
    "mcgdiff": ["--particles 8 --steps 40"],
    "pnp-flow": ["--steps 40"],
}


def crop(path):
    a = tifffile.imread(path)
    y, x = ((n - SIDE) // 2 for n in a.shape)
    return a[y : y + SIDE, x : x + SIDE]


def deblur(args, name):
    bench, stem = args.bench, os.path.join(args.work, f"deblur_{name}")
    tifffile.imwrite(stem + ".tif", crop(f"{bench}/{name}_ph{PHOTONS}.tif"))
    background = 0.02 * PHOTONS
    words = ["deblur", stem + ".tif", stem + "_out.tif", "--psf", f"{bench}/psf.tif", "--gain", 0.5,
             "--offset", 100, "--read-noise", 1.5, "--background", background, "--type", "float32"]

    def score():
        mean = (tifffile.imread(stem + "_out.tif") - 100.0) * 0.5 - background
        return mean / PHOTONS - crop(f"{bench}/{name}_truth.tif"), 0.5 / PHOTONS, 1.0
    return words, stem + "_sd.tif", tifffile.imread, score


def inpaint(args, name):
    bench, stem = args.bench, os.path.join(args.work, f"inpaint_{name}")
    truth, known = crop(f"{bench}/{name}_truth.tif"), crop(f"{bench}/{name}_rand80_mask.tif")
    noise = np.random.default_rng(1).normal(0, NOISE, truth.shape)
    tifffile.imwrite(stem + ".tif", (truth + noise).astype(np.float32))
    tifffile.imwrite(stem + "_mask.tif", known)
    words = ["inpaint", stem + ".tif", stem + "_out.tif", "--mask", stem + "_mask.tif",
             "--sigma", NOISE]
    lost = known == 0
    return (words, stem + "_sd.tif", lambda path: tifffile.imread(path)[lost],
            lambda: ((tifffile.imread(stem + "_out.tif") - truth)[lost], 1.0, 1.0))


def kspace(args, name):
    problem = mri_quality.prepare(name, args.scry, args.kspace, args.work)
    stem, inside = os.path.join(args.work, name), problem["support"]
    truth = np.abs(problem["reference"])[inside].astype(float)
    words = ["mri", problem["k"], stem + "_out.cfl", "--maps", problem["maps"]]

    def magnitude(path):
        return np.abs(mri_quality.read_cfl(path[:-4]).squeeze())[inside].astype(float)

    def score():  # after the best scale, as mri_quality.py does
        mean = magnitude(stem + "_out.cfl")
        scale = (mean @ truth) / (mean @ mean)
        return scale * mean - truth, scale, truth.max()
    return words, stem + "_sd.cfl", magnitude, score


PROBLEMS = {"deblur": deblur, "inpaint": inpaint, "kspace": kspace}


def child(args, words):
    """Processor seconds; and the fault, if there was one."""
    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (int(args.budget) + 1,) * 2)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([args.scry, *map(str, words)], capture_output=True, text=True,
                          preexec_fn=limit, env={**os.environ, "OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode < 0:
        return seconds, f"over {args.budget:g} s"
    return seconds, done.stderr.strip().split("\n")[-1] if done.returncode else ""


def run(args, problem, method, option, chains):
    words, sd_path, read, score = problem
    words = [*words, "--method", method, *option.split(), "--seed", 1, "--force", "--quiet",
             "--threads", 1]
    if chains:
        words += ["--samples", chains]
    if chains > 1:
        words += ["--sd", sd_path]
    seconds, wrong = child(args, words)
    if wrong:
        return {"seconds": seconds, "wrong": wrong}
    error, unit, peak = score()
    result = {"chains": chains, "seconds": seconds, "mse": float(np.mean(error**2) / peak**2)}
    if chains > 1:
        sd = unit * read(sd_path)
        result["variance"] = float(np.mean(sd**2) / peak**2)
        inside = np.abs(error) <= mri_quality.interval(chains) * sd
        result["coverage"] = float(np.mean(inside))
    return result


class Runs:
    """Results by name, on disk after each; several races may add to one file."""

    def __init__(self, path):
        self.path, self.known = path, {}
        self.read()

    def read(self):
        if os.path.exists(self.path):
            with open(self.path) as f:
                self.known = json.load(f)

    def get(self, key, make):
        if key not in self.known and make:
            result = make()
            with open(self.path + ".lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.read()
                self.known[key] = result
                with open(self.path + ".new", "w") as f:
                    json.dump(self.known, f, indent=1)
                os.replace(self.path + ".new", self.path)
            print(f"{key:60} {result['seconds']:7.1f} s  {result.get('wrong', '')[:100]}",
                  file=sys.stderr, flush=True)
        return self.known.get(key)


def setting(args, runs, name, images, method, option, asked, posterior):
    """One row: cost of the first and of each further chain, and the scores of each image; None
    where nothing is known and it was not asked for."""
    def get(image, chains):
        make = lambda: run(args, PROBLEMS[name](args, image), method, option, chains)
        return runs.get(f"{image}/{method}/{option}/{chains}", make if asked else None)
    row = {"method": method, "option": option, "posterior": posterior}
    first = get(images[0], int(posterior))
    if first is None:
        return None
    row["first"] = first["seconds"]
    if "wrong" in first:
        return {**row, "wrong": first["wrong"]}
    n = min(CHAINS, int(args.budget / first["seconds"])) if posterior else 0
    n = max(n, int(posterior))
    scores = [get(image, n) for image in images]
    if not all(scores) or any("wrong" in s for s in scores):
        wrong = [s["wrong"] for s in scores if s and "wrong" in s]
        return {**row, "wrong": wrong[0] if wrong else "not run on every image"}
    row["chains"], row["scores"] = n, scores
    row["chain"] = (scores[0]["seconds"] - row["first"]) / (n - 1) if n > 1 else row["first"]
    if n >= FEWEST:
        row["coverage"] = float(np.mean([s["coverage"] for s in scores]))
    return row


def seconds(row, chains):
    return row["first"] + (chains - 1) * row["chain"]


def psnr(row, chains):
    n = row["chains"]
    more = 1 / chains - 1 / n if n > 1 else 0
    return float(np.mean([-10 * np.log10(s["mse"] + s.get("variance", 0) * more)
                          for s in row["scores"]]))


def curve(row):
    """(seconds, PSNR) of means over 1, 2, 3 ... chains, up to four times as many as were run."""
    most = 4 * row["chains"] if row["chains"] > 1 else 1
    return [(seconds(row, k), psnr(row, k), k) for k in range(1, most + 1)]


def reach(row, target):
    return next((point for point in curve(row) if point[1] >= target), None)


def report(args, name, rows):
    ran = [r for r in rows if "scores" in r]
    if not ran:
        return None
    best = max(p for r in ran for _, p, _ in curve(r))
    target = round(best - 0.3, 1)
    print(f"\n{name}: PSNR to reach {target} dB (0.3 below the best); coverage 90 +- 5 %")
    print(f"{'method and setting':44} {'s, 1st':>7} {'s, more':>7} {'dB, 1':>6} {'dB, 8':>6} "
          f"{'to PSNR':>12} {'90 % holds':>10} {'s to it':>8}")
    for r in rows:
        label = f"{r['method']} {r['option']}".strip()
        if "wrong" in r:
            print(f"{label:44} {r['first']:7.1f}  {r['wrong'][:90]}")
            continue
        hit = r["to_psnr"] = reach(r, target)
        r["dB"] = psnr(r, 8 if r["chains"] > 1 else 1)
        share = r.get("coverage")
        fair = share is not None and abs(share - 0.9) <= 0.05
        r["to_coverage"] = seconds(r, r["chains"]) if fair else None
        cells = (f"{hit[0]:.1f} s ({hit[2]})" if hit else "-",
                 "-" if share is None else f"{100 * share:.1f} %",
                 f"{r['to_coverage']:.1f}" if fair else "-")
        print(f"{label:44} {r['first']:7.2f} {r['chain']:7.2f} {psnr(r, 1):6.2f} {r['dB']:6.2f} "
              f"{cells[0]:>12} {cells[1]:>10} {cells[2]:>8}")
    return {"target": target, "rows": rows}


def picture(path, result):
    """PSNR and coverage against processor time: of each method the settings that were run."""
    try:
        import matplotlib
    except ImportError:
        print("no matplotlib: race.png is not drawn")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [name for name in result if result[name]]
    figure, axes = pyplot.subplots(len(names), 2, figsize=(13, 4.2 * len(names)), squeeze=False)
    looks = {m: (pyplot.get_cmap("tab20")(i % 20), "os^Dv<>P"[i // 3 % 8])
             for i, m in enumerate(SETTINGS)}
    for (left, right), name in zip(axes, names):
        rows, seen = [r for r in result[name]["rows"] if "scores" in r], set()
        for r in rows:
            if not r["posterior"]:
                left.plot(seconds(r, 1), psnr(r, 1), "k*")
                left.annotate(r["method"], (seconds(r, 1), psnr(r, 1)), fontsize=7)
                continue
            colour, mark = looks[r["method"]]
            label = None if r["method"] in seen else f"{r['method']} {r['option']}".strip()
            seen.add(r["method"])
            line = np.array([p[:2] for p in curve(r)])
            left.plot(*line.T, color=colour, marker=mark, markevery=[0, min(7, len(line) - 1)],
                      lw=1.6 if label else 0.7, ms=5 if label else 3, label=label)
            if "coverage" in r:
                point = (seconds(r, r["chains"]), 100 * r["coverage"])
                right.plot(*point, mark, color=colour, ms=8 if label else 4)
                if label:
                    right.annotate(r["method"], point, fontsize=7, xytext=(4, 3),
                                   textcoords="offset points")
        left.axhline(result[name]["target"], color="grey", ls=":")
        best = max(psnr(r, 8 if r["posterior"] else 1) for r in rows)
        left.set(xscale="log", ylim=(best - 4, best + 0.7), ylabel="PSNR, dB",
                 title=f"{name}: means over 1, 2, ... chains (marks: 1, {CHAINS})")
        left.legend(fontsize=6, ncol=2, loc="lower right")
        right.axhspan(85, 95, color="0.9")
        right.axhline(90, color="grey", ls=":")
        right.margins(x=0.25)
        right.set(xscale="log", ylabel="90 % intervals hold, %",
                  title=f"{name}: {CHAINS} chains; large: first setting of each")
        for a in (left, right):
            a.set_xlabel("processor time an image, s")
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def race(args):
    result = {}
    for name in args.problem.split(","):
        runs = Runs(os.path.join(args.out, f"{name}.json"))
        images = ["brain4"] if name == "kspace" else CROPS[: args.images]
        rows = [setting(args, runs, name, images, m, "", not args.report_only, False)
                for m in REFERENCE[name]]
        for m in SETTINGS:
            for k, option in enumerate(SETTINGS[m]):
                asked = (args.settings in ("all", option) or args.settings == "first" and k == 0)
                asked = asked and m in args.method.split(",") and not args.report_only
                rows.append(setting(args, runs, name, images, m, option, asked, True))
        result[name] = report(args, name, [r for r in rows if r])
    return result


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("scry")
    p.add_argument("bench")
    p.add_argument("kspace")
    p.add_argument("--out", required=True)
    p.add_argument("--problem", default=",".join(PROBLEMS))
    p.add_argument("--method", default=",".join(SETTINGS))
    p.add_argument("--settings", default="all")
    p.add_argument("--images", type=int, default=2)
    p.add_argument("--budget", type=float, default=30)
    p.add_argument("--report-only", action="store_true")
    args = p.parse_args()
    args.scry = os.path.abspath(args.scry)
    os.makedirs(args.out, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scry-race-") as args.work:
        result = race(args)
    with open(os.path.join(args.out, "race.json"), "w") as f:
        json.dump({k: v for k, v in result.items() if v}, f, indent=1)
    picture(os.path.join(args.out, "race.png"), result)


if __name__ == "__main__":
    main()

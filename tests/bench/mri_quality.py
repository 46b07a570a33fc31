#!/usr/bin/python3
"""Reconstructions of real, fully sampled k-space that is undersampled in retrospect.

    mri_quality.py SCRY KSPACE [--out FOLDER] [--case brain4,head8] [--method dds,wavelet]
                   [--samples 8] [--maps scan|full] [--sweep] [--slices MRI.npz] [--count 12]
                   [--seeds 12] [--dear 4]
                   [-- options of scry mri]

KSPACE holds pulseq_brain_16ch_128x128.cfl and larson_brain_sag_T1_1ch_256x256.cfl. Protocol: every
R-th line along the first axis and a centre of round(N c) lines from (N - n + 1) / 2. Coil maps
come from the undersampled scan itself, as everyone must; with --maps full from the full data, which
no scan has. Those make the reference (BART's ecalib -m1 -r24 where it is installed, else `scry
kspace maps`). PSNR and SSIM (7 x 7, uniform) of the magnitude after least-squares scaling, on
the support of the maps, range the maximum of the reference there; NMSE likewise. "90 %" is the
share of that support where the reference is in the 90 % interval of a new draw, given the mean and
the sd of so many chains (Student's t); the reference has noise of its own. --sweep gives the
classical methods each lambda of a list and prints the best, as if tuned on the truth: nobody can.
Pictures with the reference, the result, its error and sd are left in FOLDER.

With --seeds N a row is the mean over N patterns with its standard error: the lines shifted by 0, 1,
..., R - 1, then one random line of every R. Posterior methods are given --dear of them (or of the
slices).

With --slices the cases are simulated scans of its held-out slices (keys test/...), COUNT of them,
evenly spread over heads and hearts: 8 coils, a smooth phase, noise of sd 0.02 of bright tissue in
each coil, 128 x 128. Rows are means over the slices with their standard error. The truth has no
noise of its own but that of its source; the rows are sampled as their names say, "partial" 5/8 of
the lines of one side.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from scipy.stats import t as student

CASES = {
    "brain4": ("pulseq_brain_16ch_128x128", 4, 0.08),
    "brain8": ("pulseq_brain_16ch_128x128", 8, 0.06),
    "head4": ("larson_brain_sag_T1_1ch_256x256", 4, 0.08),
    "head8": ("larson_brain_sag_T1_1ch_256x256", 8, 0.06),
}
SWEEP = {
    "cg-sense": [1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1],
    "wavelet": [5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2],
    "tv": [5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2],
}


SIMULATED = ("equispaced4", "equispaced8", "poisson6", "partial")


def read_cfl(name):
    with open(name + ".hdr") as file:
        dims = [int(n) for n in file.read().split("\n")[1].split()]
    return np.fromfile(name + ".cfl", np.complex64).reshape(dims[::-1])


def write_cfl(name, a):
    dims = list(a.shape[::-1])
    with open(name + ".hdr", "w") as file:
        dims += [1] * (16 - len(dims))
        file.write("# Dimensions\n" + " ".join(str(d) for d in dims) + "\n")
    a.astype(np.complex64).tofile(name + ".cfl")


def image_of(k):
    axes = (-2, -1)
    k = np.fft.ifft2(np.fft.ifftshift(k, axes=axes), norm="ortho")
    return np.fft.fftshift(k, axes=axes)


def lines(n, r, c, seed=0):
    mask = np.zeros(n)
    at = np.arange(0, n, r)
    random = np.random.default_rng(seed)
    at = at + (seed if seed < r else random.integers(0, r, len(at)))
    mask[at[at < n]] = 1
    centre = round(n * c)
    start = (n - centre + 1) // 2
    mask[start : start + centre] = 1
    return mask


def ssim_map(a, b, peak):
    def mean(x):
        c = np.cumsum(np.cumsum(np.pad(x, ((1, 0), (1, 0))), 0), 1)
        return (c[7:, 7:] - c[:-7, 7:] - c[7:, :-7] + c[:-7, :-7]) / 49

    ma, mb, f = mean(a), mean(b), 49 / 48
    va, vb = f * (mean(a * a) - ma * ma), f * (mean(b * b) - mb * mb)
    cov = f * (mean(a * b) - ma * mb)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    return (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))


def scores(image, reference, support):
    a, b = np.abs(image).astype(float), np.abs(reference).astype(float)
    a *= (a[support] @ b[support]) / (a[support] @ a[support])
    error, peak = (a - b)[support], b[support].max()
    inner = support[3:-3, 3:-3]
    return {
        "psnr": 10 * np.log10(peak**2 / np.mean(error**2)),
        "ssim": ssim_map(a, b, peak)[inner].mean(),
        "nmse": (error @ error) / (b[support] @ b[support]),
        "scaled": a,
    }


def interval(chains):
    """Half the width of a 90 % interval for one more draw, in sd of so many draws."""
    return student.ppf(0.95, chains - 1) * np.sqrt(1 + 1 / chains)


def prepare(case, scry, kspace, folder, maps_of, seed=0):
    name, r, c = CASES[case]
    full = read_cfl(os.path.join(kspace, name)).squeeze()
    full = full[None] if full.ndim == 2 else full
    coils, ny, nx = full.shape
    work = os.path.join(folder, case)
    maps = np.ones((1, ny, nx), np.complex64)
    if coils > 1:
        sens = os.path.join(folder, name + "_maps")
        source = os.path.join(kspace, name)
        if not os.path.exists(sens + ".cfl"):
            if shutil.which("bart"):
                command = ["bart", "ecalib", "-m1", "-r24", source, sens]
            else:
                command = [scry, "kspace", "maps", source + ".cfl", sens + ".cfl"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        maps = read_cfl(sens).squeeze()
    write_cfl(work, (full * lines(nx, r, c, seed))[:, None])
    write_cfl(work + "_sens", maps[:, None])
    return {
        "k": work + ".cfl",
        "maps": work + "_sens.cfl",
        "reference": (maps.conj() * image_of(full)).sum(0),
        "support": (np.abs(maps) ** 2).sum(0) > 0.5,
        "folder": work,
        "full": coils == 1 or maps_of == "full",
    }


def run(scry, problem, method, extra, samples):
    out = problem["folder"] + "_" + method
    command = [scry, "mri", problem["k"], out + ".cfl", "--method", method]
    if problem["full"]:
        command += ["--maps", problem["maps"]]
    command += ["--force", "--quiet", "--report", out + ".json", "--seed", "1"] + extra
    if samples:
        command += ["--samples", str(samples)]
        if samples > 1:
            command += ["--sd", out + "_sd.cfl"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip().split("\n")[-1]
    image = read_cfl(out).squeeze()
    with open(out + ".json") as file:
        report = json.load(file)
    result = scores(image, problem["reference"], problem["support"])
    result["seconds"] = report["slices"][0]["seconds"]
    result["chi2"] = report["slices"][0]["chi2"]
    if samples and samples > 1:
        result["sd"] = np.abs(read_cfl(out + "_sd").squeeze())
        scale = result["scaled"].sum() / np.abs(image).sum()
        error = result["scaled"] - np.abs(problem["reference"])
        inside = np.abs(error) <= interval(samples) * scale * result["sd"]
        result["coverage"] = inside[problem["support"]].mean()
    return result, ""


def picture(path, problem, result):
    try:
        from PIL import Image
    except ImportError:
        return
    reference = np.abs(problem["reference"])
    peak = reference[problem["support"]].max()
    error = np.abs(result["scaled"] - reference) * problem["support"]
    panels = [reference / peak, result["scaled"] / peak, error / (0.1 * peak)]
    if "sd" in result:
        ratio = result["scaled"].sum() / max(np.abs(result["scaled"]).sum(), 1e-30)
        panels.append(result["sd"] * ratio * problem["support"] / (0.1 * peak) * result["unit"])
    Image.fromarray(np.uint8(255 * np.clip(np.hstack(panels), 0, 1))).save(path)


def smooth_coils(n, coils, random):
    y, x = np.meshgrid(*[(np.arange(n) - n // 2) / n * 2] * 2, indexing="ij")
    maps = []
    for c in range(coils):
        angle = 2 * np.pi * c / coils + random.uniform(-0.2, 0.2)
        far, wide = random.uniform(1, 1.3), random.uniform(1.2, 2.2)
        v, u = far * np.sin(angle), far * np.cos(angle)
        turn = random.uniform(0, 6) + 0.8 * (x * np.cos(angle) + y * np.sin(angle))
        maps.append(np.exp(-((x - u) ** 2 + (y - v) ** 2) / wide + 1j * turn))
    return np.array(maps) / np.sqrt((np.abs(maps) ** 2).sum(0)), x, y


def pattern_of(case, n, scry, folder):
    if case.startswith("equispaced"):
        return np.ones((n, 1)) * lines(n, int(case[10:]), 0.08 if case[10:] == "4" else 0.06)
    if case == "partial":
        return np.ones((n, 1)) * (np.arange(n) >= n * 3 // 8)
    ones = os.path.join(folder, "ones")
    write_cfl(ones, np.ones((1, 1, n, n)))
    command = [scry, "kspace", "undersample", "--pattern", "poisson", "--accel", "6"]
    command += ["--centre", "0.12", "--force", "--quiet", ones + ".cfl", ones + "_p.cfl"]
    subprocess.run(command, check=True)
    return np.abs(read_cfl(ones + "_p").squeeze()) > 0


def simulated(case, image, seed, scry, folder, n=128, coils=8, noise=0.02):
    random = np.random.default_rng(seed)
    a = np.zeros((max(n, image.shape[0]), max(n, image.shape[1])))
    y0, x0 = (a.shape[0] - image.shape[0]) // 2, (a.shape[1] - image.shape[1]) // 2
    a[y0 : y0 + image.shape[0], x0 : x0 + image.shape[1]] = image / np.percentile(
        image[image > 0], 99.5
    )
    axes = (-2, -1)
    k = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(a), norm="ortho"))
    y0, x0 = a.shape[0] // 2 - n // 2, a.shape[1] // 2 - n // 2
    a = image_of(k[y0 : y0 + n, x0 : x0 + n]).real * n / np.sqrt(a.size)
    maps, x, y = smooth_coils(n, coils, random)
    p = random.normal(size=5)
    phase = p[0] * x + p[1] * y + 0.8 * (p[2] * x * x + p[3] * y * y) + p[4] * x * y
    a = a * np.exp(1j * phase)
    k = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(maps * a, axes), norm="ortho"), axes)
    k = k + noise * (random.normal(size=k.shape) + 1j * random.normal(size=k.shape)) / 2**0.5
    work = os.path.join(folder, case)
    write_cfl(work, (k * pattern_of(case, n, scry, folder))[:, None])
    support = np.abs(a) > 0.03
    return {"k": work + ".cfl", "reference": a, "support": support, "folder": work, "full": False}


def held_out(path, count):
    slices = np.load(path)
    names = sorted(k for k in slices.files if k.startswith("test/"))
    names = [k for k in names if min(slices[k].shape) >= 128]
    return [slices[names[i * len(names) // count]].astype(float) for i in range(count)]


POSTERIOR = ("dds", "jfps", "diffpir", "mmps", "daps")


def row_of(case, method, a, rest, problems):
    """The mean of a method over problems, which are made one by one."""
    tries = [[]]
    if a.sweep and method in SWEEP:
        tries += [["--lambda", str(v)] for v in SWEEP[method]]
    count = min(a.count, a.dear) if method in POSTERIOR else a.count
    psnr, ssim, covered = np.zeros((len(tries), count)), np.zeros(count), []
    for i in range(count):
        problem = problems(case, i)
        for t, extra in enumerate(tries):
            result, words = run(a.scry, problem, method, extra + rest,
                                a.samples if method in POSTERIOR else 0)
            if result is None:
                print(case, method, words)
            psnr[t, i] = result["psnr"] if result else np.nan
            if t == 0:
                ssim[i] = result["ssim"] if result else np.nan
            if result and "coverage" in result:
                covered.append(result["coverage"])
    error = psnr[0].std(ddof=1) / np.sqrt(count)
    row = f"{case:12} {method:12} {psnr[0].mean():6.2f} +- {error:.2f} dB {ssim.mean():.3f}"
    row += f" of {count}"
    if covered:
        row += f"  90 % hold {100 * np.mean(covered):.0f} %"
    if len(tries) > 1:
        best = psnr[1:].mean(1).argmax()
        lost = psnr[1:].max(0) - psnr[0]
        row += (f"  lambda {SWEEP[method][best]} for all {psnr[1 + best].mean():.2f}, "
                f"tuned for each: default loses {lost.mean():.2f} +- "
                f"{lost.std(ddof=1) / np.sqrt(count):.2f}")
    print(row, flush=True)


def simulated_rows(a, rest, folder):
    images = held_out(a.slices, a.count)
    for case in a.case.split(","):
        for method in a.method.split(","):
            row_of(case, method, a, rest,
                   lambda case, i: simulated(case, images[i], i, a.scry, folder))


def seeded_rows(a, rest, folder):
    a.count = a.seeds
    for case in a.case.split(","):
        for method in a.method.split(","):
            row_of(case, method, a, rest,
                   lambda case, i: prepare(case, a.scry, a.kspace, folder, a.maps, i))


def main():
    own, rest = sys.argv[1:], []
    if "--" in own:
        own, rest = own[: own.index("--")], own[own.index("--") + 1 :]
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("scry")
    p.add_argument("kspace")
    p.add_argument("--out")
    p.add_argument("--case", default=",".join(CASES))
    p.add_argument("--method", default="zero-filled,cg-sense,tv,wavelet,dds,diffpir,jfps")
    p.add_argument("--samples", type=int, default=8)
    p.add_argument("--maps", choices=("scan", "full"), default="scan")
    p.add_argument("--sweep", action="store_true")
    p.add_argument("--slices")
    p.add_argument("--count", type=int, default=12)
    p.add_argument("--seeds", type=int, default=0)
    p.add_argument("--dear", type=int, default=4)
    a = p.parse_args(own)
    folder = a.out or tempfile.mkdtemp(prefix="mri_quality_")
    os.makedirs(folder, exist_ok=True)
    if a.slices:
        if a.case == ",".join(CASES):
            a.case = ",".join(SIMULATED)
        return simulated_rows(a, rest, folder)
    if a.seeds:
        return seeded_rows(a, rest, folder)
    print(f"{'case':8} {'method':12} {'PSNR dB':>8} {'SSIM':>6} {'NMSE':>9} {'chi2':>6} "
          f"{'90 %':>6} {'s':>6}")
    for case in a.case.split(","):
        problem = prepare(case, a.scry, a.kspace, folder, a.maps)
        for method in a.method.split(","):
            posterior = method not in ("zero-filled", "cg-sense", "wavelet", "tv")
            tries = [[]]
            if a.sweep and method in SWEEP:
                tries += [["--lambda", str(v)] for v in SWEEP[method]]
            best = None
            for k, extra in enumerate(tries):
                result, words = run(a.scry, problem, method, extra + rest,
                                    a.samples if posterior else 0)
                if result is None:
                    print(f"{case:8} {method:12} {words}")
                    break
                if k == 0:
                    show(case, method, result)
                    scaled = np.abs(read_cfl(problem["folder"] + "_" + method).squeeze())
                    result["unit"] = result["scaled"].max() / max(scaled.max(), 1e-30)
                    picture(problem["folder"] + "_" + method + ".png", problem, result)
                elif best is None or result["psnr"] > best[0]["psnr"]:
                    best = (result, extra[1])
            if best:
                show(case, method + "*", best[0], "lambda " + best[1])
    if a.sweep:
        print("*: lambda tuned on the truth")
    print("pictures in", folder)


def show(case, method, r, note=""):
    print(f"{case:8} {method:12} {r['psnr']:8.2f} {r['ssim']:6.3f} {r['nmse']:9.5f} "
          f"{r['chi2'] if r['chi2'] is not None else float('nan'):6.2f} "
          f"{r.get('coverage', float('nan')):6.3f} {r['seconds']:6.1f} {note}",
          flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Whole reconstructions by scry and by BART, from files to files, one thread each.

usage: bench_bart.py [--scry build/scry] [--rounds 5] [--only cg wavelet espirit radial]

Simulates k-space with BART (phantom, coils, noise), then runs the two programs in turns and prints
the median of each one's processor and wall time, the median of the ratios BART / scry of the
rounds, and how far the images differ: |a - b| / |b| after the best common factor. Targets: CG-SENSE
of 30 iterations 5 times faster at 256 x 256 x 8 and 2.5 times at 320 x 320 x 16, wavelet of 100
iterations and ESPIRiT of 16 coils 3 times; conjugate gradients on 200 spokes twice, with images
that differ by 1e-3. Standard library only; needs `bart`.
"""
import argparse, array, math, os, resource, shutil, statistics, subprocess, sys, tempfile, time

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def run(*words):
    """Runs a command; processor and wall seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, env=ONE_THREAD)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return cpu, wall


def bart(*words):
    return run("bart", *words)


def write_cfl(name, dims, values):
    """values: one real number an entry, first dimension fastest."""
    with open(name + ".hdr", "w") as f:
        f.write("# Dimensions\n" + " ".join(map(str, dims)) + "\n")
    pairs = array.array("f", [0.0]) * (2 * len(values))
    pairs[0::2] = array.array("f", values)
    with open(name + ".cfl", "wb") as f:
        pairs.tofile(f)


def read_cfl(name):
    pairs = array.array("f")
    with open(name + ".cfl", "rb") as f:
        pairs.frombytes(f.read())
    return [complex(a, b) for a, b in zip(pairs[0::2], pairs[1::2])]


def difference(a, b):
    a, b = read_cfl(a), read_cfl(b)
    if len(a) != len(b):
        return math.nan
    aa = sum(abs(u) ** 2 for u in a) or 1.0
    scale = sum(u.conjugate() * v for u, v in zip(a, b)) / aa
    wrong = sum(abs(scale * u - v) ** 2 for u, v in zip(a, b))
    return math.sqrt(wrong / sum(abs(v) ** 2 for v in b))


def simulate(size, coils):
    """full, sens, and ksp with every fourth row and 24 in the middle. BART has 8 coils: the next
    8 are those mirrored."""
    bart("phantom", "-x", size, "image")
    bart("phantom", "-x", size, "-S", 8, "half")
    if coils > 8:
        bart("flip", 1, "half", "mirrored")
        bart("join", 3, "half", "mirrored", "both")
    bart("normalize", 8, "both" if coils > 8 else "half", "sens")
    bart("fmac", "image", "sens", "seen")
    bart("fft", "-u", 3, "seen", "clean")
    bart("noise", "-n", 0.0002, "-s", 7, "clean", "full")
    low = size // 2 - 12
    write_cfl("mask", [1, size], [float(k % 4 == 0 or low <= k < low + 24) for k in range(size)])
    bart("fmac", "full", "mask", "ksp")


def simulate_radial(size, coils, spokes):
    """traj, sens and radial: twice as many samples along a spoke as the image has pixels."""
    bart("traj", "-x", 2 * size, "-y", spokes, "-r", "wide")
    bart("scale", 0.5, "wide", "traj")
    bart("phantom", "-x", size, "-S", coils, "raw")
    bart("normalize", 8, "raw", "sens")
    bart("phantom", "-k", "-s", coils, "-t", "traj", "exact")
    bart("noise", "-n", 1, "-s", 7, "exact", "radial")


def compare_radial(scry, rounds, size=256, coils=8, spokes=200):
    simulate_radial(size, coils, spokes)
    what = f"{spokes} spokes, {size} x {size} x {coils}"
    mri = [scry, "mri", "radial.cfl", "ours.cfl", "--trajectory", "traj.cfl", "--force", "--noise",
           "none", "--complex"]
    compare(f"CG 30, {what}", rounds,
            ["pics", "-S", "-l2", "-r", 0.01, "-i", 30, "-t", "traj", "radial", "sens", "theirs"],
            [*mri, "--maps", "sens.cfl", "--method", "cg-sense", "--lambda", 0.01, "--iterations",
             30], ("ours", "theirs"))


def compare(name, rounds, theirs, ours, result=None):
    cpu, wall = [], []
    for _ in range(rounds):
        a, b = bart(*theirs), run(*ours)
        cpu.append((a[0], b[0]))
        wall.append((a[1], b[1]))
    words = f"{name:28s}"
    for label, pairs in (("cpu", cpu), ("wall", wall)):
        slow, fast = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        ratio = statistics.median(a / b for a, b in pairs)
        words += f"  {label} {slow:6.2f} s / {fast:6.3f} s = {ratio:5.1f}"
    if result:
        words += f"  images differ by {difference(*result):.4f}"
    print(words, flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--scry", default="build/scry")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--only", nargs="+", choices=["cg", "wavelet", "espirit", "radial"],
                   default=["cg", "wavelet", "espirit", "radial"])
    args = p.parse_args()
    scry = os.path.abspath(args.scry)
    if not shutil.which("bart"):
        sys.exit("bart is not installed")
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        if "radial" in args.only:
            compare_radial(scry, args.rounds)
        for size, coils in ((256, 8), (320, 16)):
            simulate(size, coils)
            what = f"{size} x {size} x {coils}"
            mri = [scry, "mri", "ksp.cfl", "ours.cfl", "--maps", "sens.cfl", "--force",
                   "--noise", "none", "--complex"]  # BART does not whiten
            if "cg" in args.only:
                compare(f"CG-SENSE 30, {what}", args.rounds,
                        ["pics", "-S", "-l2", "-r", 0.01, "-i", 30, "ksp", "sens", "theirs"],
                        [*mri, "--method", "cg-sense", "--lambda", 0.01, "--iterations", 30],
                        ("ours", "theirs"))
            if "wavelet" in args.only:
                compare(f"l1-wavelet 100, {what}", args.rounds,
                        ["pics", "-S", "-l1", "-r", 0.005, "-i", 100, "ksp", "sens", "theirs"],
                        [*mri, "--method", "wavelet", "--lambda", 0.005, "--iterations", 100],
                        ("ours", "theirs"))
            if "espirit" in args.only:
                compare(f"ESPIRiT, {what}", args.rounds,
                        ["ecalib", "-m", 1, "-r", 24, "ksp", "theirs"],
                        [scry, "kspace", "maps", "ksp.cfl", "ours.cfl", "--method", "espirit",
                         "--force"])


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""What coil maps that are refined jointly with the image would bring: a prototype.

usage: joint_maps.py SCRY KSPACE [--case brain4,brain8] [--seeds 3] [--crop 0.7]

For each pattern (mri_quality.py): the PSNR of `scry mri --method wavelet` with its own maps; with
those of the full data, which no scan gives; with maps of `bart nlinv` (nonlinear inversion, Uecker
et al. 2008, where bart is installed; 10 and 12 Newton steps); and with ESPIRiT maps refined twice:
given the image x, maps c0 + d minimise |P F (c x) - y|^2 + beta |W F d|^2, W the Sobolev weight
(1 + |k|^2 / 64)^4, then the image is made again. Needs numpy and scipy.
"""
import argparse, os, shutil, subprocess, sys, tempfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mri_quality as bench

AXES = (-2, -1)


def fourier(x):
    x = np.fft.fft2(np.fft.ifftshift(x, AXES), norm="ortho")
    return np.fft.fftshift(x, AXES)


def solve(normal, b, steps=25):
    """Conjugate gradients."""
    x, r = np.zeros_like(b), b.copy()
    p, rr = r.copy(), np.vdot(r, r).real
    for _ in range(steps):
        q = normal(p)
        a = rr / np.vdot(p, q).real
        x, r = x + a * p, r - a * q
        before, rr = rr, np.vdot(r, r).real
        p = r + rr / before * p
    return x


def refined(maps, x, y, beta):
    mask = np.abs(y) > 0
    model = mask * fourier(maps * x)
    x = x * np.vdot(model, y) / np.vdot(model, model)
    ky, kx = np.meshgrid(*(np.arange(n) - n // 2 for n in maps.shape[1:]), indexing="ij")
    smooth = (1 + (ky ** 2 + kx ** 2) / 64) ** -4.0
    forward = lambda z: mask * fourier(bench.image_of(smooth * z) * x)
    adjoint = lambda r: smooth * fourier(np.conj(x) * bench.image_of(mask * r))
    weight = beta * np.mean(np.abs(x) ** 2)
    z = solve(lambda z: adjoint(forward(z)) + weight * z, adjoint(y - mask * fourier(maps * x)))
    new = maps + bench.image_of(smooth * z)
    total = np.sqrt((np.abs(new) ** 2).sum(0))
    return np.where((np.abs(maps) ** 2).sum(0) > 0.1, new / np.maximum(total, 1e-6), 0)


def image(scry, problem, maps=None):
    out = problem["folder"] + "_joint.cfl"
    words = [scry, "mri", problem["k"], out, "--method", "wavelet", "--complex", "--force"]
    words += ["--maps", maps + ".cfl"] if maps else []
    subprocess.run(words, check=True, capture_output=True)
    return bench.read_cfl(out[:-4]).squeeze()


def psnr(problem, x):
    return bench.scores(x, problem["reference"], problem["support"])["psnr"]


def inverted(scry, problem, folder, steps):
    """Through the maps of bart nlinv."""
    to = os.path.join(folder, "nlinv")
    words = ["bart", "nlinv", f"-i{steps}", problem["k"][:-4], to + "_image", to]
    subprocess.run(words, check=True, capture_output=True)
    maps = bench.read_cfl(to).squeeze()
    bench.write_cfl(to, (maps / np.sqrt((np.abs(maps) ** 2).sum(0)))[:, None])
    return psnr(problem, image(scry, problem, to))


def row(case, seed, a, folder):
    problem = bench.prepare(case, a.scry, a.kspace, folder, "scan", seed)
    y = bench.read_cfl(problem["k"][:-4]).squeeze()
    found = {"own": psnr(problem, image(a.scry, problem)),
             "full": psnr(problem, image(a.scry, problem, problem["maps"][:-4]))}
    if shutil.which("bart"):
        for steps in (10, 12):
            found[f"nlinv {steps}"] = inverted(a.scry, problem, folder, steps)
    name = os.path.join(folder, "maps")
    subprocess.run([a.scry, "kspace", "maps", problem["k"], name + ".cfl", "--crop", str(a.crop),
                    "--force"], check=True, capture_output=True)
    first = bench.read_cfl(name).squeeze()
    x = found["espirit"] = image(a.scry, problem, name)
    found["espirit"] = psnr(problem, x)
    for beta in (0.01, 0.1):
        maps, refining = first, x
        for _ in range(2):
            maps = refined(maps, refining, y, beta)
            bench.write_cfl(name, maps[:, None])
            refining = image(a.scry, problem, name)
        found[f"refined {beta}"] = psnr(problem, refining)
    print(f"{case} {seed} ", "  ".join(f"{k} {v:.2f}" for k, v in found.items()), flush=True)
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("scry")
    p.add_argument("kspace")
    p.add_argument("--case", default="brain4,brain8")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--crop", type=float, default=0.7)
    a = p.parse_args()
    folder = tempfile.mkdtemp(prefix="joint_maps_")
    for case in a.case.split(","):
        rows = [row(case, seed, a, folder) for seed in range(a.seeds)]
        print(f"{case} mean ",
              "  ".join(f"{k} {np.mean([r[k] for r in rows]):.2f}" for k in rows[0]), flush=True)


main()

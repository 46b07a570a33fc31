#!/usr/bin/python3
"""The network engine against PyTorch eager: same weights, same threads, turns taken in one run.

    bench_unet.py BENCH_UNET FOLDER [--side 256] [--threads 1] [--rounds 10]

BENCH_UNET is the program built from bench_unet.c. PyTorch is Debian's python3-torch, float32, with
the network of network.py (DownBlock2D / UpBlock2D without attention). Each round times
one call of each; the best and the median of the rounds are printed, and the ratio of both.
"""
import argparse
import os
import subprocess
import sys
import time

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "priors", "pretrained"))
from network import Prior  # noqa: E402


def torch_time(net, x, v, what):
    start = time.perf_counter()
    if what == "d":
        with torch.no_grad():
            net(x, 0.7)
    else:
        y = x.detach().requires_grad_(True)
        torch.autograd.grad(net(y, 0.7), y, v)
    return time.perf_counter() - start


def engine_time(process, what):
    process.stdin.write(what + "\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("folder")
    p.add_argument("--side", type=int, default=256)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--rounds", type=int, default=10)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    net = Prior(a.folder).raw
    x, v = torch.randn(1, 1, a.side, a.side), torch.randn(1, 1, a.side, a.side)
    command = [a.program, a.folder, str(a.side), str(a.threads), "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print(f"{a.folder}, {a.side} x {a.side}, {a.threads} thread(s), torch {torch.__version__}")
    for what, name in (("d", "D"), ("v", "D with VJP")):
        ours, theirs = [], []
        for i in range(a.rounds + 1):
            o, t = engine_time(process, what), torch_time(net, x, v, what)
            if i:
                ours.append(o)
                theirs.append(t)
        for label, pick in (("best", min), ("median", np.median)):
            o, t = pick(ours), pick(theirs)
            print(f"{name:11s} {label:6s} scry {o * 1e3:7.1f} ms, PyTorch {t * 1e3:7.1f} ms, "
                  f"ratio {t / o:.2f}")
    process.stdin.close()
    process.wait()


if __name__ == "__main__":
    main()

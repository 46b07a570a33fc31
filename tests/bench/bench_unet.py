#!/usr/bin/python3
"""The network engine against PyTorch eager: same weights, same threads, turns taken in one run.

    bench_unet.py BENCH_UNET FOLDER [--side 256] [--threads 1] [--rounds 10]

BENCH_UNET is the program built from bench_unet.c. PyTorch is Debian's python3-torch, float32, with
the network written here (DownBlock2D / UpBlock2D without attention). Each round times one call of
each; the best and the median of the rounds are printed, and the ratio of both.
"""
import argparse
import json
import os
import struct
import subprocess
import time

import numpy as np
import torch
import torch.nn.functional as F


def load(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    out = {}
    for name, t in header.items():
        if name != "__metadata__":
            a, b = t["data_offsets"]
            out[name] = torch.from_numpy(
                np.frombuffer(data[a:b], np.float32).reshape(t["shape"]).copy()
            )
    return out


class UNet:
    def __init__(self, folder):
        with open(os.path.join(folder, "config.json")) as file:
            self.c = json.load(file)
        self.w = load(os.path.join(folder, "diffusion_pytorch_model.safetensors"))

    def conv(self, x, name, **kw):
        return F.conv2d(x, self.w[name + ".weight"], self.w[name + ".bias"], **kw)

    def act(self, x, name):
        w, b = self.w[name + ".weight"], self.w[name + ".bias"]
        return F.silu(F.group_norm(x, self.c["norm_num_groups"], w, b, self.c["norm_eps"]))

    def linear(self, x, name):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def resnet(self, x, e, name):
        h = self.conv(self.act(x, name + ".norm1"), name + ".conv1", padding=1)
        h = h + self.linear(F.silu(e), name + ".time_emb_proj")[:, :, None, None]
        h = self.conv(self.act(h, name + ".norm2"), name + ".conv2", padding=1)
        if name + ".conv_shortcut.weight" in self.w:
            x = self.conv(x, name + ".conv_shortcut")
        return x + h

    def __call__(self, x, t):
        c, half = self.c, self.c["block_out_channels"][0] // 2
        levels, layers = len(c["block_out_channels"]), c["layers_per_block"]
        f = torch.exp(-np.log(10000) * torch.arange(half) / (half - c["freq_shift"]))
        e = torch.cat([torch.cos(t * f), torch.sin(t * f)])[None]
        e = F.silu(self.linear(e, "time_embedding.linear_1"))
        e = self.linear(e, "time_embedding.linear_2")
        x = self.conv(x, "conv_in", padding=1)
        skips = [x]
        for i in range(levels):
            for j in range(layers):
                x = self.resnet(x, e, f"down_blocks.{i}.resnets.{j}")
                skips.append(x)
            if i + 1 < levels:
                x = self.conv(x, f"down_blocks.{i}.downsamplers.0.conv", stride=2, padding=1)
                skips.append(x)
        for j in range(2):
            x = self.resnet(x, e, f"mid_block.resnets.{j}")
        for i in range(levels):
            for j in range(layers + 1):
                x = self.resnet(torch.cat([x, skips.pop()], 1), e, f"up_blocks.{i}.resnets.{j}")
            if i + 1 < levels:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
                x = self.conv(x, f"up_blocks.{i}.upsamplers.0.conv", padding=1)
        return self.conv(self.act(x, "conv_norm_out"), "conv_out", padding=1)


def torch_time(net, x, v, what):
    start = time.perf_counter()
    if what == "d":
        with torch.no_grad():
            net(x, 500.0)
    else:
        y = x.detach().requires_grad_(True)
        torch.autograd.grad(net(y, 500.0), y, v)
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
    net = UNet(a.folder)
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

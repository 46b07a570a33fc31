#!/usr/bin/python3
"""Train a pretrained prior further, at the noise levels that reconstructions end with.

    continue_training.py FOLDER TRAIN.npz OUT [--minutes 40] [--threads 1]

FOLDER is a prior (config.json, weights), TRAIN.npz holds 8-bit slices under "train/..." and
"test/..."; OUT gets the weights. Crops of 64 x 64 with flips, turns and a random rescale, mapped
x = 2 g (v - lo) / (hi - lo) - 1 with g between 0.5 and 1. A uniform step of the schedule, as in the
first training, leaves one crop in twenty below sigma 0.1, where most of a reconstruction's error is
decided: here sigma is log-uniform from 0.01 to 1 in four draws of five, uniform in the step
otherwise. Adam, cosine decay, weights averaged. Prints the held-out error of D by noise level
before and after: only weights that are better are worth shipping.
"""
import argparse
import json
import os
import shutil
import struct
import time

import numpy as np
import torch
import torch.nn.functional as F

SIDE, BATCH, RATE = 64, 8, 2e-4


def load(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    out = {}
    for name, t in header.items():
        if name != "__metadata__":
            a, b = t["data_offsets"]
            values = np.frombuffer(data[a:b], np.float32).reshape(t["shape"]).copy()
            out[name] = torch.from_numpy(values)
    return out


def save(path, tensors):
    header, at = {}, 0
    for name, t in sorted(tensors.items()):
        size = t.numel() * 4
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, t in sorted(tensors.items()):
            file.write(t.detach().numpy().astype(np.float32).tobytes())
    os.rename(path + ".part", path)


class UNet:
    """DownBlock2D / UpBlock2D without attention, one step for each image of a batch."""

    def __init__(self, config, weights):
        self.c, self.w = config, weights

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
        angle = t[:, None] * f[None]
        e = torch.cat([torch.cos(angle), torch.sin(angle)], 1)
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


class Crops:
    def __init__(self, archive, prefix, seed):
        self.rng = np.random.default_rng(seed)
        self.slices = []
        for key in sorted(k for k in archive.files if k.startswith(prefix)):
            v = archive[key]
            lo, hi = np.percentile(v, [0.5, 99.9])
            if hi > lo and min(v.shape) >= SIDE:
                self.slices.append((v, lo, hi))

    def draw(self, count):
        out = np.empty((count, 1, SIDE, SIDE), np.float32)
        for k in range(count):
            while True:
                v, lo, hi = self.slices[self.rng.integers(len(self.slices))]
                side = int(SIDE * self.rng.choice([1, 1, 1.25, 1.5, 2]))
                if min(v.shape) < side:
                    continue
                i = self.rng.integers(v.shape[0] - side + 1)
                j = self.rng.integers(v.shape[1] - side + 1)
                crop = v[i : i + side, j : j + side].astype(np.float32)
                if crop.std() > 0.02 * (hi - lo):
                    break
            crop = torch.from_numpy((crop - lo) / (hi - lo))[None, None]
            if side > SIDE:
                crop = F.interpolate(crop, (SIDE, SIDE), mode="area")
            crop = np.rot90(crop[0, 0].numpy(), self.rng.integers(4))
            crop = crop[::-1] if self.rng.integers(2) else crop
            out[k, 0] = 2 * self.rng.uniform(0.5, 1) * crop - 1
        return torch.from_numpy(out)


def step_of(levels, sigma):
    return torch.from_numpy(np.interp(np.log(sigma), np.log(levels), np.arange(1000)).astype("f4"))


def held_out(net, crops, noise, levels):
    rows = []
    with torch.no_grad():
        for sigma, n in noise:
            s = np.full(len(crops), sigma)
            eps = net((crops + sigma * n) / np.sqrt(1 + sigma**2), step_of(levels, s))
            rows.append((sigma, float(((eps - n) * sigma).pow(2).mean().sqrt())))
    return rows


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("folder")
    p.add_argument("train")
    p.add_argument("out")
    p.add_argument("--minutes", type=float, default=40)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(7)
    name = "diffusion_pytorch_model.safetensors"
    with open(os.path.join(a.folder, "config.json")) as file:
        config = json.load(file)
    weights = load(os.path.join(a.folder, name))
    beta = np.linspace(1e-4, 0.02, 1000)
    alpha = np.cumprod(1 - beta)
    levels = np.sqrt((1 - alpha) / alpha)
    with np.load(a.train) as archive:
        crops = Crops(archive, "train/", 1)
        test = Crops(archive, "test/", 2).draw(48)
    noise = [(s, torch.randn_like(test)) for s in (0.02, 0.05, 0.1, 0.2, 0.5, 2, 10)]
    before = held_out(UNet(config, weights), test, noise, levels)
    params = {k: v.clone().requires_grad_(True) for k, v in weights.items()}
    average = {k: v.clone() for k, v in weights.items()}
    adam = torch.optim.Adam(params.values(), lr=RATE)
    net = UNet(config, params)
    begun, step, loss_mean = time.time(), 0, None
    while True:
        done = (time.time() - begun) / (60 * a.minutes)
        if done >= 1:
            break
        for group in adam.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * 0.5 * (1 + np.cos(np.pi * done))
        x = crops.draw(BATCH)
        low = crops.rng.uniform(size=BATCH) < 0.8
        sigma = np.where(low, 10 ** crops.rng.uniform(-2, 0, BATCH),
                         levels[crops.rng.integers(0, 1000, BATCH)])
        s = torch.from_numpy(sigma.astype(np.float32))[:, None, None, None]
        n = torch.randn_like(x)
        loss = (net((x + s * n) / torch.sqrt(1 + s * s), step_of(levels, sigma)) - n).pow(2).mean()
        adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params.values(), 1.0)
        adam.step()
        step += 1
        keep = min(0.995, (1 + step) / (10 + step))
        with torch.no_grad():
            for k in average:
                average[k].mul_(keep).add_(params[k], alpha=1 - keep)
        loss_mean = loss.item() if loss_mean is None else 0.99 * loss_mean + 0.01 * loss.item()
        if step % 100 == 0:
            print(f"step {step}, {done:.0%}, loss {loss_mean:.4f}", flush=True)
            save(os.path.join(a.out, name), average)
    os.makedirs(a.out, exist_ok=True)
    save(os.path.join(a.out, name), average)
    for other in ("config.json", "scheduler_config.json"):
        shutil.copy(os.path.join(a.folder, other), a.out)
    after = held_out(UNet(config, average), test, noise, levels)
    print(f"{step} steps of {BATCH} crops; held-out rms error of D")
    for (sigma, b), (_, c) in zip(before, after):
        gain = 20 * np.log10(b / c)
        print(f"  sigma {sigma:5.2f}  before {b:.5f}  after {c:.5f}  {gain:+.2f} dB")


if __name__ == "__main__":
    main()

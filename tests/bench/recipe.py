#!/usr/bin/env python3
"""Choices of the training recipe against one another: small networks trained in lockstep on the
same crops, levels and noise, so that their differences are those of the choice.

    recipe.py DATA.npz [--variants v,flow,wiener] [--steps 400] [--batch 32] [--crop 32]
              [--channels 32,48,64] [--seed 0] [--threads 1]

y = z + s n, z of zero mean and unit variance, a = 1 / sqrt(1 + s^2), F the network:
    v          sees a y at the time of the DDPM schedule;  D = a^2 y - a s F
    flow       sees y / (1 + s) at t = s / (1 + s);        D = y / (1 + s) - t F
    vtime      v, told the time of flow
    wiener     sees a y and the stationary Wiener estimate W y;  D = W y + c F, c the error of W y

All learn with the loss of each level divided by a learned uncertainty, Muon on 3 x 3 kernels and
AdamW on the rest, a rate that falls to 0 and a power-function average of the weights. Printed:
PSNR of D on images under test/ (range 2, at most 8 a class, mean over classes) a quarter, half and
all of the way, and the differences to the first variant with the standard error over images.
PyTorch and diffusers are needed.
"""
import argparse
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import UNet2DModel

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "..", "priors", "pretrained"))
from bench_train import orthogonal  # noqa: E402
from make_prior_json import class_of, held_out  # noqa: E402

LEVELS = [0.05, 0.1, 0.2, 0.4, 0.8, 2.0]
GAIN, GAINS, ZOOMS = 0.75, (0.5, 1.0), (0.45, 1.0)
BETAS = np.linspace(1e-4, 0.02, 1000)
ALPHAS = np.cumprod(1 - BETAS)
LOG_LEVELS = np.log((1 - ALPHAS) / ALPHAS) / 2


def ddpm_time(s):
    return torch.from_numpy(np.interp(np.log(s), LOG_LEVELS, np.arange(1000))).float()


class Data:
    """Crops of the training images, classes and images by the root of their area."""

    def __init__(self, path, crop, seed):
        self.crop, self.rng = crop, np.random.default_rng(seed)
        with np.load(path) as archive:
            keys = [k for k in archive.files
                    if k.startswith("train/") and min(archive[k].shape) >= 128]
            self.images = [archive[k] for k in keys]
            self.truth, self.classes = held_out(archive, 8)
        area = np.array([i.size for i in self.images], float)
        classes = np.array([class_of(k) for k in keys])
        weight = np.sqrt(area)
        for c in set(classes):
            mine = classes == c
            weight[mine] *= np.sqrt(area[mine].sum()) / weight[mine].sum()
        self.weight = weight / weight.sum()
        some = [2 * GAIN * i[::4, ::4] / 255 - 1 for i in self.images]
        self.mean = float(np.dot(self.weight, [v.mean() for v in some]))
        square = np.dot(self.weight, [(v**2).mean() for v in some])
        self.std = float(np.sqrt(square - self.mean**2))

    def draw(self):
        r, n = self.rng, self.crop
        image = self.images[r.choice(len(self.images), p=self.weight)]
        side = int(min(max(round(n / r.uniform(*ZOOMS)), n), *image.shape))
        top, left = (r.integers(d - side + 1) for d in image.shape)
        v = torch.from_numpy(image[top:top + side, left:left + side].astype(np.float32) / 255)
        if side > n:
            v = F.interpolate(v[None, None], (n, n), mode="bilinear", antialias=True)[0, 0]
        v = torch.rot90(v, int(r.integers(4)))
        v = v.T if r.integers(2) else v
        return ((2 * r.uniform(*GAINS) * v - 1 - self.mean) / self.std)[None]

    def batch(self, count):
        return torch.stack([self.draw() for _ in range(count)])

    def spectrum(self, count=200, rings=64):
        """Mean power by radial frequency; white noise of sd s has s^2 everywhere."""
        n = 128
        f = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
        ring = np.minimum((f / np.sqrt(0.5) * rings).astype(int), rings - 1)
        window = np.outer(np.hanning(n), np.hanning(n))
        power, draw = np.zeros(rings), np.random.default_rng(7)
        for _ in range(count):
            image = self.images[draw.choice(len(self.images), p=self.weight)]
            top, left = (draw.integers(d - n + 1) for d in image.shape)
            z = (2 * GAIN * image[top:top + n, left:left + n] / 255 - 1 - self.mean) / self.std
            P = np.abs(np.fft.fft2(window * z)) ** 2 / (window**2).sum()
            power += np.bincount(ring.ravel(), P.ravel(), rings) / np.bincount(ring.ravel()) / count
        return np.sqrt(0.5) * (np.arange(rings) + 0.5) / rings, power


class Wiener:
    """The stationary estimate S / (S + s^2), on images that are mirrored at their borders."""

    def __init__(self, frequencies, power):
        self.f, self.power = frequencies, power

    def of(self, n):
        f = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n))
        return torch.from_numpy(np.exp(np.interp(f, self.f, np.log(self.power)))).float()

    def __call__(self, y, s):
        n = y.shape[-1]
        wide = torch.cat([y, y.flip(-1)], -1)
        wide = torch.cat([wide, wide.flip(-2)], -2)
        S = self.of(2 * n)
        gain = S / (S + s[:, None, None, None] ** 2)
        error = (gain * s[:, None, None, None] ** 2).mean((1, 2, 3)).sqrt()
        return torch.fft.irfft2(gain * torch.fft.rfft2(wide), s=(2 * n, 2 * n))[..., :n, :n], error


class Variant:
    def __init__(self, name, widths, wiener, steps, seed):
        torch.manual_seed(seed)
        self.name, self.wiener, self.steps, self.step = name, wiener, steps, 0
        self.net = UNet2DModel(
            in_channels=8 if name == "wiener" else 4, out_channels=4, block_out_channels=widths,
            layers_per_block=1, norm_num_groups=8, add_attention=False,
            down_block_types=("DownBlock2D",) * len(widths),
            up_block_types=("UpBlock2D",) * len(widths)).to(memory_format=torch.channels_last)
        self.muon = [q for n, q in self.net.named_parameters() if q.ndim == 4
                     and q.shape[2] == 3 and not n.startswith(("conv_in", "conv_out"))]
        ids = {id(q) for q in self.muon}
        self.rest = [q for q in self.net.parameters() if id(q) not in ids]
        self.waves = (2 * torch.randn(32), 6.28 * torch.rand(32))
        self.level = torch.zeros(33, requires_grad=True)
        self.adam = torch.optim.AdamW(self.rest + [self.level], betas=(0.9, 0.95),
                                      weight_decay=0.01)
        self.momentum = [torch.zeros_like(q) for q in self.muon]
        self.average = [q.detach().clone() for q in self.net.parameters()]

    def parts(self, y, s):
        """Input, time, and skip and factor of D = skip + factor F."""
        q = s[:, None, None, None]
        if self.name == "flow":
            t = q / (1 + q)
            return y * (1 - t), 1000 * t.flatten(), y * (1 - t), -t
        a = (1 + q * q).rsqrt()
        time = 1000 * s / (1 + s) if self.name == "vtime" else ddpm_time(s.numpy())
        if self.name == "wiener":
            estimate, error = self.wiener(y, s)
            return torch.cat([a * y, estimate], 1), time, estimate, error[:, None, None, None]
        return a * y, time, a * a * y, -a * q

    def network(self, x, time):
        x = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        return F.pixel_shuffle(self.net(x, time).sample, 2)

    @torch.no_grad()
    def denoise(self, y, s):
        x, time, skip, factor = self.parts(y, s)
        return skip + factor * self.network(x, time)

    def train(self, z, s, noise):
        y = z + s[:, None, None, None] * noise
        x, time, skip, factor = self.parts(y, s)
        error = (self.network(x, time) - (z - skip) / factor).pow(2).mean((1, 2, 3))
        wave = torch.cos(s.log()[:, None] * self.waves[0] + self.waves[1])
        u = wave @ self.level[:32] + self.level[32]
        self.net.zero_grad(set_to_none=True)
        self.level.grad = None
        (error * (-u).exp() + u).mean().backward()
        torch.nn.utils.clip_grad_norm_(self.rest, 1.0)
        rate = min(1, (self.step + 1) / 50) * max(0.01, 1 - self.step / self.steps)
        self.step += 1
        for group in self.adam.param_groups:
            group["lr"] = 1e-3 * rate
        self.adam.step()
        with torch.no_grad():
            for q, m in zip(self.muon, self.momentum):
                m.lerp_(q.grad, 0.05)
                scale = max(1, q.shape[0] / q[0].numel()) ** 0.5
                q.mul_(1 - 2e-4 * rate)
                q.add_(orthogonal(q.grad.lerp(m, 0.95)), alpha=-0.02 * rate * scale)
            keep = (1 - 1 / self.step) ** 7.94
            torch._foreach_lerp_(self.average, list(self.net.parameters()), 1 - keep)

    def scores(self, data, noise):
        """PSNR by level and image, with the average of the weights."""
        kept = [q.detach().clone() for q in self.net.parameters()]
        out = np.zeros((len(LEVELS), len(data.truth)))
        with torch.no_grad():
            for q, mean in zip(self.net.parameters(), self.average):
                q.copy_(mean)
        truth = torch.from_numpy(data.truth).float()
        for k, level in enumerate(LEVELS):
            for i in range(0, len(truth), 4):
                y = (truth[i:i + 4] + level * noise[i:i + 4] - data.mean) / data.std
                x = self.denoise(y, torch.full((len(y),), level / data.std))
                miss = x * data.std + data.mean - truth[i:i + 4]
                out[k, i:i + 4] = 10 * torch.log10(4 / miss.pow(2).mean((1, 2, 3))).numpy()
        with torch.no_grad():
            for q, old in zip(self.net.parameters(), kept):
                q.copy_(old)
        return out


def mean_of_classes(values, classes):
    return np.mean([values[classes == c].mean() for c in set(classes)])


def report(step, variants, data, noise):
    found = {v.name: v.scores(data, noise) for v in variants}
    first = found[variants[0].name]
    print(f"after {step} steps:", "".join(f"{level:>16}" for level in LEVELS))
    for name, scores in found.items():
        row = f"{name:16}"
        for k in range(len(LEVELS)):
            row += f"{mean_of_classes(scores[k], data.classes):8.2f}"
            apart = scores[k] - first[k]
            error = apart.std() / np.sqrt(len(apart))
            shown = f"{mean_of_classes(apart, data.classes):+.2f}"
            row += "        " if name == variants[0].name else f" {shown:5}{error:3.2f}"[:9]
        print(row, flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data")
    p.add_argument("--variants", default="v,flow,wiener")
    p.add_argument("--steps", type=int, default=400)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--crop", type=int, default=32)
    p.add_argument("--channels", default="32,48,64")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    data = Data(a.data, a.crop, a.seed)
    wiener = Wiener(*data.spectrum())
    widths = tuple(int(w) for w in a.channels.split(","))
    variants = [Variant(v, widths, wiener, a.steps, a.seed) for v in a.variants.split(",")]
    draw = torch.Generator().manual_seed(a.seed)
    seen = torch.randn(data.truth.shape, generator=torch.Generator().manual_seed(99))
    for step in range(1, a.steps + 1):
        z = data.batch(a.batch)
        s = (1.4 * torch.randn(a.batch, generator=draw) - 0.6).exp().clamp(0.01, 40)
        noise = torch.randn(z.shape, generator=draw)
        for v in variants:
            v.train(z, s, noise)
        if step in (a.steps // 4, a.steps // 2, a.steps):
            report(step, variants, data, seen)


if __name__ == "__main__":
    main()

"""A pretrained prior in PyTorch, for the scripts beside this one, for tests/bench and as a second
implementation to compare scry's with: weights as priors/network reads them, and D(x; sigma)."""
import json
import os
import struct

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
            values = np.frombuffer(data[a:b], np.float32).reshape(t["shape"]).copy()
            out[name] = torch.from_numpy(values)
    return out


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


class Prior:
    """D(x; sigma) = E[x0 | x0 + sigma n = x] of a folder, x (B, C, H, W), one sigma for all:
    priors/network/unet.h has the equations. DDPM's linear schedule."""

    def __init__(self, folder):
        def read(name):
            path = os.path.join(folder, name)
            if not os.path.exists(path):
                return {}
            with open(path) as file:
                return json.load(file)

        schedule = read("scheduler_config.json")
        self.config = read("config.json")
        self.input = {"unshuffle": 1, "mean": 0.0, "std": 1.0}
        self.input.update(read("prior.json").get("input", {}))
        self.kind = schedule["prediction_type"]
        self.net = UNet(
            self.config, load(os.path.join(folder, "diffusion_pytorch_model.safetensors"))
        )
        steps = schedule["num_train_timesteps"]
        betas = np.linspace(schedule["beta_start"], schedule["beta_end"], steps)
        alpha = np.cumprod(1 - betas)
        self.log_levels = np.log((1 - alpha) / alpha) / 2

    def raw(self, x, s):
        t = np.interp(np.log(s), self.log_levels, np.arange(len(self.log_levels)))
        t = torch.full((len(x),), float(t))
        u = self.input["unshuffle"]
        return F.pixel_shuffle(self.net(F.pixel_unshuffle(x, u), t), u)

    @torch.no_grad()
    def denoise(self, x, sigma, batch=8):
        mean, std = self.input["mean"], self.input["std"]
        s = sigma / std
        a = 1 / np.sqrt(1 + s * s)
        out = []
        for part in torch.split(torch.as_tensor(x, dtype=torch.float32), batch):
            z = (part - mean) / std
            F_ = self.raw(a * z, s)
            if self.kind == "v_prediction":
                z = a * a * z - a * s * F_
            else:
                z = z - s * F_
            out.append(z * std + mean)
        return torch.cat(out).numpy()

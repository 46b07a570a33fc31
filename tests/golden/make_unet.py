#!/usr/bin/env python3
"""Small random networks and their outputs by the real diffusers, for tests/test_unet.c.

    make_unet.py OUT_FOLDER        (diffusers 0.27.2, torch 1.13, safetensors 0.4; made 2026-11;
                                   `standardised`: diffusers 0.31.0, torch 2.15)

Each folder holds a loadable prior and golden.safetensors: x, v (2, C, H, W), timestep (2), eps =
network(x, timestep), vjp = (d eps / d x)^T v, and x0 = DDPMScheduler's pred_original_sample for the
sample x at that timestep. Computed in float64, stored in float32; the scheduler's tables and the
time embedding are float32 inside diffusers, which leaves about 1e-5 (tolerance of the test: 1e-4).

`standardised` has a prior.json whose "input" names a mean, a std and an unshuffle, and its
golden.safetensors holds sigma (2), x, v, x0 = D(x; sigma) and vjp = (d x0 / d x)^T v instead, D by
PyTorch's own pixel_unshuffle and autograd around the network at real-valued times.
"""
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DModel
from safetensors.torch import load_file, save_file

# widths that fill no block of lanes, attention at one level and in the middle, several heads
ATTENTION = dict(
    in_channels=1, out_channels=1, block_out_channels=(6, 10), norm_num_groups=2,
    layers_per_block=1, attention_head_dim=2,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
)
# everything that has two settings in the other one; tensors under their names before 0.13
VELOCITY = dict(
    in_channels=2, out_channels=2, block_out_channels=(4, 6, 8), norm_num_groups=2,
    layers_per_block=2, attention_head_dim=None, center_input_sample=True, freq_shift=1,
    flip_sin_to_cos=False, downsample_padding=0, norm_eps=1e-3, attn_norm_num_groups=4,
    down_block_types=("AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D"),
)
SAMPLE = dict(
    in_channels=1, out_channels=1, block_out_channels=(10,), norm_num_groups=5,
    layers_per_block=1, add_attention=False,
    down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",),
)
# blocks of 3 x 3 pixels of two channels, real-valued times, standardised images
STANDARDISED = dict(
    in_channels=18, out_channels=18, block_out_channels=(6, 8), norm_num_groups=2,
    layers_per_block=1, add_attention=False,
    down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
)
INPUT = dict(unshuffle=3, mean=-0.71, std=0.337)
OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def old_names(path):
    tensors = {}
    for name, value in load_file(path).items():
        for new, old in OLD.items():
            name = name.replace("." + new + ".", "." + old + ".")
        tensors[name] = value
    save_file(tensors, path)


def make(folder, seed, model, prediction, schedule, rename=False):
    torch.manual_seed(seed)
    net = UNet2DModel(sample_size=16, **model)
    with torch.no_grad():
        for p in net.parameters():
            if p.ndim == 1:
                p.add_(0.3 * torch.randn_like(p))
            else:
                p.mul_(1.5)
    scheduler = DDPMScheduler(prediction_type=prediction, beta_schedule=schedule, clip_sample=False)
    net.save_pretrained(folder, safe_serialization=True)
    scheduler.save_pretrained(folder)
    if rename:
        old_names(os.path.join(folder, "diffusion_pytorch_model.safetensors"))

    net = net.double()
    x = torch.randn(2, model["in_channels"], 16, 24, dtype=torch.float32).double()
    v = torch.randn_like(x).float().double()
    t = torch.tensor([37, 801])
    x.requires_grad_(True)
    eps = net(x, t).sample
    (vjp,) = torch.autograd.grad(eps, x, v)
    x0 = torch.cat([
        scheduler.step(
            eps[i : i + 1].detach(), int(t[i]), x[i : i + 1].detach()
        ).pred_original_sample
        for i in range(2)
    ])
    golden = dict(x=x, v=v, timestep=t, eps=eps, vjp=vjp, x0=x0)
    save_file({k: a.detach().float().contiguous() for k, a in golden.items()},
              os.path.join(folder, "golden.safetensors"))
    print(folder, "output", float(eps.std()), "vjp", float(vjp.std()))


def denoiser(net, scheduler, x, sigma):
    u, mean, std = INPUT["unshuffle"], INPUT["mean"], INPUT["std"]
    ab = scheduler.alphas_cumprod.double().numpy()
    levels = np.log(np.sqrt((1 - ab) / ab))
    t = torch.from_numpy(np.interp(np.log(sigma / std), levels, np.arange(len(ab))))
    s = torch.from_numpy(sigma / std)[:, None, None, None]
    a, z = 1 / torch.sqrt(1 + s * s), (x - mean) / std
    v = F.pixel_shuffle(net(F.pixel_unshuffle(a * z, u), t).sample, u)
    return (a * a * z - a * s * v) * std + mean


def make_standardised(folder):
    torch.manual_seed(4)
    net = UNet2DModel(sample_size=8, **STANDARDISED)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn_like(p)) if p.ndim == 1 else p.mul_(1.5)
    scheduler = DDPMScheduler(prediction_type="v_prediction", clip_sample=False)
    net.save_pretrained(folder, safe_serialization=True)
    scheduler.save_pretrained(folder)
    with open(os.path.join(folder, "prior.json"), "w") as file:
        json.dump(dict(name="standardised", input=INPUT), file, indent=1)
    net = net.double()
    x = torch.randn(2, 2, 24, 18).mul(0.4).sub(0.7).double().requires_grad_(True)
    v, sigma = torch.randn(2, 2, 24, 18).double(), np.array([0.0453, 1.717])
    x0 = denoiser(net, scheduler, x, sigma)
    (vjp,) = torch.autograd.grad(x0, x, v)
    golden = dict(x=x, v=v, sigma=torch.from_numpy(sigma), x0=x0, vjp=vjp)
    save_file({k: a.detach().float().contiguous() for k, a in golden.items()},
              os.path.join(folder, "golden.safetensors"))
    print(folder, "D", float(x0.std()), "vjp", float(vjp.std()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make_standardised(sys.argv[1] + "/standardised")
    make(sys.argv[1] + "/attention", 1, ATTENTION, "epsilon", "linear")
    make(sys.argv[1] + "/velocity", 2, VELOCITY, "v_prediction", "squaredcos_cap_v2", rename=True)
    make(sys.argv[1] + "/sample", 3, SAMPLE, "sample", "scaled_linear")

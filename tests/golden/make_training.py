#!/usr/bin/env python3
"""Gradients of a small network and steps of optimisers by PyTorch, for tests/test_training.c.

    make_training.py OUT_FOLDER        (diffusers 0.31.0, torch 2.15, safetensors 0.4; made 2026-11)

OUT_FOLDER becomes a loadable prior (UNet2DModel, v-prediction, behind a 2 x 2 unshuffle, weights
rounded to float16) with golden.safetensors:
  z, noise (6, 1, 32, 32), sigma (6), frequency, phase (32), u (33, the bias last): a batch;
  error (6): |F - v|^2 / N of each image; u.grad (33) and grad.<tensor>: the gradients of
  mean(error / exp(u(sigma)) + u(sigma)), of each tensor every 7th value in PyTorch's order;
  adamw.<w0 g1 g2 g3 w1 w2 w3>, muon_wide.*, muon_tall.*: weights, gradients, and weights after each
  step. All computed in float64. Times of sigma as in make_unet.py.
"""
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DModel
from safetensors.torch import save_file

MODEL = dict(
    in_channels=4, out_channels=4, block_out_channels=(16, 32), norm_num_groups=4,
    layers_per_block=1, add_attention=False,
    down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
)
SIGMA = np.array([0.013, 0.21, 0.55, 1.0, 3.1, 27.0])
RATE_ADAM, RATE_MUON, DECAY = 1.7e-3, 0.023, 0.013


def network(folder):
    torch.manual_seed(5)
    net = UNet2DModel(sample_size=16, **MODEL)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn_like(p)) if p.ndim == 1 else p.mul_(1.3)
            p.copy_(p.half().float())
    net.save_pretrained(folder, safe_serialization=True)
    save_file({k: p.half().contiguous() for k, p in net.state_dict().items()},
              os.path.join(folder, "diffusion_pytorch_model.safetensors"))
    DDPMScheduler(prediction_type="v_prediction", clip_sample=False).save_pretrained(folder)
    with open(os.path.join(folder, "prior.json"), "w") as file:
        json.dump(dict(name="training", input=dict(unshuffle=2, mean=0, std=1)), file, indent=1)
    return net.double()


def gradients(net, out):
    ab = DDPMScheduler().alphas_cumprod.double().numpy()
    t = np.interp(np.log(SIGMA), np.log((1 - ab) / ab) / 2, np.arange(len(ab)))
    s = torch.from_numpy(SIGMA)
    z, noise = torch.randn(6, 1, 32, 32).double(), torch.randn(6, 1, 32, 32).double()
    z, noise = z.float().double(), noise.float().double()
    frequency, phase = torch.randn(32) * 2, torch.rand(32) * 6.28
    u = (0.1 * torch.randn(33)).double().requires_grad_(True)
    waves = torch.cos(s.log()[:, None] * frequency.double() + phase.double())
    level = waves @ u[:32] + u[32]
    a = (1 / torch.sqrt(1 + s * s))[:, None, None, None]
    b = s[:, None, None, None] * a
    v = F.pixel_shuffle(net(F.pixel_unshuffle(a * z + b * noise, 2), torch.from_numpy(t)).sample, 2)
    error = (v - (a * noise - b * z)).pow(2).mean((1, 2, 3))
    loss = (error / level.exp() + level).mean()
    loss.backward()
    out.update(z=z, noise=noise, sigma=s, frequency=frequency, phase=phase, u=u, error=error)
    out["u.grad"] = u.grad
    for name, p in net.named_parameters():
        out["grad." + name] = p.grad.flatten()[::7]
    print("errors", error.detach().numpy(), "loss", float(loss))


def adamw(out):
    w = torch.nn.Parameter(torch.randn(1003).float().double())
    optimiser = torch.optim.AdamW([w], lr=RATE_ADAM, betas=(0.9, 0.95), weight_decay=DECAY)
    out["adamw.w0"] = w.detach().clone()
    for k in (1, 2, 3):
        w.grad = (10 ** (2 * torch.randn(1003))).mul(torch.randn(1003)).float().double()
        optimiser.step()
        out[f"adamw.g{k}"], out[f"adamw.w{k}"] = w.grad.clone(), w.detach().clone()


def orthogonal(g):
    """The iteration of Jordan et al. 2024."""
    x = g.T if g.shape[0] > g.shape[1] else g
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if g.shape[0] > g.shape[1] else x


def muon(out, name, rows, columns):
    w, m = torch.randn(rows, columns).float().double(), torch.zeros(rows, columns).double()
    out[f"{name}.w0"] = w.clone()
    for k in (1, 2, 3):
        g = torch.randn(rows, columns).float().double()
        m = torch.lerp(m, g, 0.05)
        step = orthogonal(torch.lerp(g, m, 0.95)) * max(1, rows / columns) ** 0.5
        w = w * (1 - RATE_MUON * DECAY) - RATE_MUON * step
        out[f"{name}.g{k}"], out[f"{name}.w{k}"] = g, w.clone()


def main(folder):
    os.makedirs(folder, exist_ok=True)
    out = {}
    gradients(network(folder), out)
    adamw(out)
    muon(out, "muon_wide", 16, 45)
    muon(out, "muon_tall", 48, 18)
    save_file({k: v.detach().float().contiguous() for k, v in out.items()},
              os.path.join(folder, "golden.safetensors"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])

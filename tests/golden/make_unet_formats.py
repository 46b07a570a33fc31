#!/usr/bin/env python3
"""Networks of the shapes that are met in the wild, with random weights, and the values that
diffusers returns, for tests/test_unet_formats.c.

    make_unet_formats.py OUT_FOLDER        (diffusers 0.39.0, torch 2.15; made 2026-11)

Each folder holds a loadable prior and golden.safetensors: sigma (2), x, v (2, C, H, W), x0 =
D(x; sigma) through the scheduler of the folder, vjp = (d x0 / d x)^T v; and label (2) where the
network has classes (-1: none, the class embedding left out). Weights are rounded to float16, and
everything is computed in float64.

  flow      FlowMatchEulerDiscreteScheduler
  edm       EDMEulerScheduler, sigma_data .31
  wild      three channels, learned variance (six outputs), classes, scale_shift, attention,
            residual blocks that resample
  adm       the same network under the names that guided diffusion gives its tensors
  dhariwal  the same again under those of NVIDIA's EDM, its labels as a linear map
"""
import json
import os
import sys

import numpy as np
import torch
from diffusers import DDPMScheduler, EDMEulerScheduler, FlowMatchEulerDiscreteScheduler, UNet2DModel
from safetensors.torch import save_file

PLAIN = dict(
    in_channels=1, out_channels=1, block_out_channels=(4, 6), norm_num_groups=2,
    layers_per_block=1, add_attention=False,
    down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
)
WILD = dict(
    in_channels=3, out_channels=6, block_out_channels=(4, 8), norm_num_groups=2,
    layers_per_block=1, attention_head_dim=4, num_class_embeds=3,
    resnet_time_scale_shift="scale_shift",
    down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
    downsample_type="resnet", upsample_type="resnet",
)
SIGMA = np.array([0.0453, 1.717])
NAMES = "diffusion_pytorch_model.safetensors"


def network(seed, model):
    torch.manual_seed(seed)
    net = UNet2DModel(sample_size=16, **model)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn_like(p)) if p.ndim == 1 else p.mul_(1.5)
            p.copy_(p.half().float())
    return net


def save(folder, net, scheduler, tensors=None):
    os.makedirs(folder, exist_ok=True)
    net.save_config(folder)
    scheduler.save_pretrained(folder)
    tensors = net.state_dict() if tensors is None else tensors
    save_file({k: t.half().contiguous() for k, t in tensors.items()}, os.path.join(folder, NAMES))


def write_golden(folder, denoise, channels, labels=None):
    x = torch.randn(2, channels, 16, 24).mul(0.7).double().requires_grad_(True)
    v = torch.randn(2, channels, 16, 24).double()
    x.data = x.data.float().double()
    v = v.float().double()
    x0 = torch.cat([denoise(x[i : i + 1], float(SIGMA[i]), i) for i in range(2)])
    (vjp,) = torch.autograd.grad(x0, x, v)
    golden = dict(x=x, v=v, sigma=torch.from_numpy(SIGMA), x0=x0, vjp=vjp)
    if labels is not None:
        golden["label"] = torch.tensor(labels)
    save_file({k: a.detach().float().contiguous() for k, a in golden.items()},
              os.path.join(folder, "golden.safetensors"))
    print(folder, "D", float(x0.std()), "vjp", float(vjp.std()))


def flow(folder):
    net, scheduler = network(11, PLAIN), FlowMatchEulerDiscreteScheduler()
    save(folder, net, scheduler)
    net = net.double()

    def denoise(x, sigma, _):
        t = sigma / (1 + sigma)
        state = x / (1 + sigma)
        velocity = net(state, torch.tensor(1000 * t, dtype=torch.float64)).sample
        return state - t * velocity

    write_golden(folder, denoise, 1)


def edm(folder):
    net, scheduler = network(12, PLAIN), EDMEulerScheduler(sigma_data=0.31)
    save(folder, net, scheduler)
    net = net.double()

    def denoise(x, sigma, _):
        sigma = torch.tensor(sigma, dtype=torch.float64)
        time = scheduler.precondition_noise(sigma)
        return scheduler.precondition_outputs(
            x, net(scheduler.precondition_inputs(x, sigma), time).sample, sigma)

    write_golden(folder, denoise, 1)


def heads_first(parts, head, inner_first):
    """Rows of q, k and v as ADM stores them: head by head, in each q, k, v; NVIDIA's EDM counts q,
    k, v fastest of all."""
    width = parts[0].shape[0]
    rest = parts[0].shape[1:]
    stacked = torch.stack([p.reshape(width // head, head, *rest) for p in parts], 2 if inner_first
                          else 1)
    return stacked.reshape(3 * width, *rest)


RES_ADM = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
           "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
ATT_ADM = {"group_norm": "norm", "to_out.0": "proj_out"}
RES_EDM = {"norm1": "norm0", "conv1": "conv0", "time_emb_proj": "affine", "norm2": "norm1",
           "conv2": "conv1", "conv_shortcut": "skip"}
ATT_EDM = {"group_norm": "norm2", "to_out.0": "proj"}


def places_adm(layers, levels):
    """The modules of diffusers by name, and where ADM has them."""
    places, at, skip = {}, 1, 0
    for i in range(levels):
        for j in range(layers):
            places[f"down_blocks.{i}.resnets.{j}"] = f"input_blocks.{at}.0"
            places[f"down_blocks.{i}.attentions.{j}"] = f"input_blocks.{at}.1"
            at += 1
        if i + 1 < levels:
            places[f"down_blocks.{i}.downsamplers.0"] = f"input_blocks.{at}.0"
            at += 1
    places["mid_block.resnets.0"] = "middle_block.0"
    places["mid_block.attentions.0"] = "middle_block.1"
    places["mid_block.resnets.1"] = "middle_block.2"
    attends = WILD["up_block_types"]
    for i in range(levels):
        for j in range(layers + 1):
            places[f"up_blocks.{i}.resnets.{j}"] = f"output_blocks.{skip}.0"
            places[f"up_blocks.{i}.attentions.{j}"] = f"output_blocks.{skip}.1"
            if j == layers and i + 1 < levels:
                k = 2 if attends[i].startswith("Attn") else 1
                places[f"up_blocks.{i}.upsamplers.0"] = f"output_blocks.{skip}.{k}"
            skip += 1
    places.update({"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
                   "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2":
                   "time_embed.2", "class_embedding": "label_emb"})
    return places


def places_edm(layers, levels, side):
    """Where NVIDIA's DhariwalUNet has them; its attention belongs to the block before it."""
    places = {}
    for i in range(levels):
        res = f"{side >> i}x{side >> i}"
        for j in range(layers):
            places[f"down_blocks.{i}.resnets.{j}"] = f"model.enc.{res}_block{j}"
            places[f"down_blocks.{i}.attentions.{j}"] = f"model.enc.{res}_block{j}"
        if i + 1 < levels:
            half = f"{side >> (i + 1)}x{side >> (i + 1)}"
            places[f"down_blocks.{i}.downsamplers.0"] = f"model.enc.{half}_down"
    low = f"{side >> (levels - 1)}x{side >> (levels - 1)}"
    places["mid_block.resnets.0"] = places["mid_block.attentions.0"] = f"model.dec.{low}_in0"
    places["mid_block.resnets.1"] = f"model.dec.{low}_in1"
    for i in range(levels):
        res = f"{side >> (levels - 1 - i)}x{side >> (levels - 1 - i)}"
        for j in range(layers + 1):
            places[f"up_blocks.{i}.resnets.{j}"] = f"model.dec.{res}_block{j}"
            places[f"up_blocks.{i}.attentions.{j}"] = f"model.dec.{res}_block{j}"
        if i + 1 < levels:
            twice = f"{side >> (levels - 2 - i)}x{side >> (levels - 2 - i)}"
            places[f"up_blocks.{i}.upsamplers.0"] = f"model.dec.{twice}_up"
    places.update({"conv_in": f"model.enc.{side}x{side}_conv", "conv_norm_out": "model.out_norm",
                   "conv_out": "model.out_conv", "time_embedding.linear_1": "model.map_layer0",
                   "time_embedding.linear_2": "model.map_layer1",
                   "class_embedding": "model.map_label"})
    return places


def rename(tensors, places, res, att, inner_first, head):
    out = {}
    for name, value in tensors.items():
        place = max((p for p in places if name.startswith(p + ".")), key=len)
        rest = name[len(place) + 1 :]
        if "to_q." in rest or "to_k." in rest or "to_v." in rest:
            if "to_q." in rest:
                kind = rest.split(".")[-1]
                parts = [tensors[name.replace("to_q", "to_" + c)] for c in "qkv"]
                rows = heads_first(parts, head, inner_first)
                rows = rows[..., None] if kind == "weight" else rows
                rows = rows[..., None] if kind == "weight" and inner_first else rows
                out[f"{places[place]}.qkv.{kind}"] = rows
            continue
        table = att if "attentions" in place else res
        for old, new in table.items():
            if rest.startswith(old + "."):
                rest = new + rest[len(old) :]
                break
        if att is ATT_ADM and rest.startswith("proj_out.weight"):
            value = value[..., None]
        if att is ATT_EDM and rest.startswith("proj.weight"):
            value = value[..., None, None]
        if att is ATT_EDM and place == "class_embedding":
            value = value.T
        out[f"{places[place]}.{rest}"] = value
    return out


def denoisers(net, labels):
    """D by a VP network of predicted noise, and by one with EDM's preconditioning."""
    ab = DDPMScheduler().alphas_cumprod.double().numpy()
    levels = np.log(np.sqrt((1 - ab) / ab))
    edm_scheduler = EDMEulerScheduler()

    def network_at(state, time, i):
        if labels[i] < 0:
            embedding, net.class_embedding = net.class_embedding, None
            out = net(state, time).sample
            net.class_embedding = embedding
        else:
            out = net(state, time, class_labels=torch.tensor([labels[i]])).sample
        return out[:, :3]

    def vp(x, sigma, i):
        t = torch.tensor(np.interp(np.log(sigma), levels, np.arange(len(ab))))
        return x - sigma * network_at(x / np.sqrt(1 + sigma * sigma), t, i)

    def edm(x, sigma, i):
        sigma = torch.tensor(sigma, dtype=torch.float64)
        time = edm_scheduler.precondition_noise(sigma)
        return edm_scheduler.precondition_outputs(
            x, network_at(edm_scheduler.precondition_inputs(x, sigma), time, i), sigma)

    return vp, edm


def wild(folder):
    scheduler, labels = DDPMScheduler(clip_sample=False, variance_type="learned_range"), [2, -1]
    net = network(13, WILD)
    save(folder + "/wild", net, scheduler)
    write_golden(folder + "/wild", denoisers(net.double(), labels)[0], 3, labels)
    # guided diffusion normalises before the attention in the middle too
    net = network(14, dict(WILD, attn_norm_num_groups=2))
    tensors, head = dict(net.state_dict()), WILD["attention_head_dim"]
    save(folder + "/adm", net, scheduler,
         rename(tensors, places_adm(1, 2), RES_ADM, ATT_ADM, False, head))
    save(folder + "/dhariwal", net, EDMEulerScheduler(),
         rename(tensors, places_edm(1, 2, 16), RES_EDM, ATT_EDM, True, head))
    vp, edm = denoisers(net.double(), labels)
    write_golden(folder + "/adm", vp, 3, labels)
    write_golden(folder + "/dhariwal", edm, 3, labels)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    flow(sys.argv[1] + "/flow")
    edm(sys.argv[1] + "/edm")
    wild(sys.argv[1])

#!/usr/bin/env python3
"""Training steps of scry and of PyTorch in turns: the same network (channels 64, 96, 128 behind a
2 x 2 unshuffle), 32 crops of 64 x 64, the same threads; forward, backward, Muon, AdamW, average.

    bench_train.py build/tests/bench/bench_train [--threads 1,2] [--turns 7]
                   [--kinds scry,eager,compiled,float32]

PyTorch computes in bfloat16 (autocast), eagerly and compiled (float32: eagerly, without autocast),
and needs diffusers beside it. Printed: crops a second by the clock and by the processor's time,
medians of the turns; peak memory of the process; and the medians over the turns of the ratios.
"""
import argparse
import statistics
import subprocess
import sys
import time

BATCH, CROP = 32, 64


def orthogonal(g):
    x = g.flatten(1).float()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if tall else x).reshape(g.shape)


def torch_step(kind):
    import torch
    import torch.nn.functional as F
    from diffusers import UNet2DModel

    net = UNet2DModel(
        in_channels=4, out_channels=4, block_out_channels=(64, 96, 128), layers_per_block=1,
        norm_num_groups=8, add_attention=False, down_block_types=("DownBlock2D",) * 3,
        up_block_types=("UpBlock2D",) * 3).to(memory_format=torch.channels_last)
    run = torch.compile(net) if kind == "compiled" else net
    muon = [q for n, q in net.named_parameters()
            if q.ndim == 4 and q.shape[2] == 3 and not n.startswith(("conv_in", "conv_out"))]
    ids = {id(q) for q in muon}
    rest = [q for q in net.parameters() if id(q) not in ids]
    adam = torch.optim.AdamW(rest, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.01)
    momentum = [torch.zeros_like(q) for q in muon]
    average = [q.detach().clone() for q in net.parameters()]

    def step():
        z, noise = torch.randn(BATCH, 1, CROP, CROP), torch.randn(BATCH, 1, CROP, CROP)
        s = torch.exp(1.4 * torch.randn(BATCH) - 0.6)
        a = (1 / (1 + s * s).sqrt())[:, None, None, None]
        b = s[:, None, None, None] * a
        x = F.pixel_unshuffle(a * z + b * noise, 2).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind != "float32"):
            out = run(x, torch.rand(BATCH) * 999).sample
        loss = (F.pixel_shuffle(out.float(), 2) - (a * noise - b * z)).pow(2).mean()
        net.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        adam.step()
        with torch.no_grad():
            for q, m in zip(muon, momentum):
                m.lerp_(q.grad, 0.05)
                q.add_(orthogonal(q.grad.lerp(m, 0.95)), alpha=-0.02)
            torch._foreach_lerp_(average, list(net.parameters()), 0.01)

    return step


def worker(kind, threads):
    import torch

    torch.set_num_threads(threads)
    step = torch_step(kind)
    step()
    step()
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


class Contender:
    """A process that takes a step when it is told to."""

    def __init__(self, kind, command):
        self.kind, self.took = kind, []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        if kind != "scry":
            self.process.stdout.readline()

    def turn(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.took.append([float(x) for x in self.process.stdout.readline().split()])

    def end(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            peak = next(line for line in status if line.startswith("VmHWM"))
        self.mib = int(peak.split()[1]) >> 10
        self.process.stdin.close()
        self.process.wait()

    def rate(self, clock):
        return BATCH / statistics.median(t[clock] for t in self.took)


def ratio(ours, other, clock):
    """Of the rates, the median over the turns."""
    return statistics.median(b[clock] / a[clock] for a, b in zip(ours.took, other.took))


def compare(program, kinds, threads, turns):
    commands = {"scry": [program, "-", str(BATCH), "8", str(threads)]}
    for kind in "eager", "compiled", "float32":
        commands[kind] = [sys.executable, __file__, kind, "--threads", str(threads)]
    contenders = [Contender(k, commands[k]) for k in kinds]
    for _ in range(turns):
        for c in contenders:
            c.turn()
    for c in contenders:
        c.end()
        row = f"{threads} {c.kind:9} {c.rate(0):7.1f} {c.rate(1):9.1f} {c.mib:6}"
        if c is not contenders[0]:
            row += f" {ratio(contenders[0], c, 0):10.2f} {ratio(contenders[0], c, 1):9.2f}"
        print(row, flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--turns", type=int, default=7)
    p.add_argument("--kinds", default="scry,eager,compiled")
    a = p.parse_args()
    if a.program in ("eager", "compiled", "float32"):
        return worker(a.program, int(a.threads))
    kinds = a.kinds.split(",")
    print(f"threads   crops/s  /processor s  MiB   {kinds[0]} over it: clock processor")
    for threads in a.threads.split(","):
        compare(a.program, kinds, int(threads), a.turns)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""GRAPPA by its definition, in numpy: the reference of operators/grappa.c.

    make_grappa.py OUT_FOLDER        (numpy 2.4; made 2026-11)

Griswold et al. 2002, MRM 47:1202: for each missing line, samples of all coils on the nearest
acquired lines (two on each side, five samples of each) are combined with weights that fit the
calibration lines in least squares, with a ridge of 0.01 times the mean of the diagonal.

Writes kspace.npy (coil, y, x), which is 0 where lines are missing, and filled.npy.
"""
import os
import sys

import numpy as np

COILS, NY, NX, LINES, SAMPLES, RIDGE = 4, 36, 28, 4, 5, 1e-2


def scan():
    rng = np.random.default_rng(11)
    y, x = np.meshgrid((np.arange(NY) - NY // 2) / NY, (np.arange(NX) - NX // 2) / NX,
                       indexing="ij")
    image = ((y / 0.4) ** 2 + (x / 0.36) ** 2 < 1) * (1 + 0.5 * (np.hypot(y - 0.1, x) < 0.1))
    k = np.zeros((COILS, NY, NX), complex)
    for c in range(COILS):
        turn = 2 * np.pi * c / COILS
        s = np.exp(-((y - 0.5 * np.sin(turn)) ** 2 + (x - 0.5 * np.cos(turn)) ** 2) / 0.3)
        s = s * np.exp(1j * (turn + y - 2 * x * y))
        k[c] = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image * s), norm="ortho"))
    k += 1e-3 * (rng.standard_normal(k.shape) + 1j * rng.standard_normal(k.shape))
    return k.astype(np.complex64)


def grappa(k, acquired, calibrating):
    out = k.astype(complex)
    padded = np.pad(out, ((0, 0), (0, 0), (SAMPLES // 2, SAMPLES // 2)))
    widest = np.diff(np.flatnonzero(acquired)).max()
    for line in np.flatnonzero(~acquired):
        have = np.flatnonzero(acquired)
        below, above = have[have < line][-LINES // 2:], have[have > line][: LINES // 2]
        near = np.concatenate([below, above])
        if not (len(below) and len(above)) and np.abs(near - line).min() >= widest:
            continue
        offsets = near - line
        sources, targets = [], []
        for at in np.flatnonzero(calibrating):
            rows = at + offsets
            if rows.min() < 0 or rows.max() >= NY or not calibrating[rows].all():
                continue
            for s in range(SAMPLES // 2, NX - SAMPLES // 2):
                part = slice(s - SAMPLES // 2, s + SAMPLES // 2 + 1)
                sources.append(k[:, rows, part].ravel())
                targets.append(k[:, at, s])
        S, t = np.array(sources, complex), np.array(targets, complex)
        G = S.conj().T @ S
        G += RIDGE * np.trace(G).real / len(G) * np.eye(len(G))
        w = np.linalg.solve(G, S.conj().T @ t)
        for s in range(NX):
            out[:, line, s] = padded[:, line + offsets, s: s + SAMPLES].ravel() @ w
    return out.astype(np.complex64)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    k = scan()
    lines = np.arange(NY)
    calibrating = np.abs(lines - NY // 2) <= 7
    acquired = (lines % 3 == 1) | calibrating
    acquired[:4] = False  # partial Fourier
    k[:, ~acquired] = 0
    np.save(os.path.join(folder, "kspace.npy"), k)
    np.save(os.path.join(folder, "filled.npy"), grappa(k, acquired, calibrating | acquired))


main(sys.argv[1])

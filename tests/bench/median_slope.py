#!/usr/bin/env python3
"""What a median leaves of white noise where the image slopes: scryi_noise_shape_on_slope.

  median_slope.py

Planes of slope s (sd of the noise a pixel, any direction) plus white noise of variance 1 are
median-filtered. Printed: the power of the noise that is left, below 0.08 cycles a pixel, from 0.12
to 0.2, and beyond 0.35."""
import numpy as np
from scipy import ndimage

SIDE, FIELDS, EDGE = 256, 24, 16
rng = np.random.default_rng(1)
down, across = np.mgrid[:SIDE, :SIDE].astype(float)
inner = SIDE - 2 * EDGE
taper = np.outer(np.hanning(inner), np.hanning(inner))
taper /= np.sqrt((taper**2).mean())
f = np.hypot(np.fft.fftfreq(inner)[:, None], np.fft.fftfreq(inner)[None])
bands = [(f > 0.01) & (f < 0.08), (f > 0.12) & (f < 0.2), f > 0.35]
for size in (3, 5):
    for slope in (0, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16):
        power = np.zeros(3)
        for _ in range(FIELDS):
            angle = rng.uniform(0, 2 * np.pi)
            plane = slope * (np.cos(angle) * across + np.sin(angle) * down)
            noisy = ndimage.median_filter(plane + rng.normal(size=plane.shape), size)
            left = noisy - ndimage.median_filter(plane, size)
            left = left[EDGE:-EDGE, EDGE:-EDGE]
            periodogram = abs(np.fft.fft2((left - left.mean()) * taper)) ** 2 / inner**2
            power += np.array([periodogram[b].mean() for b in bands]) / FIELDS
        print("%d x %d, slope %6.3f: %.4f %.4f %.4f" % (size, size, slope, *power), flush=True)

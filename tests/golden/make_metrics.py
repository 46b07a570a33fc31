#!/usr/bin/python3
"""Golden metrics, by scikit-image (0.19.3 made metrics.h): python3 make_metrics.py > metrics.h

The images are rebuilt by tests/test_metrics.c from the same integer recurrence."""
import numpy as np
import skimage
from skimage.metrics import (normalized_root_mse, peak_signal_noise_ratio,
                             structural_similarity)


def image(seed, ny, nx):
    v, out = seed, np.empty(ny * nx)
    for i in range(ny * nx):
        v = (v * 1103515245 + 12345) % 2**31
        out[i] = (v >> 16) % 1000 / 250 + (i % nx) / 8 + ((i // nx) % 7)
    return out.reshape(ny, nx).astype(np.float32)


est, ref = image(1, 23, 31), image(2, 23, 31)
e, r = est.astype(float), ref.astype(float)
span = 11.7
a, b = np.polyfit(e.ravel(), r.ravel(), 1)
rows = [
    ("PSNR", peak_signal_noise_ratio(r, e, data_range=span)),
    ("RI_PSNR", peak_signal_noise_ratio(r, a * e + b, data_range=span)),
    ("FIT_A", a),
    ("FIT_B", b),
    ("NRMSE", normalized_root_mse(r, e, normalization="euclidean")),
    ("MAE", np.abs(e - r).mean()),
    ("SSIM_GAUSSIAN", structural_similarity(r, e, data_range=span, gaussian_weights=True,
                                            sigma=1.5, use_sample_covariance=False)),
    ("SSIM_UNIFORM", structural_similarity(r, e, data_range=span)),
]
# fastMRI's evaluation of a volume of three slices, in three sizes of signal
vol_e = np.stack([image(2 * k + 1, 23, 31) * (k + 1) for k in range(3)]).astype(float)
vol_r = np.stack([image(2 * k + 2, 23, 31) * (k + 1) for k in range(3)]).astype(float)
top = vol_r.max()
rows += [
    ("VOLUME_PSNR", peak_signal_noise_ratio(vol_r, vol_e, data_range=top)),
    ("VOLUME_NMSE", np.linalg.norm(vol_r - vol_e) ** 2 / np.linalg.norm(vol_r) ** 2),
    ("VOLUME_SSIM", np.mean([structural_similarity(g, p, data_range=top)
                             for g, p in zip(vol_r, vol_e)])),
]
print("/* Made by make_metrics.py with scikit-image %s. */" % skimage.__version__)
for name, value in rows:
    print("#define GOLDEN_%s %.15g" % (name, value))

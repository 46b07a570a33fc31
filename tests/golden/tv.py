#!/usr/bin/env python3
"""Total-variation prox of a 5 x 7 and a 3 x 4 x 5 image for tests/test_tv.c.

argmin_u |u - v|^2 / 2 + tau TV(u), isotropic, forward differences, by scikit-image 0.19
(denoise_tv_chambolle: the fixed-point iteration of Chambolle 2004, another algorithm than ours).
Its docstring leaves the scale open, so the optimum is confirmed here: no step of 3000 lowers the
objective as written above. Run: python3 tests/golden/tv.py (prints C arrays; good to 5e-5).
"""
import numpy as np
from skimage.restoration import denoise_tv_chambolle


def image(shape):
    i = np.arange(np.prod(shape), dtype=float)
    return (np.sin(1.7 * i + 0.3) + 0.6 * np.cos(0.41 * i * i) + (i % 7 > 3)).reshape(shape)


def gradient(u):
    g = np.zeros((u.ndim,) + u.shape)
    for a in range(u.ndim):
        n = u.shape[a]
        to = [slice(None)] * u.ndim
        to[a] = slice(0, n - 1)
        g[(a,) + tuple(to)] = np.diff(u, axis=a)
    return g


def objective(u, v, tau):
    return 0.5 * ((u - v) ** 2).sum() + tau * np.sqrt((gradient(u) ** 2).sum(0)).sum()


for name, shape, tau in (("flat", (5, 7), 0.37), ("deep", (3, 4, 5), 0.23)):
    v = image(shape)
    u = denoise_tv_chambolle(v, weight=tau, eps=0, max_num_iter=100000)
    best = objective(u, v, tau)
    rng = np.random.default_rng(1)
    for trial in range(3000):
        step = rng.normal(size=shape) * 10.0 ** -rng.integers(1, 6)
        assert objective(u + step, v, tau) > best - 1e-7, "not the minimum of this objective"
    print(f"/* {name} {shape} tau {tau}: objective {best:.9f} */")
    print(", ".join(f"{x:.7f}f" for x in u.ravel()))

#!/usr/bin/env python3
"""Golden values for tests/test_psf.c: Gibson-Lanni and Born-Wolf by adaptive quadrature.

Run from tests/: python3 golden/make_psf.py > golden/psf_values.h    (made with scipy 1.10.1)

Independent of operators/psf_pupil.c: other variable of integration (rho itself), other quadrature
(QUADPACK to 1e-10), focus by bounded scalar minimisation, pixels by adaptive 2-D quadrature of the
directly integrated intensity, no tables. Tolerance of the test: 2e-4 of the brightest pixel.
"""
import numpy as np
import scipy
from scipy.integrate import quad, dblquad
from scipy.optimize import minimize_scalar
from scipy.special import j0

NA, LAMBDA = 1.27, 0.541
NI, NI0, NS, NG, NG0 = 1.334, 1.333, 1.402, 1.522, 1.5255
TG, TG0, WD, DEPTH = 168.0, 170.0, 231.0, 4.7
PIXEL, DZ = 0.083, 0.217
K = 2 * np.pi / LAMBDA


def q(n, rho):
    return np.sqrt(max(n * n - (NA * rho) ** 2, 0.0))


def path(rho, z):
    return (DEPTH * q(NS, rho) - z * q(NI, rho) + TG * q(NG, rho) - TG0 * q(NG0, rho)
            + WD * (q(NI, rho) - q(NI0, rho)))


def intensity(r, z):
    edge = min(1.0, min(NI, NI0, NS, NG, NG0) / NA)
    zero = path(0.0, z)
    part = [quad(lambda p: j0(K * NA * p * r) * f(K * (path(p, z) - zero)) * p, 0, edge,
                 limit=400, epsabs=1e-10)[0] for f in (np.cos, np.sin)]
    return part[0] ** 2 + part[1] ** 2


def focus():
    scan = np.arange(-30.0, 30.0, 0.05)
    start = scan[np.argmax([intensity(0, z) for z in scan])]
    return minimize_scalar(lambda z: -intensity(0, z), bounds=(start - 0.1, start + 0.1),
                           method="bounded", options={"xatol": 1e-9}).x


def pixel(y, x, z):
    """Mean over the pixel (y, x)."""
    return dblquad(lambda b, a: intensity(np.hypot(a, b) * PIXEL, z), y - 0.5, y + 0.5,
                   x - 0.5, x + 0.5, epsabs=1e-6, epsrel=1e-5)[0]


def main():
    best = focus()
    print(f"/* made by golden/make_psf.py, scipy {scipy.__version__} */")
    print(f"static const double golden_focus_shift = {best - DEPTH:.8f}; /* um */")
    print("static const struct {\n    int z, y, x;\n    double ratio; /* to pixel (0, 0, 0) */\n"
          "} golden_pixels[] = {")
    middle = pixel(0, 0, best)
    for z, y, x in [(0, 1, 0), (0, 2, 1), (0, 4, 3), (0, 7, 0), (-1, 0, 0), (1, 0, 0), (-4, 0, 0),
                    (4, 0, 0), (-4, 3, 2), (4, 3, 2), (5, 6, 1), (-5, 0, 8)]:
        print(f"    {{ {z}, {y}, {x}, {pixel(y, x, best + z * DZ) / middle:.8f} }},")
    print("};")


if __name__ == "__main__":
    main()

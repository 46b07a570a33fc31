#!/usr/bin/env python3
"""k-space files that scry itself does not write, for tests/cli/mri.sh. Needs numpy and h5py.

usage: mri_files.py GOLDEN full.cfl     into the current folder

full.cfl is fully sampled, (x, y, coil), 96 x 80 x 4; GOLDEN is tests/golden.
"""
import os
import sys

import h5py
import numpy as np

golden, source = sys.argv[1:]


def read_cfl(name):
    name = name.removesuffix(".cfl")
    with open(name + ".hdr") as f:
        dims = [int(d) for d in f.read().split("\n")[1].split()]
    return np.fromfile(name + ".cfl", "<c8").reshape(dims[::-1])


def write_cfl(name, array):
    """array: slowest axis first, so that its last one is dimension 0."""
    with open(name + ".hdr", "w") as f:
        f.write("# Dimensions\n" + " ".join(map(str, array.shape[::-1])) + "\n")
    array.astype("<c8").tofile(name + ".cfl")


def centred(fft, values, axis):
    return np.fft.fftshift(fft(np.fft.ifftshift(values, axes=axis), axis=axis, norm="ortho"),
                           axes=axis)


def ft(values, axis):
    return centred(np.fft.fft, values, axis)


def ift(values, axis):
    return centred(np.fft.ifft, values, axis)


rng = np.random.default_rng(5)
k = read_cfl(source).reshape(4, 80, 96)  # coil, y, x
coils, ny, nx = k.shape
lines = np.zeros(ny, bool)
lines[::2] = lines[28:52] = True
under = k * lines[:, None]


def awkward_samplings():
    """Echoes, partial Fourier and transformed readouts."""
    early = under.copy()
    early[:, :, : nx // 4] = 0  # asymmetric echo
    write_cfl("echo", early[:, None])
    half = k.copy()
    half[:, : ny * 3 // 8] = 0  # partial Fourier
    write_cfl("half", half[:, None])
    write_cfl("hybrid", ift(under, 2)[:, None])  # readout transformed
    points = rng.random((ny, nx)) < 0.35
    points[28:52, 36:60] = True
    write_cfl("position", (k * points)[:, :, :, None])  # 1 x 96 x 80 x 4: x, y both phase encodes
    write_cfl("points", points)
    write_cfl("lines", lines[:, None].astype(float))
    write_cfl("narrow", lines[:-3, None].astype(float))
    with h5py.File("lines.h5", "w") as f:
        f["mask"] = lines
    # twice the field of view along the readout, empty outside
    wide = np.zeros((coils, ny, 2 * nx), np.complex64)
    wide[:, :, nx // 2: nx // 2 + nx] = ift(under, 2)
    wide = ft(wide, 2)
    write_cfl("wide", wide[:, None])
    wide[:, :, : nx // 2] = 0
    write_cfl("wide_echo", wide[:, None])


def volume():
    """12 partitions: the head, fading out along z, encoded along z and y."""
    nz = 12
    profile = np.exp(-(((np.arange(nz) - 5.5) / 3) ** 2))
    kept = rng.random((nz, ny)) < 0.5
    kept[2:10, 28:52] = True
    v = ft(k[:, None] * profile[:, None, None], 1)
    v += 0.002 * (rng.standard_normal(v.shape) + 1j * rng.standard_normal(v.shape))
    write_cfl("volume", v * kept[:, :, None])
    np.save("profile.npy", profile)


def from_scanner():
    """ISMRMRD: 2 repetitions of 3 slices, oversampled, noise scans, geometry; and an image larger
    than the matrix."""
    sys.argv = ["", os.path.join(os.getcwd(), "made")]
    sys.path.insert(0, golden)
    import make_ismrmrd as m

    def pairs(a):
        return np.stack([a.real, a.imag], -1).astype(np.float32)

    double = np.zeros((coils, ny, 2 * nx), np.complex64)
    double[:, :, nx // 2: nx // 2 + nx] = ift(k, 2)
    double = ft(double, 2)
    noise = rng.standard_normal((coils, 4096, 2)).astype(np.float32) * 3e-3
    lines_out = [m.acquisition(0, noise, (m.NOISE,), center=0)]
    for repetition in range(2):
        for s in (2, 0, 1):
            for y in np.flatnonzero(lines):
                a = m.acquisition(y, pairs(double[:, y] * (1 + s)), center=nx, slice=s,
                                  repetition=repetition,
                                  geometry=((5.0, -7.0, 20.0 + 8.0 * s), (0, 1, 0), (1, 0, 0),
                                            (0, 0, -1)))
                lines_out.append(a)
    limits = (m.limit("kspace_encoding_step_1", ny - 1, ny // 2) + m.limit("slice", 2, 0)
              + m.limit("repetition", 1, 0))
    m.write("scanner.h5", m.xml(ny, 2 * nx, limits=limits), lines_out, m.element(True))
    m.write("large.h5", m.xml(ny, 2 * nx, limits=limits, recon=(1, 128, 120)), lines_out,
            m.element(True))


def damaged():
    """Of a fastMRI file of three slices, three.h5."""
    def change(name, edit):
        with open("three.h5", "rb") as f, open(name, "wb") as g:
            g.write(f.read())
        with h5py.File(name, "r+") as f:
            edit(f)

    def put(value, *slices):
        def edit(f):
            for s in slices:
                f["kspace"][s, 1, 40, 44] = value
        return edit

    def replace(name, value):
        def edit(f):
            del f[name]
            f[name] = value
        return edit

    change("nan_first.h5", put(np.nan, 0))
    change("nan_middle.h5", put(np.nan, 1))
    change("nan_all.h5", put(np.nan, 0, 1, 2))
    change("zeros.h5", lambda f: f["kspace"].write_direct(np.zeros(f["kspace"].shape, "c8")))
    change("real.h5", replace("kspace", np.ones((3, 4, 96, 80), "f4")))
    change("rank.h5", replace("kspace", np.ones((80,), "c8")))
    change("words.h5", replace("kspace", "hello"))
    change("renamed.h5", lambda f: f.move("kspace", "data"))
    with h5py.File("images.h5", "w") as f:
        f["reconstruction"] = np.ones((3, 8, 8), "f4")


awkward_samplings()
volume()
damaged()
from_scanner()

#!/usr/bin/env python3
"""Radial and spiral ISMRMRD files with trajectories of their own, by the ismrmrd package, for
tests/test_ismrmrd_scattered.c and tests/cli/mri.sh.

    make_radial.py OUT_FOLDER        (ismrmrd 1.15.0, numpy 2.4; made 2026-11)

Samples are the discrete Fourier sums, one by one, of an asymmetric object of SIDE x SIDE pixels
seen by COILS coils; the first is the object itself, the second its mirror image in the slice.
  radial.h5       two slices, whose spokes have other angles; cycles per pixel
  radial.cfl      the same first slice as BART has it, with radial_traj.cfl
  oversampled.h5  a field of view twice as large as that of the image
  spiral.h5       units of 1 / field of view, a third number for weights, samples to discard
  frames.h5       two repetitions of different length
  stack.h5        a stack of stars, PARTITIONS along z; stack_slice.cfl are the samples of slice 1
  bad_*.h5        what is refused
truth.cfl is the object.
"""
import os
import shutil
import sys

import ismrmrd
import numpy as np

SIDE, COILS, SPOKES, READ, PARTITIONS = 32, 3, 40, 64, 4


def place(n):
    return (np.arange(n) - n // 2) / n


def object_of(n):
    """Values of the object on n x n pixels of its own size: n > SIDE pads it."""
    y, x = np.meshgrid((np.arange(n) - n // 2) / SIDE, (np.arange(n) - n // 2) / SIDE,
                       indexing="ij")
    im = .5 * ((x / .38) ** 2 + (y / .42) ** 2 < 1)
    for cy, cx, r, a in ((-.2, .15, .08, .4), (.18, -.13, .1, -.3), (.15, .18, .05, .5)):
        im = im + a * ((x - cx) ** 2 + (y - cy) ** 2 < r * r)
    return im * np.exp(1j * (.8 * x + 1.1 * y * y))


def coils(n):
    y, x = np.meshgrid((np.arange(n) - n // 2) / SIDE, (np.arange(n) - n // 2) / SIDE,
                       indexing="ij")
    s = []
    for c in range(COILS):
        t = 2 * np.pi * c / COILS + .4
        s.append(np.exp(-((x - .6 * np.cos(t)) ** 2 + (y - .6 * np.sin(t)) ** 2) / .5) *
                 np.exp(1j * (t + x * np.cos(t))))
    s = np.array(s)
    return s / np.sqrt((abs(s) ** 2).sum(0))


def samples(im, k, noise, rng):
    """(coil, sample): im (n, n) at k (sample, 2), kx and ky in cycles per pixel."""
    n = im.shape[0]
    grid = np.arange(n) - n // 2
    ex = np.exp(-2j * np.pi * np.outer(k[:, 0], grid))
    ey = np.exp(-2j * np.pi * np.outer(k[:, 1], grid))
    d = np.einsum("sy,cyx,sx->cs", ey, coils(n) * im, ex) / SIDE
    z = rng.standard_normal(d.shape) + 1j * rng.standard_normal(d.shape)
    return (d + noise * z / np.sqrt(2)).astype(np.complex64)


def spokes(count, first=0.):
    """Twice as dense along the readout as the image asks for."""
    angle = first + np.pi * np.arange(count) / count
    r = place(READ)
    return np.stack([np.outer(np.cos(angle), r), np.outer(np.sin(angle), r)], -1)


def spirals(count, read):
    turn = np.maximum(np.arange(read) - 2, 0) / (read - 3)  # the first two wait at the centre
    turn = turn ** .6
    k = .5 * turn * np.exp(2j * np.pi * (5 * turn + np.arange(count)[:, None] / count))
    return np.stack([k.real, k.imag], -1)


def header(kind, encoded, fov, nz=1):
    step_2 = (f"<kspace_encoding_step_2><minimum>0</minimum><maximum>{nz - 1}</maximum>"
              f"<center>{nz // 2}</center></kspace_encoding_step_2>" if nz > 1 else "")
    return f"""<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<acquisitionSystemInformation><systemVendor>golden</systemVendor>
<receiverChannels>{COILS}</receiverChannels></acquisitionSystemInformation>
<experimentalConditions><H1resonanceFrequency_Hz>63866217</H1resonanceFrequency_Hz>
</experimentalConditions><encoding><encodedSpace>
<matrixSize><x>{encoded}</x><y>{encoded}</y><z>{nz}</z></matrixSize>
<fieldOfView_mm><x>{fov}</x><y>{fov}</y><z>{5 * nz}</z></fieldOfView_mm></encodedSpace><reconSpace>
<matrixSize><x>{SIDE}</x><y>{SIDE}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>200</x><y>200</y><z>5</z></fieldOfView_mm></reconSpace>
<encodingLimits>{step_2}</encodingLimits>
<trajectory>{kind}</trajectory></encoding></ismrmrdHeader>"""


def save(path, kind, readouts, encoded=SIDE, fov=200, nz=1):
    """readouts: (data (coil, sample), traj (sample, axes), head as a dictionary)"""
    with ismrmrd.Dataset(path, "dataset") as file:
        file.write_xml_header(header(kind, encoded, fov, nz).encode())
        for number, (data, traj, head) in enumerate(readouts):
            a = ismrmrd.Acquisition()
            a.resize(data.shape[1], COILS, traj.shape[1])
            a.scan_counter = number
            a.available_channels = COILS
            a.center_sample = data.shape[1] // 2
            a.idx.kspace_encode_step_1 = number
            a.idx.kspace_encode_step_2 = head.get("step_2", 0)
            a.sample_time_us = 5
            for i in range(3):
                a.read_dir[i], a.phase_dir[i], a.slice_dir[i] = i == 0, i == 1, i == 2
            a.position[2] = 6 * head.get("slice", 0)
            a.idx.slice = head.get("slice", 0)
            a.idx.repetition = head.get("repetition", 0)
            a.discard_pre = head.get("pre", 0)
            a.discard_post = head.get("post", 0)
            a.data[:] = data
            a.traj[:] = traj
            file.append_acquisition(a)


def write_cfl(name, array):
    """array: slowest axis first, so that its last one is dimension 0."""
    with open(name + ".hdr", "w") as f:
        f.write("# Dimensions\n" + " ".join(map(str, array.shape[::-1])) + "\n")
    array.astype("<c8").tofile(name + ".cfl")


def lines(data, k, **head):
    """The readouts of k (line, read, axes), data (coil, line * read)."""
    data = data.reshape(COILS, *k.shape[:2])
    return [(data[:, i], k[i], head) for i in range(k.shape[0])]


def main(out):
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    at = lambda name: os.path.join(out, name)
    rng = np.random.default_rng(7)
    im, noise = object_of(SIDE), .004
    write_cfl(at("truth"), im)
    seen = lambda k, of=im: samples(of, k.reshape(-1, 2), noise, rng)
    radial = spokes(SPOKES)
    other = spokes(SPOKES, .02)
    first = seen(radial)
    save(at("radial.h5"), "radial",
         lines(first, radial) + lines(seen(other, im[:, ::-1]), other, slice=1))
    write_cfl(at("radial"), first.reshape(COILS, SPOKES, READ, 1))
    traj = np.concatenate([SIDE * radial, np.zeros((*radial.shape[:2], 1))], -1)
    write_cfl(at("radial_traj"), traj)
    wide = spokes(SPOKES, .03)
    save(at("oversampled.h5"), "goldenangle",
         lines(samples(object_of(2 * SIDE), wide.reshape(-1, 2), noise, rng), wide),
         2 * SIDE, 400)
    k = spirals(14, 150)
    weighted = np.concatenate([SIDE * k, np.linspace(0, 1, 150)[None, :, None] + 0 * k[..., :1]],
                              -1)
    save(at("spiral.h5"), "spiral", lines(seen(k), weighted, pre=2, post=3))
    few = spokes(SPOKES - 12, .01)
    save(at("frames.h5"), "other",
         lines(seen(radial), radial) + lines(seen(few), few, repetition=1))
    few = spokes(20)
    slices = np.array([seen(few, of) for of in (im, im[:, ::-1], .5 * im[::-1], im * im.real)])
    write_cfl(at("stack_slice"), slices[1].reshape(COILS, 20, READ, 1))
    centred = np.fft.ifftshift(slices, axes=0)
    parts = np.fft.fftshift(np.fft.fft(centred, axis=0, norm="ortho"), axes=0).astype("c8")
    stack = [line for z in range(PARTITIONS) for line in lines(parts[z], few, step_2=z)]
    save(at("stack.h5"), "radial", stack, nz=PARTITIONS)
    turned = lines(parts[3], spokes(20, .2), step_2=3)
    save(at("bad_turned.h5"), "radial", stack[:60:5] + turned[::5], nz=PARTITIONS)
    save(at("bad_lacks.h5"), "radial", stack[:-1][::6], nz=PARTITIONS)
    bad(at)


def bad(at):
    data = np.ones((COILS, 4), np.complex64)
    k = np.zeros((4, 3))
    k[:, 0] = [-.5, -.25, 0, .25]
    nan, large, deep = k.copy(), 40 * k, k.copy()
    nan[2, 1] = np.nan
    deep[1, 2] = -.25
    for name, traj, head in (("nan", nan, {}), ("large", large, {}), ("deep", deep, {}),
                             ("zero", 0 * k, {}), ("step", k, {"step_2": 1}),
                             ("none", k[:, :0], {}), ("one", k[:, :1], {}),
                             ("discard", k, {"pre": 2, "post": 2})):
        save(at(f"bad_{name}.h5"), "radial", [(data, k, {}), (data, traj, head)])


if __name__ == "__main__":
    main(sys.argv[1])

#!/usr/bin/env python3
"""Where a voxel of a NIfTI lies in the patient, of asymmetric objects in each orientation, by the
conventions of both kinds of vendors. For tests/cli/mri.sh. Needs numpy and h5py.

usage: orientation.py GOLDEN make      writes name.h5 for each case into the current folder
       orientation.py GOLDEN check     reads name.nii, the volume that `scry mri` made of it

An object is three balls at places in the patient, of unequal signal. What a scanner measures is
their Fourier transform along its read and phase directions about the centre of the slice:

    s(k) = sum_j a_j exp(-/+ 2 pi i k (r_j - centre))

with the minus sign of ISMRMRD's other writers, whose images come from the inverse transform, or
with the plus sign of Siemens (siemens_to_ismrmrd, and pull request 833 of MRpro).
"""
import os
import struct
import sys

import numpy as np

NY, NX, FOV = 40, 48, (192.0, 160.0, 5.0)  # voxels of 4 mm; the readout twice oversampled
t = np.deg2rad(25)
c, s = np.cos(t), np.sin(t)
# read, phase and slice directions, LPS; right-handed and left-handed ones
ORIENTATIONS = {
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "sagittal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
    "coronal": ((0, 0, -1), (1, 0, 0), (0, 1, 0)),
    "oblique": ((c, s, 0), (-s * c, c * c, s), (s * s, -c * s, c)),
}
CENTRE = np.array([12.0, -20.0, 35.0])
BALLS = ((1.0, 40, -28, 0), (0.8, -52, 12, 1), (0.6, 20, 48, 2))  # signal, mm along, slice
GAP = 8.0  # mm between three slices that are 5 mm thick


def name_of(orientation, vendor):
    return f"{orientation}_{vendor}"


def cases():
    for orientation, directions in ORIENTATIONS.items():
        for vendor in ("siemens", "other"):
            yield name_of(orientation, vendor), vendor, np.array(directions, float)


def signal(vendor, z):
    """(y, x) k-space of slice z: balls of 6 mm."""
    sign = 1 if vendor == "siemens" else -1
    ky = (np.arange(NY) - NY // 2) / FOV[1]
    kx = (np.arange(2 * NX) - NX) / (2 * FOV[0])
    out = np.zeros((NY, 2 * NX), complex)
    for a, along_read, along_phase, at in BALLS:
        if at != z:
            continue
        turn = np.exp(sign * 2j * np.pi * (ky[:, None] * along_phase + kx * along_read))
        out += a * turn * np.exp(-((kx**2 + ky[:, None] ** 2) * 6**2))
    return out


def make(m):
    for name, vendor, (read, phase, normal) in cases():
        lines = []
        for number, z in enumerate((1, 0, 2)):  # in the order of acquisition
            k = signal(vendor, z)
            k = np.stack([k.real, k.imag], -1).astype(np.float32)
            place = CENTRE + GAP * z * normal
            lines += [m.acquisition(y, k[None, y], center=NX, slice=number,
                                    geometry=(place, read, phase, normal)) for y in range(NY)]
        limits = m.limit("kspace_encoding_step_1", NY - 1, NY // 2) + m.limit("slice", 2, 0)
        header = m.xml(NY, 2 * NX, limits=limits).replace("golden", vendor.capitalize())
        header = header.replace("<x>480</x><y>200</y><z>6</z>", "<x>384</x><y>160</y><z>5</z>")
        header = header.replace("<x>240</x><y>200</y><z>6</z>", "<x>192</x><y>160</y><z>5</z>")
        m.write(name + ".h5", header, lines, m.element(True))


def check():
    for name, _, (read, phase, normal) in cases():
        with open(name + ".nii", "rb") as f:
            head = f.read(352)
        nx, ny, nz = struct.unpack("<3h", head[42:48])
        affine = np.array(struct.unpack("<12f", head[280:328])).reshape(3, 4)
        v = np.fromfile(name + ".nii", "<f4", offset=352).reshape(nz, ny, nx)
        for a, along_read, along_phase, z in BALLS:
            want = CENTRE + along_read * read + along_phase * phase + GAP * z * normal
            want = want * (-1, -1, 1)  # RAS
            nearest = [np.unravel_index(p.argmax(), p.shape) for p in v]
            found = [affine @ (x, y, k, 1) for k, (y, x) in enumerate(nearest)]
            off = min(np.abs(f - want).max() for f in found)
            assert off < 0.05, (name, a, want, found)
    print("ok")


golden, what = sys.argv[1:]
sys.argv = ["", os.path.join(os.getcwd(), "made")]
sys.path.insert(0, golden)
if what == "make":
    import make_ismrmrd

    make(make_ismrmrd)
else:
    check()

"""Writes tests/golden/kspace/: small HDF5 files for the k-space readers, by h5py (3.7, Debian 12).

usage: make_fastmri.py [folder]

Samples are 0.25 + s + 10 c + 100 y + 1000 x + 1j (those of slice s, coil c) times 1e-6, so that a
swapped axis shows; y has H = 10, x has W = 6 entries.
"""
import os
import sys

import h5py
import numpy as np

out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "kspace")
os.makedirs(out, exist_ok=True)
S, C, H, W = 3, 2, 10, 6

HEADER = """<?xml version="1.0" encoding="utf-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<studyInformation/>
<acquisitionSystemInformation><systemVendor>SIEMENS</systemVendor><systemModel>Aera</systemModel>
<systemFieldStrength_T>1.494</systemFieldStrength_T><receiverChannels>2</receiverChannels>
</acquisitionSystemInformation>
<experimentalConditions><H1resonanceFrequency_Hz>63643895</H1resonanceFrequency_Hz>
</experimentalConditions>
<encoding><encodedSpace><matrixSize><x>10</x><y>6</y><z>1</z></matrixSize>
<fieldOfView_mm><x>440</x><y>264</y><z>7.5</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>{rx}</x><y>{ry}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>220</x><y>176</y><z>5</z></fieldOfView_mm></reconSpace>
<trajectory>cartesian</trajectory>
<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{max}</maximum>
<center>{center}</center></kspace_encoding_step_1></encodingLimits></encoding>
<sequenceParameters><TR>2800</TR><TE>3.5</TE></sequenceParameters>
</ismrmrdHeader>
"""


def header(rx=5, ry=4, most=4, center=3):
    return HEADER.format(rx=rx, ry=ry, max=most, center=center)


def samples(slices=S, coils=C):
    s, c, y, x = np.ogrid[:slices, :coils, :H, :W]
    return ((0.25 + s + 10 * c + 100 * y + 1000 * x + 1j) * 1e-6).astype(np.complex64)


def target(slices=S, h=7, w=4):
    s, y, x = np.ogrid[:slices, :h, :w]
    return (0.5 + s + 10 * y + 100 * x).astype(np.float32)


def save(name, attributes=None, **sets):
    with h5py.File(os.path.join(out, name + ".h5"), "w") as f:
        for key, value in sets.items():
            f[key.replace("__", "/")] = value
        for key, value in (attributes or {}).items():
            f.attrs[key] = value


lines = np.array([1, 0, 1, 1, 0, 0], dtype=bool)
full = samples()
full[..., 5] = 0  # the padded column
under = np.where(lines, full, 0)
scan = {"acquisition": "AXT2", "max": 332.5, "norm": 1.0, "patient_id": "x"}

# multi-coil, with everything; limits leave the last column out
save("multi", scan, kspace=full, ismrmrd_header=header(), reconstruction_rss=target())
# test sets: a mask in the three types met in the wild
save("mask_bool", {"acquisition": "AXT2", "acceleration": 4, "num_low_frequency": 2}, kspace=under,
     mask=lines, ismrmrd_header=header())
save("mask_u8", None, kspace=under, mask=lines.astype(np.uint8))
save("mask_f32", None, kspace=under, mask=lines.astype(np.float32))
# no mask: exact zeros tell; a zero in an acquired column is a sample
zeros = under.copy()
save("zeros", None, kspace=zeros)
save("single", {"acquisition": "CORPD_FBK"}, kspace=samples()[:, 0], reconstruction_esc=target(),
     reconstruction_rss=-target())
save("flair203", None, kspace=samples(1), ismrmrd_header=header(rx=8, ry=8, most=5, center=3))
# the header as bytes of fixed length, kspace in double precision with ISMRMRD's names
pair = np.zeros(samples(1).shape, dtype=[("real", "<f8"), ("imag", "<f8")])
pair["real"], pair["imag"] = samples(1).real, samples(1).imag
save("double", None, kspace=pair, ismrmrd_header=np.bytes_(header()))
# imag first, big endian, gaps between: matched by name
odd = np.dtype({"names": ["i", "r"], "formats": [">f4", ">f4"], "offsets": [4, 12], "itemsize": 20})
mixed = np.zeros(samples(1).shape, dtype=odd)
mixed["r"], mixed["i"] = samples(1).real, samples(1).imag
save("swapped", None, kspace=mixed)

# plain HDF5
save("plain2", None, raw__data=samples(1, 1)[0, 0])
save("plain3", None, data=samples(1)[0], mask=np.array([1, 0, 1, 1, 0, 0, 1, 1, 1, 1], "i4"))
save("plain4", None, data=samples())
save("plain5", None, data=np.stack([samples(), samples() + 1], axis=2).astype(np.complex64))
save("two", None, a=samples(1, 1)[0, 0], b=samples(1)[0], c=np.arange(3))

# malformed files
save("bad_real", None, kspace=samples().real)
save("bad_pairs", None, kspace=np.stack([full.real, full.imag], -1))
save("bad_rank", None, kspace=samples()[:, :, :, :, None])
save("bad_mask_length", None, kspace=under, mask=np.ones(7, np.uint8))
save("bad_mask_nan", None, kspace=under, mask=np.array([1, 0, np.nan, 1, 0, 0], np.float32))
save("bad_mask_empty", None, kspace=under, mask=np.zeros(6, np.uint8))
save("bad_mask_text", None, kspace=under, mask="equispaced")
save("bad_limits", None, kspace=under, ismrmrd_header=header(most=6))
save("bad_center", None, kspace=under, ismrmrd_header=header(center=4))
save("bad_header", None, kspace=under, ismrmrd_header="<html></html>")
save("bad_target", None, kspace=under, reconstruction_rss=target(2))
nan = samples(1)
nan[0, 1, 7, 2] = np.nan
nan[0, 1, 8, 2] = np.inf
save("bad_nan", None, kspace=nan)
save("bad_zeros", None, kspace=0 * samples(1))
save("bad_disjoint", None, kspace=under, mask=~lines)
save("images", None, reconstruction=target())
save("header_only", None, ismrmrd_header=header())
save("nothing")
empty = samples()[:0]
save("bad_empty", None, kspace=empty)
with h5py.File(os.path.join(out, "bad_claim.h5"), "w") as f:
    f.create_dataset("kspace", (1 << 20, 64, 640, 372), "c8", chunks=(1, 1, 64, 64))
# float16 is ordinary, the 80 bits of a long double are not
save("reals", None, half=np.array([0.5, -3], np.float16), long=np.array([1], np.longdouble))

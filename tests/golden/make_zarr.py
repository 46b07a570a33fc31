#!/usr/bin/env python3
"""Zarr arrays and OME-Zarr images by zarr, numcodecs and ome-zarr, for tests/test_zarr.c.

    make_zarr.py OUT_FOLDER [CORPUS_FOLDER]

with zarr 3.1.6, numcodecs 0.16.6, ome-zarr 0.18.0; made 2026-11.

The value at (t, c, z, y, x) is (61 t + 41 c + 23 z + 7 y + 3 x) % 120, less 60 for signed types;
floats hold half of it. CORPUS_FOLDER: inputs for tests/fuzz/fuzz_zarr.c.
"""
import os
import shutil
import sys

import numpy as np
import zarr
from numcodecs import Blosc, GZip, Zlib, Zstd
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.writer import write_multiscale
from zarr.codecs import (BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec,
                         TransposeCodec, ZstdCodec)

SHAPE = {"t": 2, "c": 2, "z": 3, "y": 5, "x": 7}
STEP = {"t": 61, "c": 41, "z": 23, "y": 7, "x": 3}


def values(kind, axes):
    v = np.zeros([SHAPE[a] for a in axes], int)
    for i, a in enumerate(axes):
        v += STEP[a] * np.arange(SHAPE[a]).reshape([-1 if k == i else 1 for k in range(len(axes))])
    v %= 120
    if kind[0] != "u":
        v = v - 60
    return (v / 2 if kind[0] == "f" else v)


def array(path, kind, axes, chunks, version=2, **how):
    v = values(kind.lstrip("<>|"), axes)
    # zarr 3 keeps the byte order of format 3 in its codec
    dtype = np.dtype(kind) if version == 2 else np.dtype(kind).newbyteorder("=")
    if version == 3:
        how.setdefault("dimension_names", list(axes))
    a = zarr.create(shape=v.shape, chunks=chunks, dtype=dtype, store=path, zarr_format=version,
                    overwrite=True, **how)
    a[...] = v.astype(dtype)
    return a


def image(path, fmt, axes, kind, scale, units, chunks, **how):
    v = values(kind, axes).astype(kind)
    types = {"t": "time", "c": "channel"}
    names = [dict(name=a, type=types.get(a, "space"), **({"unit": units[a]} if a in units else {}))
             for a in axes]
    low = v[..., ::2, ::2]
    group = zarr.open_group(path, mode="w", zarr_format=fmt.zarr_format)
    small = [s * (2 if a in "yx" else 1) for s, a in zip(scale, axes)]
    write_multiscale(
        [v, low], group, fmt=fmt, axes=names,
        coordinate_transformations=[[{"type": "scale", "scale": list(scale)}],
                                    [{"type": "scale", "scale": small}]],
        storage_options=[dict(chunks=chunks, **how)] * 2,
        name="golden",
        metadata={"omero": {"channels": [{"label": n, "color": "FFFFFF", "active": True,
                                          "window": {"start": 0, "end": 9, "min": 0, "max": 9}}
                                         for n in ("DAPI", "actin")]}} if "c" in axes else {})
    return group


def pack(folder, first, group=None):
    """One input of the fuzz target."""
    read = lambda *at: open(os.path.join(*at), "rb").read()
    v3 = os.path.exists(os.path.join(folder, "zarr.json"))
    name = "zarr.json" if v3 else ".zarray"
    meta = read(folder, name)
    of_group = read(group, "zarr.json" if v3 else ".zattrs") if group else b""
    squeeze = lambda text: b"".join(line.strip() for line in text.splitlines())
    meta, of_group = squeeze(meta), squeeze(of_group).replace(b'"s0"', b'"0"')
    return (bytes([v3 | (0 if group else 2)]) + len(meta).to_bytes(2, "big") +
            len(of_group).to_bytes(2, "big") + meta + of_group + read(folder, first))


def corpus(out, at):
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    cases = {"be_u4": "0.0", "zlib": "0.0", "zstd": "0.0", "blosc_lz4": "0.0", "fortran": "0.0.0",
             "sharded": "c/0/0/0/0", "transposed": "c/0/0/0", "dotted": "0.0.0"}
    for name, first in cases.items():
        with open(os.path.join(out, name), "wb") as f:
            f.write(pack(at(name), first))
    for name, first in {"ome04.ome.zarr": "0/0/0/0/0", "ome05.zarr": "c/0/0/0/0"}.items():
        with open(os.path.join(out, name.split(".")[0]), "wb") as f:
            f.write(pack(at(name) + "/s0", first, at(name)))


def main(out):
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    at = lambda name: os.path.join(out, name)
    for kind in "u1 i1 u2 i2 u4 i4 f4 f8".split():
        for order in "<>" if kind[1] != "1" else "|":
            name = {"<": "le", ">": "be", "|": "le"}[order] + "_" + kind
            array(at(name), order + kind, "yx", (5, 7), compressor=None)
    for name, codec in {"zlib": Zlib(5), "gzip": GZip(5), "zstd": Zstd(3),
                        "blosc_lz4": Blosc("lz4", 5, Blosc.SHUFFLE),
                        "blosc_zstd": Blosc("zstd", 3, Blosc.BITSHUFFLE),
                        "blosc_zlib": Blosc("zlib", 3, Blosc.NOSHUFFLE)}.items():
        array(at(name), "<u2", "yx", (4, 4), compressor=codec)
    a = array(at("fortran"), ">i2", "zyx", (2, 3, 4), compressor=Zlib(1), order="F", fill_value=-9)
    os.remove(os.path.join(a.store.root, "1.0.1"))
    array(at("sharded"), "<u2", "czyx", (2, 3, 4, 8), 3,
          codecs=[ShardingCodec(chunk_shape=(1, 1, 2, 4), codecs=[BytesCodec(), GzipCodec()],
                                index_codecs=[BytesCodec(), Crc32cCodec()])])
    a = array(at("sharded_start"), "<f4", "zyx", (3, 4, 8), 3, fill_value=float("nan"),
          codecs=[ShardingCodec(chunk_shape=(1, 2, 4), codecs=[BytesCodec(), Crc32cCodec()],
                                index_codecs=[BytesCodec()], index_location="start")])
    v = a[...]
    v[1, :2, :4] = np.nan  # a chunk of nothing but the fill value is not stored
    a[...] = v
    array(at("transposed"), "<i2", "zyx", (2, 3, 4), 3,
          codecs=[TransposeCodec(order=(2, 0, 1)), BytesCodec(endian="big"), ZstdCodec(),
                  Crc32cCodec()])
    array(at("dotted"), "<f8", "xyc", (7, 5, 2), 3,
          chunk_key_encoding={"name": "v2", "separator": "."},
          codecs=[BytesCodec(), BloscCodec(cname="lz4", typesize=8)])
    image(at("ome04.ome.zarr"), FormatV04(), "tczyx", "u2", (1.5, 1, 0.5, 0.125, 0.25),
          {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"},
          (1, 1, 2, 4, 4), compressor=Blosc("lz4", 5, Blosc.SHUFFLE))
    image(at("ome05.zarr"), FormatV05(), "czyx", "f4", (1, 250, 125, 65),
          {"z": "nanometer", "y": "nanometer", "x": "nanometer"}, (1, 2, 4, 4))
    if len(sys.argv) > 2:
        corpus(sys.argv[2], at)


if __name__ == "__main__":
    main(sys.argv[1])

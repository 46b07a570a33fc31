"""TIFF files made and judged by tifffile, for tests/test_tiff_golden.c.

    make_tiffs.py make DIR            files in DIR and DIR/manifest
    make_tiffs.py real SHARED DIR     the same manifest for the real files under SHARED
    make_tiffs.py check DIR           judges DIR/<n>.out.tif, which scry wrote from file n

A line of the manifest: path, axes sizes c z t y x, type, flavour, and two checksums of the values
in the order t, z, c, y, x: sum(v) and sum(v * (i mod 1009)). Needs tifffile (2023.2.3 was used)
and numpy; without them it exits with 77.
"""
import glob
import logging
import os
import struct
import sys

try:
    import numpy as np
    import tifffile
except ImportError as missing:
    print(missing)
    sys.exit(77)
logging.disable(logging.CRITICAL)

OME = dict(PhysicalSizeX=0.065, PhysicalSizeY=0.07, PhysicalSizeZ=0.2,
           Channel=dict(Name=["DAPI", "GFP"], EmissionWavelength=[461, 510]))
TYPES = ["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"]


def pattern(shape, dtype, seed=1):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(100, 30, shape).astype("f4").astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(max(info.min, -2**23), min(info.max, 2**23), shape).astype(dtype)


def line(path, a, flavour):
    """a: (t, z, c, y, x)"""
    v = a.astype("f4").astype("f8").ravel()
    t, z, c, y, x = a.shape
    w = np.arange(v.size) % 1009
    return "\t".join([path] + [str(n) for n in (c, z, t, y, x)] +
                     [a.dtype.newbyteorder("=").name, flavour, repr(float(v.sum())),
                      repr(float((v * w).sum()))])


def planes(a, axes):
    """To (t, z, c, y, x); samples S are channels within C."""
    order = "TZCSYX"
    axes = axes.replace("Q", "Z").replace("I", "Z")
    for missing in order:
        if missing not in axes:
            a, axes = a[np.newaxis], missing + axes
    a = a.transpose([axes.index(k) for k in order])
    t, z, c, s, y, x = a.shape
    return a.reshape(t, z, c * s, y, x)


def walk_ifds(data):
    """(offset, next pointer position) of each directory of a little-endian classic TIFF."""
    at, = struct.unpack_from("<I", data, 4)
    while at:
        n, = struct.unpack_from("<H", data, at)
        yield at, at + 2 + 12 * n
        at, = struct.unpack_from("<I", data, at + 2 + 12 * n)


def make(out):
    rows = []

    def add(name, a, axes, flavour="plain", **options):
        path = os.path.join(out, name)
        tifffile.imwrite(path, a, **options)
        rows.append(line(path, planes(a, axes), flavour))

    for t in TYPES:
        for e in "<>":
            kind = "le" if e == "<" else "be"
            add(f"plain_{t}_{kind}.tif", pattern((3, 17, 23), e + t), "ZYX", byteorder=e,
                photometric="minisblack", metadata=None)
        add(f"tiled_{t}.tif", pattern((2, 37, 53), t), "ZYX", tile=(16, 32),
            photometric="minisblack", metadata=None)
        add(f"deflate_{t}.tif", pattern((2, 37, 53), t), "ZYX", compression="zlib", rowsperstrip=7,
            photometric="minisblack", metadata=None)
        add(f"ome_{t}.ome.tif", pattern((2, 3, 2, 17, 23), t), "TZCYX", "OME", ome=True,
            photometric="minisblack", metadata=dict(axes="TZCYX", **OME))
    for t in ("u1", "u2", "f4"):
        add(f"ij_{t}.tif", pattern((2, 3, 4, 17, 23), t), "TZCYX", "ImageJ", imagej=True,
            resolution=(1 / 0.065, 1 / 0.07), metadata=dict(axes="TZCYX", unit="um", spacing=0.2,
                                                            finterval=1.5))
        add(f"ij_z_{t}.tif", pattern((5, 17, 23), t), "ZYX", "ImageJ", imagej=True,
            metadata=dict(axes="ZYX"))
    for order, axes in (("XYCZT", "TZCYX"), ("XYZCT", "TCZYX"), ("XYTZC", "CZTYX"),
                        ("XYCTZ", "ZTCYX")):
        size = dict(T=2, Z=3, C=2, Y=17, X=23)
        add(f"ome_{order}.ome.tif", pattern([size[k] for k in axes], "u2"), axes, "OME", ome=True,
            photometric="minisblack", metadata=dict(axes=axes))
    add("big.tif", pattern((3, 17, 23), "u2"), "ZYX", bigtiff=True, photometric="minisblack",
        metadata=None)
    add("shaped.tif", pattern((4, 17, 23), "f4"), "ZYX", photometric="minisblack")
    for t in ("u1", "u2"):
        add(f"rgb_{t}.tif", pattern((17, 23, 3), t), "YXS", photometric="rgb", metadata=None)
        add(f"rgb_planar_{t}.tif", pattern((3, 17, 23), t), "SYX", photometric="rgb",
            planarconfig="separate", metadata=None)
        add(f"rgb_tiled_{t}.tif", pattern((37, 53, 3), t), "YXS", photometric="rgb", tile=(16, 16),
            compression="zlib", metadata=None)
        add(f"rgba_{t}.tif", pattern((17, 23, 4), t), "YXS", photometric="rgb",
            extrasamples=["unassalpha"], metadata=None)
    add("ij_rgb.tif", pattern((3, 17, 23, 3), "u1"), "ZYXS", "ImageJ", imagej=True,
        metadata=dict(axes="ZYXS"))
    add("ome_rgb.ome.tif", pattern((2, 17, 23, 3), "u1"), "ZYXS", "OME", ome=True,
        photometric="rgb", metadata=dict(axes="ZYXS"))
    predictor(out, rows)
    packbits(out, rows)
    pyramid(out, rows)
    with open(os.path.join(out, "manifest"), "w") as f:
        f.write("\n".join(rows) + "\n")


def patch_tags(path, changes):
    """Turns tags into SHORT tags of given number and value: {old: (new, value)}. tifffile without
    imagecodecs cannot encode pixels so declared, but the bytes are easily made."""
    data = bytearray(open(path, "rb").read())
    for at, end in walk_ifds(data):
        for entry in range(at + 2, end, 12):
            tag, = struct.unpack_from("<H", data, entry)
            if tag in changes:
                struct.pack_into("<HHII", data, entry, changes[tag][0], 3, 1, changes[tag][1])
    open(path, "wb").write(data)


def predictor(out, rows):
    a = pattern((37, 53), "u2")
    diff = a.copy()
    diff[:, 1:] = a[:, 1:] - a[:, :-1]
    path = os.path.join(out, "predictor2.tif")
    # WhitePoint, 318, keeps the place of Predictor, 317, which tifffile would not write
    tifffile.imwrite(path, diff, compression="zlib", metadata=None, photometric="minisblack",
                     byteorder="<", extratags=[(318, "H", 1, 1, True)])
    patch_tags(path, {318: (317, 2)})
    rows.append(line(path, a[None, None, None], "plain"))


def packbits(out, rows):
    a = pattern((37, 53), "u1")
    a[5:20, 10:40] = 7
    encoded = b""
    for row in a:  # literal runs of at most 128 bytes, and repeats
        raw = row.tobytes()
        encoded += bytes([10 - 1]) + raw[:10]
        if (row[10:40] == row[10]).all():
            encoded += bytes([257 - 30]) + raw[10:11]
        else:
            encoded += bytes([30 - 1]) + raw[10:40]
        encoded += bytes([53 - 40 - 1]) + raw[40:]
    path = os.path.join(out, "packbits.tif")
    tifffile.imwrite(path, iter([encoded]), shape=a.shape, dtype=a.dtype, compression="zlib",
                     metadata=None, photometric="minisblack", byteorder="<",
                     rowsperstrip=a.shape[0])
    patch_tags(path, {259: (259, 32773)})
    rows.append(line(path, a[None, None, None], "plain"))


def pyramid(out, rows):
    a = pattern((2, 64, 96), "u2")
    path = os.path.join(out, "pyramid.ome.tif")
    with tifffile.TiffWriter(path, ome=True) as w:
        w.write(a, subifds=2, tile=(32, 32), photometric="minisblack", metadata=dict(axes="ZYX"))
        for k in (2, 4):
            w.write(a[:, ::k, ::k], subfiletype=1, tile=(32, 32), photometric="minisblack")
    rows.append(line(path, a[None, :, None], "OME"))


def real(shared, out):
    rows = []
    for path in sorted(glob.glob(os.path.join(shared, "**", "*.[tT][iI][fF]*"), recursive=True)):
        try:
            with tifffile.TiffFile(path) as f:
                series = f.series[0]
                flavour = "ImageJ" if f.is_imagej else "OME" if f.is_ome else "plain"
                rows.append(line(path, planes(series.asarray(), series.axes), flavour))
        except ValueError as why:  # LZW needs imagecodecs
            print("not judged:", path, str(why)[:60])
    with open(os.path.join(out, "manifest"), "w") as f:
        f.write("\n".join(rows) + "\n")


def check(out):
    bad = 0
    for number, row in enumerate(open(os.path.join(out, "manifest"))):
        path, _, _, _, _, _, dtype, flavour, _, _ = row.rstrip("\n").split("\t")
        name = os.path.join(out, f"{number}.out.tif")
        with tifffile.TiffFile(path) as f, tifffile.TiffFile(name) as g:
            a, b = f.series[0], g.series[0]
            same = planes(a.asarray(), a.axes).astype("f4")
            back = planes(b.asarray(), b.axes)
            keeps = dtype if flavour != "ImageJ" or dtype in ("uint8", "uint16") else "float32"
            problem = None
            if back.shape != same.shape:
                problem = f"{b.axes} {back.shape}, expected {a.axes} {same.shape}"
            elif back.dtype.name != keeps:
                problem = f"{back.dtype}, expected {keeps}"
            elif not np.array_equal(same, back.astype("f4")):
                problem = "values differ"
            elif (flavour == "ImageJ") != bool(g.is_imagej) or (flavour == "OME") != bool(g.is_ome):
                problem = f"is not {flavour}"
            elif flavour == "ImageJ":
                problem = check_imagej(f, g, back)
            elif flavour == "OME":
                problem = check_ome(f, g)
            if problem:
                bad += 1
                print(f"{path}: {problem}")
    sys.exit(bad != 0)


def check_imagej(f, g, back):
    a, b = f.imagej_metadata, g.imagej_metadata
    for key in ("channels", "slices", "frames"):
        if a.get(key, 1) != b.get(key, 1) and not f.pages[0].samplesperpixel > 1:
            return f"{key} is {b.get(key)}, expected {a.get(key)}"
    for key in ("unit", "spacing", "finterval"):
        if key in a and a[key] != b.get(key) and not (key == "unit" and a[key] in ("pixel", "")):
            return f"{key} is {b.get(key)}, expected {a[key]}"
    if back.dtype != np.uint8 and abs(b["max"] - back.max()) > 1e-6 * abs(back.max()):
        return f"max is {b['max']}, expected {back.max()}"
    return None


def check_ome(f, g):
    import xml.etree.ElementTree as ElementTree
    keep = "{*}Image/{*}Pixels"
    a, b = (ElementTree.fromstring(k.ome_metadata) for k in (f, g))
    for key in ("SizeC", "SizeZ", "SizeT", "SizeX", "SizeY", "Type", "DimensionOrder",
                "PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ"):
        if a.find(keep).get(key) != b.find(keep).get(key):
            return f"{key} is {b.find(keep).get(key)}, expected {a.find(keep).get(key)}"
    if a.get("UUID") == b.get("UUID") or not b.get("UUID"):
        return "UUID is not new"
    names = [[c.get("Name") for c in k.findall(keep + "/{*}Channel")] for k in (a, b)]
    return None if names[0] == names[1] else f"channels {names[1]}, expected {names[0]}"


if __name__ == "__main__":
    {"make": make, "real": real, "check": check}[sys.argv[1]](*sys.argv[2:])

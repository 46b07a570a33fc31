#!/usr/bin/env python3
"""Writes the small ISMRMRD files of tests/golden/ismrmrd/ with h5py 3.7, apart from scry.

usage: make_ismrmrd.py FOLDER

A sample is a whole number that tells where it comes from, exact in float32:
    re = 1000 * (line + 1) + x,  im = 100 * coil + 10 * slice + repetition + 1
with x and line on the grid of the matrix. 2 coils, 12 x 8 (x, y), or as a file says.
"""
import os
import sys

import h5py
import numpy as np

NX, NY, NC = 12, 8, 2
NOISE, CALIBRATION, BOTH, REVERSE = 19, 20, 21, 22
NAVIGATION, PHASE_CORRECTION, FEEDBACK, DUMMY, RT, SURFACE = 23, 24, 26, 27, 28, 29

IDX = [(n, "<u2") for n in ("kspace_encode_step_1", "kspace_encode_step_2", "average", "slice",
                            "contrast", "phase", "repetition", "set", "segment")]
IDX.append(("user", "<u2", (8,)))
HEAD = [("version", "<u2"), ("flags", "<u8"), ("measurement_uid", "<u4"), ("scan_counter", "<u4"),
        ("acquisition_time_stamp", "<u4"), ("physiology_time_stamp", "<u4", (3,)),
        ("number_of_samples", "<u2"), ("available_channels", "<u2"), ("active_channels", "<u2"),
        ("channel_mask", "<u8", (16,)), ("discard_pre", "<u2"), ("discard_post", "<u2"),
        ("center_sample", "<u2"), ("encoding_space_ref", "<u2"), ("trajectory_dimensions", "<u2"),
        ("sample_time_us", "<f4"), ("position", "<f4", (3,)), ("read_dir", "<f4", (3,)),
        ("phase_dir", "<f4", (3,)), ("slice_dir", "<f4", (3,)),
        ("patient_table_position", "<f4", (3,)), ("idx", IDX), ("user_int", "<i4", (8,)),
        ("user_float", "<f4", (8,))]


def element(packed):
    """libismrmrd packs the head (340 bytes); other writers align it as a C struct (352)."""
    inner = [(n, np.dtype(t[0], align=not packed) if isinstance(t[0], list) else t[0], *t[1:])
             for n, *t in HEAD]
    kind = np.dtype(inner, align=not packed)
    vlen = h5py.vlen_dtype(np.float32)
    at = [0, 344, 360] if packed else [0, kind.itemsize + 8, kind.itemsize + 24]
    return np.dtype({"names": ["head", "traj", "data"], "formats": [kind, vlen, vlen],
                     "offsets": at, "itemsize": at[2] + 16})


def limit(name, most, center):
    return (f"<{name}><minimum>0</minimum><maximum>{most}</maximum>"
            f"<center>{center}</center></{name}>")


def xml(ny=NY, nx=NX, nz=1, limits="", trajectory="cartesian", extra="", recon=None, tail=""):
    rz, ry, rx = recon or (nz, ny, nx // 2)
    return f"""<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<acquisitionSystemInformation><systemVendor>golden</systemVendor>
<systemFieldStrength_T>1.5</systemFieldStrength_T>{extra}</acquisitionSystemInformation>
<experimentalConditions><H1resonanceFrequency_Hz>63866217</H1resonanceFrequency_Hz>
</experimentalConditions>
<encoding><encodedSpace><matrixSize><x>{nx}</x><y>{ny}</y><z>{nz}</z></matrixSize>
<fieldOfView_mm><x>480</x><y>200</y><z>6</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>{rx}</x><y>{ry}</y><z>{rz}</z></matrixSize>
<fieldOfView_mm><x>240</x><y>200</y><z>6</z></fieldOfView_mm></reconSpace>
<encodingLimits>{limits}</encodingLimits><trajectory>{trajectory}</trajectory></encoding>{tail}
<sequenceParameters><TR>25</TR><TE>3.5</TE></sequenceParameters>
</ismrmrdHeader>
"""


def samples(line, xs, slice_=0, repetition=0, coils=NC, scale=1.0):
    xs = np.asarray(xs)
    out = np.empty((coils, len(xs), 2), np.float32)
    for c in range(coils):
        out[c, :, 0] = scale * (1000 * (line + 1) + xs)
        out[c, :, 1] = scale * (100 * c + 10 * slice_ + repetition + 1)
    return out


def acquisition(step, data, flags=(), center=NX // 2, pre=0, post=0, dwell=5.0, geometry=None,
                space=0, **idx):
    return dict(step=step, data=data, flags=flags, center=center, pre=pre, post=post, dwell=dwell,
                geometry=geometry, space=space, idx=idx)


def write(path, header, acquisitions, kind, chunks=True, change=None):
    table = np.zeros(len(acquisitions), kind)
    for i, a in enumerate(acquisitions):
        row = table[i]
        h = row["head"]
        h["version"] = 1
        h["flags"] = sum(1 << (f - 1) for f in a["flags"])
        h["scan_counter"] = i
        h["number_of_samples"] = a["data"].shape[1]
        h["available_channels"] = h["active_channels"] = a["data"].shape[0]
        h["discard_pre"], h["discard_post"] = a["pre"], a["post"]
        h["center_sample"] = a["center"]
        h["encoding_space_ref"] = a["space"]
        h["sample_time_us"] = a["dwell"]
        if a["geometry"]:
            h["position"], h["read_dir"], h["phase_dir"], h["slice_dir"] = a["geometry"]
        h["idx"]["kspace_encode_step_1"] = a["step"]
        for name, value in a["idx"].items():
            h["idx"][name] = value
        row["traj"] = np.zeros(0, np.float32)
        row["data"] = a["data"].ravel()
        if change:
            change(i, row)
    with h5py.File(path, "w", libver="earliest") as f:
        if header is not None:
            f.create_dataset("dataset/xml", (1,), h5py.string_dtype("ascii"))[0] = header
        options = dict(chunks=(1,), maxshape=(None,)) if chunks else {}
        f.create_dataset("dataset/data", data=table, **options)


def full(x=range(NX), **more):
    return [acquisition(y, samples(y, x), **more) for y in range(NY)]


def everything(path, packed):
    """Two slices interleaved, two repetitions, and every kind of line that is no image line."""
    rng = np.random.default_rng(7)
    lines = []
    for _ in range(2):
        noise = rng.integers(-50, 50, (NC, 10, 2)).astype(np.float32)
        lines.append(acquisition(0, noise, (NOISE,), center=0, dwell=10.0))
    wrong = np.full((NC, NX, 2), 9e9, np.float32)
    for repetition in range(2):
        for flag in (NAVIGATION, PHASE_CORRECTION, FEEDBACK, DUMMY, RT, SURFACE):
            lines.append(acquisition(0, wrong, (flag,), repetition=repetition))
        for y in range(NY):
            for s in (1, 0):
                data = samples(y, range(NX), s, repetition)
                geometry = ((5.0, -7.0, 20.0 + 8.0 * s), (0, 1, 0), (0, 0, -1), (-1, 0, 0))
                geometry = ((5.0 - 8.0 * s, -7.0, 20.0),) + geometry[1:]
                if y == 3:
                    a = acquisition(y, data[:, ::-1], (REVERSE,))
                elif y == 4:  # 2 samples to drop in front, 1 behind
                    padded = np.full((NC, NX + 3, 2), 9e9, np.float32)
                    padded[:, 2:-1] = data
                    a = acquisition(y, padded, (), NX // 2 + 2, 2, 1)
                elif y == 5:
                    a = acquisition(y, data, (BOTH,))
                elif y == 6:  # echo at sample 2 of 8: lies from x = 4 on
                    a = acquisition(y, data[:, 4:], (), 2)
                elif y == 7:  # the same, reversed, with discards: 11, 10, .. 4
                    cut = data[:, 4:][:, ::-1]
                    bad = np.full((NC, 1, 2), 9e9, np.float32)
                    a = acquisition(y, np.concatenate([bad, cut], 1), (REVERSE,), 6, 1)
                else:
                    a = acquisition(y, data)
                a["idx"] = dict(slice=s, repetition=repetition)
                a["geometry"] = geometry
                lines.append(a)
                if y in (4, 5) and repetition == 0:
                    lines.append(acquisition(y, samples(y, range(NX), s, 0, scale=2.0),
                                             (CALIBRATION,), slice=s))
    header = xml(limits=limit("kspace_encoding_step_1", NY - 1, NY // 2)
                 + limit("slice", 1, 0) + limit("repetition", 2, 0),
                 extra="<relativeReceiverNoiseBandwidth>0.8</relativeReceiverNoiseBandwidth>"
                       "<receiverChannels>2</receiverChannels>",
                 trajectory="cartesian" if packed else "Cartesian")
    write(path, header, lines, element(packed))


def averages(path):
    """Line 2 twice, line 3 three times: 1 and 3 give 2, and 1, 2 and 6 give 3."""
    lines = full()
    lines[2:4] = [acquisition(2, samples(2, range(NX), scale=k), average=i)
                  for i, k in enumerate((1, 3))] + [
                  acquisition(3, samples(3, range(NX), scale=k), average=i)
                  for i, k in enumerate((1, 2, 6))]
    write(path, xml(), lines, element(True), chunks=False)


def partial(path):
    """Partial Fourier: steps 0 to 4 with the centre at 1 lie on lines 3 to 7 of 8; two encodings,
    the second of which belongs to calibration lines of another matrix."""
    lines = [acquisition(s, samples(s + 3, range(NX))) for s in range(5)]
    lines += [acquisition(s, samples(s, range(4)), (CALIBRATION,), space=1) for s in range(4)]
    header = xml(limits=limit("kspace_encoding_step_1", 4, 1), recon=(1, 10, 6))
    other = xml(4, 4).split("<encoding>")[1].split("</encoding>")[0]
    header = header.replace("</encoding>", f"</encoding><encoding>{other}</encoding>")
    write(path, header, lines, element(False))


def volume(path):
    """Encoded along z: 4 partitions, of which 1 to 3 are measured (centre 1 of steps 0 to 2)."""
    lines = [acquisition(y, samples(y, range(NX), repetition=z), kspace_encode_step_2=z,
                         geometry=((1, 2, 3), (1, 0, 0), (0, 1, 0), (0, 0, 1)))
             for z in range(3) for y in range(NY)]
    header = xml(nz=4, limits=limit("kspace_encoding_step_1", NY - 1, NY // 2)
                 + limit("kspace_encoding_step_2", 2, 1))
    write(path, header, lines, element(True))


def frames(path):
    """2 contrasts (numbered 1 and 5) x 3 sets; no limits."""
    lines = [acquisition(y, samples(y, range(NX), repetition=3 * c + s), contrast=(1, 5)[c], set=s)
             for y in range(NY) for s in range(3) for c in range(2)]
    write(path, xml(), lines, element(True))


def embedded(path):
    """Every other line for imaging; lines 3 and 5 are flagged for calibration only, of a scan that
    states that calibration is embedded; line 1 likewise, but shorter: it is not the image's."""
    lines = [acquisition(y, samples(y, range(NX))) for y in range(0, NY, 2)]
    lines += [acquisition(y, samples(y, range(NX)), (CALIBRATION,)) for y in (3, 5)]
    lines.append(acquisition(1, samples(1, range(4, NX)), (CALIBRATION,), 2))
    mode = ("<parallelImaging><accelerationFactor><kspace_encoding_step_1>2"
            "</kspace_encoding_step_1><kspace_encoding_step_2>1</kspace_encoding_step_2>"
            "</accelerationFactor><calibrationMode>embedded</calibrationMode></parallelImaging>")
    write(path, xml().replace("</encoding>", mode + "</encoding>"), lines, element(True))


def integrated(path, repeated=False):
    """Every other line for imaging, line 4 for calibration too; lines 3 and 5 are flagged for
    calibration only, and no mode is stated. repeated: so is line 2, another time."""
    lines = [acquisition(y, samples(y, range(NX)), (BOTH,) if y == 4 else ())
             for y in range(0, NY, 2)]
    lines += [acquisition(y, samples(y, range(NX)), (CALIBRATION,))
              for y in (2, 3, 5)[not repeated:]]
    write(path, xml(), lines, element(True))


def repeated(path):
    integrated(path, True)


def several(path):
    """Two measurements: an adjustment of 4 lines in dataset, the image in dataset_1."""
    write(path, xml(4, 4), [acquisition(y, samples(y, range(4))) for y in range(4)],
          element(True))
    image = path + ".part"
    write(image, xml(), full(), element(True))
    with h5py.File(path, "a") as f, h5py.File(image) as g:
        g.copy("dataset", f, "dataset_1")
    os.remove(image)


def interleaved(path):
    """Slices 0, 1, 2 of the counter lie at 0, 16 and 8 mm along the normal."""
    lines = [acquisition(y, samples(y, range(NX), s), slice=s,
                         geometry=((0, 0, (0, 16, 8)[s]), (1, 0, 0), (0, 1, 0), (0, 0, 1)))
             for s in range(3) for y in range(NY)]
    write(path, xml(), lines, element(True))


def malformed(folder):
    def save(name, lines=None, header=None, **more):
        write(os.path.join(folder, name + ".h5"), header or xml(), lines or full(),
              element(True), chunks=False, **more)

    def one(step, **more):
        return full() + [acquisition(step, samples(0, range(NX)), **more)]

    save("bad_line", one(9), xml(limits=limit("kspace_encoding_step_1", NY - 1, NY // 2)))
    save("bad_limits", header=xml(limits=limit("kspace_encoding_step_1", NY, NY // 2)))
    save("bad_center", header=xml(limits=limit("kspace_encoding_step_1", NY - 1, 0)))
    save("bad_samples", full()[:3] + [acquisition(3, samples(3, range(NX + 2)))])
    save("bad_echo", full()[:3] + [acquisition(3, samples(3, range(8)), center=1)])
    save("bad_discard", full()[:3] + [acquisition(3, samples(3, range(6)), pre=4, post=2)])
    save("bad_channels", full()[:3] + [acquisition(3, samples(3, range(NX), coils=3))])
    save("bad_reference", full()[:3] + [acquisition(3, samples(3, range(NX)), space=2)])
    save("bad_partition", one(0, kspace_encode_step_2=4), xml(nz=4))
    save("bad_trajectory", header=xml(trajectory="spiral"))
    save("only_noise", [acquisition(0, samples(0, range(NX)), (NOISE,))])

    def short(i, row):
        if i == 5:
            row["data"] = row["data"][:-4]
    save("bad_length", change=short)

    def nan(i, row):
        if i == 5:
            row["data"][3] = np.nan
    save("nan", change=nan)
    floats = h5py.vlen_dtype(np.float32)
    shorter = [m for m in HEAD if m[0] != "center_sample"]
    other = [(m[0], "S4") if m[0] == "flags" else m for m in HEAD]
    array = [("position", "<f4", (4,)) if m[0] == "position" else m for m in HEAD]
    kinds = {"no_member": (3, [("head", shorter), ("data", floats)]),
             "bad_member": (3, [("head", other), ("data", floats)]),
             "bad_array": (3, [("head", array), ("data", floats)]),
             "bad_data": (3, [("head", HEAD), ("data", "<f4", (4,))]),
             "no_head": (3, [("data", floats)]),
             "numbers": (3, "<f4"),
             "empty": (0, [("head", HEAD), ("data", floats)])}
    for name, (count, kind) in kinds.items():
        with h5py.File(os.path.join(folder, name + ".h5"), "w") as f:
            f.create_dataset("dataset/xml", (1,), h5py.string_dtype("ascii"))[0] = xml()
            f.create_dataset("dataset/data", (count,), np.dtype(kind))
    write(os.path.join(folder, "no_xml.h5"), None, full(), element(True), chunks=False)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name, packed in (("packed", True), ("aligned", False)):
        everything(os.path.join(folder, name + ".h5"), packed)
    for make in (averages, partial, volume, frames, embedded, integrated, repeated, several,
                 interleaved):
        make(os.path.join(folder, make.__name__ + ".h5"))
    malformed(folder)


main(sys.argv[1])

#!/usr/bin/env python3
"""Arrays as numpy saves them, for tests/test_npy.c.

    make_npy.py OUT_FOLDER        (numpy 2.4; made 2026-11)

Every array holds 3 k - 7 for k = 0, 1, ... in C order (booleans: k % 3 == 0; unsigned: 3 k + 7;
floats: half of it).
"""
import os
import sys

import numpy as np


def values(kind, shape):
    k = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    if kind == "b1":
        return k % 3 == 0
    a = 3 * k + 7 if kind[0] == "u" else 3 * k - 7
    return a / 2 if kind[0] == "f" else a


def main(out):
    os.makedirs(out, exist_ok=True)
    at = lambda name: os.path.join(out, name)
    for kind in "b1 u1 i1 u2 i2 u4 i4 u8 i8 f2 f4 f8".split():
        for order in "<>":
            a = values(kind, (3, 5)).astype(order + kind)
            np.save(at(f"{'le' if order == '<' else 'be'}_{kind}.npy"), a)
    np.save(at("fortran.npy"), np.asfortranarray(values("f4", (2, 3, 5)).astype("f4")))
    np.save(at("scalar.npy"), np.float32(2.5))
    np.save(at("empty.npy"), np.zeros((0, 4), "f4"))
    with open(at("v2.npy"), "wb") as file:
        np.lib.format.write_array(file, values("f8", (4, 3)), version=(2, 0))
    arrays = {"train/a/one": values("u1", (7, 5)).astype("u1"),
              "test/b/two": values("f4", (2, 40, 30)).astype("f4")}
    np.savez(at("stored.npz"), **arrays)
    np.savez_compressed(at("deflated.npz"), **arrays)
    np.savez(at("none.npz"))
    np.save(at("complex.npy"), np.ones(3, complex))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])

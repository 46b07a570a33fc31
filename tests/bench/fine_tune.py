#!/usr/bin/env python3
"""What ten minutes of `scry train --init` bring on images of a class that a shipped prior does not
know: held-out PSNR of D by noise level, before and after.

    fine_tune.py SCRY IMAGES... [--init microscopy] [--minutes 10] [--threads 2] [--out FOLDER]

IMAGES are files that `scry train` takes; every tenth image of a class is held out, or those that an
.npz calls test/. The first line of its log is the score of the prior that it starts from.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
p.add_argument("scry")
p.add_argument("images", nargs="+")
p.add_argument("--init", default="microscopy")
p.add_argument("--minutes", type=float, default=10)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--out")
a = p.parse_args()

with tempfile.TemporaryDirectory() as scratch:
    out = pathlib.Path(a.out or scratch) / "tuned"
    subprocess.run([a.scry, "train", "--init", a.init, "--minutes", str(a.minutes), "--threads",
                    str(a.threads), *a.images, str(out)],
                   check=True)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
before = lines[0]["psnr"]
after = max((line["psnr"] for line in lines[1:]), key=lambda psnr: sum(psnr.values()))
print("sigma   before    after     gain")
for level, value in before.items():
    print(f"{level:>5} {value:8.2f} {after[level]:8.2f} {after[level] - value:+8.2f}")

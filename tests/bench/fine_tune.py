#!/usr/bin/env python3
"""What ten minutes of `scry train --init` bring on images of a class that a shipped prior does not
know: held-out PSNR of D by noise level, before and after.

    fine_tune.py SCRY IMAGES... [--take 20] [--only WORD] [--init microscopy] [--minutes 10]
                 [--threads 2] [--seed 1] [--out FOLDER]

IMAGES are files that `scry train` takes; every tenth image of a class is held out. Of one .npz,
what it calls test/ is held out, and --take N images train, evenly spread over those whose names
hold --only: as many as a user has. The first line of the log is the score of the prior that it
starts from. What the minutes were worth on a machine that is shared is printed: crops, processor
minutes.
"""
import argparse
import json
import pathlib
import resource
import subprocess
import tempfile

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
p.add_argument("scry")
p.add_argument("images", nargs="+")
p.add_argument("--take", type=int)
p.add_argument("--only", default="")
p.add_argument("--init", default="microscopy")
p.add_argument("--minutes", type=float, default=10)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--seed", type=int, default=1)
p.add_argument("--out")
a = p.parse_args()


def subset(source, target):
    """Some of the archive's training images and all that are held out, in an archive."""
    import numpy as np
    with np.load(source) as archive:
        names = [n for n in archive.files if a.only in n]
        train = [n for n in names if not n.startswith("test/")]
        if not train:
            raise SystemExit(f"no image of {source} is called ...{a.only}...")
        step = max(len(train) / (a.take or len(train)), 1)
        keep = {train[int(k * step)] for k in range(min(a.take or len(train), len(train)))}
        np.savez(target, **{n: archive[n] for n in names if n in keep or n.startswith("test/")})
    print(f"{len(keep)} of {len(train)} images train, {len(names) - len(train)} are held out")


with tempfile.TemporaryDirectory() as scratch:
    images = a.images
    if a.take or a.only:
        images = [f"{scratch}/images.npz"]
        subset(a.images[0], images[0])
    out = pathlib.Path(a.out or scratch) / "tuned"
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([a.scry, "train", "--init", a.init, "--minutes", str(a.minutes), "--threads",
                    str(a.threads), "--seed", str(a.seed), *images, str(out)], check=True)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
before, last = lines[0]["psnr"], lines[-1]
after = max((line["psnr"] for line in lines[1:]), key=lambda psnr: sum(psnr.values()))
used = resource.getrusage(resource.RUSAGE_CHILDREN)
processor = (used.ru_utime + used.ru_stime) / 60
print(f"{last['seen']} crops in {last['minutes']} minutes; {processor:.1f} of processor, "
      f"{used.ru_maxrss >> 10} MiB")
print("sigma   before    after     gain")
for level, value in before.items():
    print(f"{level:>5} {value:8.2f} {after[level]:8.2f} {after[level] - value:+8.2f}")

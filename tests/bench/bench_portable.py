#!/usr/bin/python3
"""A portable build against one for this processor: processor seconds, turns taken in one run.

    bench_portable.py NATIVE PORTABLE [--rounds 5] [--only NAME,...]

NATIVE and PORTABLE are build folders, configured with -DSCRY_NATIVE=ON and without. Each round runs
each task once with either; printed are the least and the median of the seconds of user and system
time of the whole process, and the ratio of native to portable: 1 is as fast, less is slower.
"""
import argparse
import os
import resource
import statistics
import subprocess
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PSF = "airy:na=1.2,wavelength=580,pixel=65"
CAMERA = f"--psf {PSF} --gain 0.5 --offset 100 --read-noise 1.5 --seed 1 --force --quiet"
TASKS = {
    "unet": "{build}/tests/bench/bench_unet {root}/priors/pretrained/microscopy 256 1 8",
    "deblur": "{build}/scry deblur camera.tif out.tif --samples 2 " + CAMERA,
    "richardson-lucy": "{build}/scry deblur camera.tif out.tif --method richardson-lucy " + CAMERA,
    "wiener": "{build}/scry deblur camera.tif out.tif --method wiener " + CAMERA,
    "tikhonov": "{build}/scry deblur camera.tif out.tif --method tikhonov " + CAMERA,
    "tv": "{build}/scry deblur camera.tif out.tif --method tv " + CAMERA,
    "cg-sense": "{build}/scry mri scan.h5 out.h5 --method cg-sense --force --quiet",
    "wavelet": "{build}/scry mri scan.h5 out.h5 --method wavelet --force --quiet",
    "mri tv": "{build}/scry mri scan.h5 out.h5 --method tv --force --quiet",
    "dds": "{build}/scry mri scan.h5 out.h5 --method dds --samples 1 --force --quiet",
}


def measurements(build):
    for line in (
        "simulate --phantom cells --size 256x256 --seed 3 truth.ome.tif",
        f"simulate truth.ome.tif camera.tif --psf {PSF} --photons 100 --gain 0.5 --offset 100 "
        "--read-noise 1.5 --seed 1",
        "kspace simulate full.h5 --size 256x256 --coils 8 --slices 1 --phase 1 --noise 0.01 "
        "--seed 1",
        "kspace undersample full.h5 scan.h5 --pattern equispaced --accel 4 --centre 0.08 --seed 7",
    ):
        subprocess.run([f"{build}/scry", *line.split()], check=True, stdout=subprocess.DEVNULL)


def seconds(task, build):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(TASKS[task].format(build=build, root=ROOT).split(), check=True,
                   stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    p = argparse.ArgumentParser()
    p.add_argument("native", type=os.path.realpath)
    p.add_argument("portable", type=os.path.realpath)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--only", default=",".join(TASKS))
    a = p.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["SCRY_PRIORS"] = f"{ROOT}/priors/pretrained"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        measurements(a.portable)
        for task in a.only.split(","):
            native, portable = [], []
            for _ in range(a.rounds):
                native.append(seconds(task, a.native))
                portable.append(seconds(task, a.portable))
            lines = []
            for pick in (min, statistics.median):
                n, q = pick(native), pick(portable)
                lines.append(f"{n:7.3f} s {q:7.3f} s  {n / q:4.2f}")
            print(f"{task:16s} least {lines[0]}   median {lines[1]}", flush=True)
        os.chdir("/")


if __name__ == "__main__":
    main()

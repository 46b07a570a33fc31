#!/usr/bin/env python3
"""Real files through the default of `scry deblur`, to be looked at.

usage: contact_sheet.py SCRY FOLDER OUT.png [SIGMA] [SIDE]

Of every TIFF and PNG in FOLDER (named below) a SIDE x SIDE part around its busiest place (256;
stacks: their middle plane; colours: as they are) is written, and deblurred with a Gaussian PSF of
SIGMA px (1.5) and nothing else given. A row of OUT.png: input, 20 plain iterations of
Richardson-Lucy, the default, the sd of draws. The root of the intensity is shown, on one scale a
row, so that texture in empty background can be seen. Printed: flux of the output over that of
the input, and texture: the sd of the background (its darkest tenth, smoothed over 5 px) of the
output over that of the input, at most about 1 where nothing is invented."""
import os
import subprocess
import sys
import tempfile

import numpy as np
import tifffile
from PIL import Image, ImageDraw
from scipy import ndimage

NAMES = """cellprofiler_examples/ExampleFly__01_POS002_R.TIF
cellprofiler_examples/ExampleHuman__AS_09125_050116030001_D03f00d0.tif
cellprofiler_examples/ExampleIlluminationCorrection__AS_09047_050428030001_O12f02d2.TIF
cellprofiler_examples/ExampleSpeckles__1-162hrh2ax2.tif
cellprofiler_examples/ExampleTrackObjects__DrosophilaEmbryo_GFPHistone_0000.tif
colicoords/fluorescence__00001.tif
colicoords/brightfield__00001.tif
haase_notebooks/BPAE_actin.tif
haase_notebooks/BPAE_mito.tif
haase_notebooks/IXMtest_A02_s9.tif
haase_notebooks/membrane2d.tif
neubias_training/xy_12bit__saturated_plant.tif
neubias_training/xy_16bit__autophagosomes.tif
neubias_training/xy_16bit__bacteria_cords_thin.tif
neubias_training/xy_8bit__nuclei_very_noisy.tif
neubias_training/xy_8bit__nup.tif
neubias_training/xy_8bit__nuclei_PLK1_control.tif
neubias_training/xy_rgb__cells.tif
neubias_training/xyz_16bit__spots.tif
neubias_training/xyz_8bit__nucleus.tif
skimage/cell.png""".split("\n")


def load(path):
    pixels = np.array(Image.open(path)) if path.endswith("png") else tifffile.imread(path)
    colour = pixels.ndim == 3 and pixels.shape[-1] in (3, 4)
    while pixels.ndim > (3 if colour else 2):
        pixels = pixels[pixels.shape[0] // 2]
    return pixels[..., :3] if colour else pixels


def busiest(pixels, side):
    grey = pixels.mean(-1) if pixels.ndim == 3 else pixels.astype(float)
    ny, nx = grey.shape
    best = max((ndimage.zoom(grey[y:y + side, x:x + side], 1 / 8, order=1).var(), y, x)
               for y in range(0, max(ny - side, 0) + 1, max(side // 2, 1))
               for x in range(0, max(nx - side, 0) + 1, max(side // 2, 1)))
    return pixels[best[1]:best[1] + side, best[2]:best[2] + side]


def richardson_lucy(y, sigma, steps=20):
    y = y.astype(float)
    y = np.maximum(y - np.percentile(y, 1), 0) + 1e-3 * (y.max() - y.min() + 1e-9)
    x = np.full_like(y, y.mean())
    for _ in range(steps):
        ratio = y / np.maximum(ndimage.gaussian_filter(x, sigma, mode="reflect"), 1e-9 * y.max())
        x = x * ndimage.gaussian_filter(ratio, sigma, mode="reflect")
    return x


def each_colour(f, pixels):
    if pixels.ndim == 2:
        return f(pixels)
    return np.stack([f(pixels[..., c]) for c in range(pixels.shape[-1])], -1)


def panel(pixels, low, high, side):
    shown = np.sqrt(np.clip((pixels.astype(float) - low) / (high - low + 1e-9), 0, 1))
    picture = Image.fromarray(np.uint8(255 * shown)).convert("RGB")
    return picture.resize((side, side), Image.NEAREST)


def texture(out, before):
    mean = ndimage.uniform_filter(before.astype(float), 15)
    dark = mean <= np.percentile(mean, 10)
    sd = [np.std(ndimage.uniform_filter(a.astype(float), 5)[dark]) for a in (out, before)]
    return sd[0] / max(sd[1], 1e-9)


def save(rows, side, to):
    sheet = Image.new("RGB", (4 * side, len(rows) * side))
    for j, row in enumerate(rows):
        for i, picture in enumerate(row):
            sheet.paste(picture, (i * side, j * side))
    sheet.save(to)


def run(scry, arguments):
    return subprocess.run([scry, "deblur", *arguments], capture_output=True, text=True)


def main():
    scry, folder, to = sys.argv[1:4]
    sigma = float(sys.argv[4]) if len(sys.argv) > 4 else 1.5
    side = int(sys.argv[5]) if len(sys.argv) > 5 else 256
    rows, work = [], tempfile.mkdtemp()
    psf = ["--psf", "gaussian:sigma=%g" % sigma, "--force", "--seed", "1"]
    for name in NAMES:
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            print(name, "is not there")
            continue
        pixels = busiest(load(path), side)
        given, out, sd = (os.path.join(work, n) for n in ("in.tif", "out.tif", "sd.tif"))
        tifffile.imwrite(given, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
        said = run(scry, [given, out, *psf, "--samples", "4"])
        drawn = run(scry, [given, os.path.join(work, "o.tif"), *psf, "--samples", "4", "--sd", sd])
        if said.returncode:
            print(name, said.stderr.strip()[-300:])
            continue
        restored = tifffile.imread(out)
        spread = tifffile.imread(sd) if not drawn.returncode else np.zeros(pixels.shape)
        plain = each_colour(lambda p: richardson_lucy(p, sigma), pixels) + np.percentile(pixels, 1)
        low, high = np.percentile(pixels, 0.2), np.percentile(restored, 99.8)
        panels = [panel(p, low, high, side) for p in (pixels, plain, restored)]
        rows.append(panels + [panel(spread, 0, np.percentile(spread, 99.8), side)])
        grey = [p.mean(-1) if p.ndim == 3 else p for p in (restored, pixels)]
        line = "%s: flux %.4f, texture %.2f" % (name, restored.sum() / pixels.sum(),
                                                texture(*grey))
        ImageDraw.Draw(rows[-1][0]).text((4, 4), line, fill=(255, 255, 0))
        print(line, flush=True)
        save(rows, side, to)
        for said_line in said.stderr.splitlines():
            if "method:" in said_line or "noise:" in said_line or "psf" in said_line:
                print("    " + said_line[:200], flush=True)


main()

#!/usr/bin/env bash
# A restoration on a fresh machine: installs missing packages, builds, simulates an acquisition
# with a known truth (or takes a TIFF of yours), restores it with the shipped prior and with a
# classical method, and ends with one picture and a table.   usage: bash apps/demo.sh [image.tif]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
SCRY_TARGET=scry bash "$root/apps/setup.sh" "$root/build"
scry=$root/build/scry
out=$root/out/demo
mkdir -p "$out"

if [ $# -ge 1 ]; then
    image=$1
    psf=${SCRY_PSF:-gibson-lanni}
    if ! "$scry" deblur "$image" "$out/restored.tif" --psf "$psf" --samples 8 --sd "$out/sd.tif" \
            --preview "$out/demo.png" --report "$out/run.json" --force 2>"$out/log.txt"; then
        if [ -n "${SCRY_PSF:-}" ] || ! grep -q 'psf gibson-lanni needs' "$out/log.txt"; then
            cat "$out/log.txt" >&2
            exit 1
        fi
        echo "the file does not say enough about its microscope for a computed PSF;"
        echo "taking a Gaussian of 1.5 px. Set SCRY_PSF to a PSF of yours (a TIFF or a model)."
        "$scry" deblur "$image" "$out/restored.tif" --psf gaussian:sigma=1.5 --samples 8 \
            --sd "$out/sd.tif" --preview "$out/demo.png" --report "$out/run.json" --force
    else
        cat "$out/log.txt"
    fi
    echo
    echo "restored   $out/restored.tif"
    echo "sd         $out/sd.tif"
    echo "picture    $out/demo.png"
    exit 0
fi

psf=airy:na=1.2,wavelength=580,pixel=65
camera="--gain 0.5 --offset 100 --read-noise 1.5 --background 2"
echo "== simulate: a cell phantom through a widefield microscope and a 16-bit camera,"
echo "   60 photons at the peak"
"$scry" simulate --phantom cells --size 256x256 --seed 3 --force "$out/truth.ome.tif"
"$scry" simulate "$out/truth.ome.tif" "$out/camera.ome.tif" --psf $psf --photons 40 $camera \
    --seed 1 --force

echo "== restore: the best classical method, then the posterior mean of 8 chains"
"$scry" deblur "$out/camera.ome.tif" "$out/classical.tif" --psf $psf $camera \
    --method richardson-lucy --type float32 --force
"$scry" deblur "$out/camera.ome.tif" "$out/mean.tif" --psf $psf $camera --samples 8 --seed 1 \
    --sd "$out/sd.tif" --report "$out/run.json" --type float32 --force

echo
map='((x-100)*0.5-2)/40'
printf '%-26s %10s %8s\n' "" "PSNR (dB)" "SSIM"
for row in "camera.ome.tif:camera" "classical.tif:Richardson-Lucy" "mean.tif:posterior mean"; do
    "$scry" compare "$out/${row%%:*}" "$out/truth.ome.tif" --map "$map" --range 1 \
        --table "${row#*:}"
done
"$scry" figure "$out/demo.png" "camera=$out/camera.ome.tif" "Richardson-Lucy=$out/classical.tif" \
    "posterior mean=$out/mean.tif" "sd=$out/sd.tif" "error=$out/mean.tif-$out/truth.ome.tif" \
    --map "$map" --force
echo
echo "picture    $out/demo.png"
echo "report     $out/run.json"
echo
echo "next:      bash apps/demo.sh your-image.tif"
echo "           $scry deblur --help"

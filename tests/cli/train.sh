#!/usr/bin/env bash
# `scry train` as a user meets it, with a network small enough for a second.
# usage: train.sh path/to/scry.  Prints one line a check; exit status 1 when one fails.
set -u
scry=$(realpath "$1")
golden=$(realpath "$(dirname "$0")/../golden")
source "$(dirname "$0")/checks.sh"

small="--channels 16,32 --crop 32 --batch 4 --seed 3 --threads 1"
says() { # says NAME PATTERN: on stderr of the last command
    if grep -qiE -e "$2" stderr; then say ok "$1"; else say FAILED "$1: $(tail -2 stderr)"; fi
}
mkdir -p images/cells images/rings
for seed in 1 2 3 4 5; do
    "$scry" simulate --phantom cells --size 96x101 --seed $seed images/cells/$seed.tif || exit 1
done
"$scry" simulate --phantom cells --size 88x88 --seed 9 images/rings/9.tif
printf 'not an image' >images/rings/broken.tif
printf 'neither' >images/rings/notes.txt

works "train on a folder" "$scry" train $small --steps 6 images prior
says "the images are counted" "6 images of 7 files.*1 held out"
says "classes" "cells +4 images"
says "a file left out is named" "left out: images/rings/broken.tif"
says "progress" "6 steps +24 crops"
holds "a prior is there" test -s prior/config.json -a -s prior/prior.json
holds "and the files for resuming" test -s prior/state.safetensors -a -s prior/log.jsonl
works "info" "$scry" info ./prior
works "the prior is one" "$scry" deblur images/cells/1.tif out.tif --psf gaussian:sigma=1 \
    --prior ./prior --samples 1 --steps 2 --quiet
works "again" "$scry" train $small --steps 6 --quiet images again
holds "one seed, one training" cmp -s prior/diffusion_pytorch_model.safetensors \
    again/diffusion_pytorch_model.safetensors
cp -r again once
works "resume" "$scry" train $small --steps 2 --resume images once
says "it goes on" "8 steps +32 crops"
works "init, before it is better" "$scry" train --crop 32 --batch 1 --steps 1 --rate 5000 --quiet \
    --init ./prior images/cells worse
holds "a prior is there all the same" cmp -s prior/diffusion_pytorch_model.safetensors \
    worse/diffusion_pytorch_model.safetensors
works "init" "$scry" train --crop 32 --batch 4 --steps 2 --init ./prior images/cells tuned
works "init from a shipped prior" "$scry" train --crop 32 --batch 2 --steps 1 --quiet \
    --init microscopy "images/cells/[12].tif" shipped
works "drawn structure beside it" "$scry" train $small --synthetic 6 --steps 2 images/cells drawn
says "is a class" "synthetic +5 images"
holds "a table at the end" grep -q "block matching" stdout
says "a forecast" "forecast: .* crops a second"
says "the noise of the images" "noise of the images themselves"
mkdir odd
python3 - <<'EOF' || exit 1
import struct
def tiff(name, n, value):
    rows = b"".join(struct.pack("<f", value(i, j)) for i in range(n) for j in range(n))
    tags = [(256, 3, n), (257, 3, n), (258, 3, 32), (259, 3, 1), (262, 3, 1), (273, 4, 8),
            (277, 3, 1), (278, 3, n), (279, 4, len(rows)), (339, 3, 3)]
    ifd = struct.pack("<H", len(tags))
    ifd += b"".join(struct.pack("<HHII", *t[:2], 1, t[2]) for t in tags)
    open(name, "wb").write(b"II*\0" + struct.pack("<I", 8 + len(rows)) + rows + ifd + b"\0" * 4)
tiff("odd/constant.tif", 40, lambda i, j: 3.0)
tiff("odd/nan.tif", 40, lambda i, j: float("nan") if i == j == 7 else i * .5)
tiff("odd/tiny.tif", 31, lambda i, j: i * j)
EOF
refuses "nothing to train on" 1 "no image of the 0 is left" "$scry" train $small odd out
says "constant" "left out: odd/constant.tif: .*constant"
says "NaN" "left out: odd/nan.tif: .*(NaN|finite)"
says "tiny" "left out: odd/tiny.tif: .*31 x 31"
works "beside them, training" "$scry" train $small --steps 1 --quiet odd images/cells beside
"$scry" train $small --rate 1e30 --steps 40 images wild >stdout 2>stderr
holds "a loss that is not finite: status" test $? = 1
says "the step is named" "step [0-9]+ is not finite"
holds "the last good weights are kept" test -s wild/diffusion_pytorch_model.safetensors
if command -v mpirun >/dev/null; then
    works "3 ranks" env ASAN_OPTIONS=detect_leaks=0 mpirun --allow-run-as-root --oversubscribe \
        -n 3 "$scry" train --channels 16,32 --crop 32 --batch 12 --seed 3 --threads 1 --steps 3 \
        --quiet images three
    works "1 rank" "$scry" train --channels 16,32 --crop 32 --batch 12 --seed 3 --threads 2 \
        --steps 3 --quiet images alone
    holds "the same bytes" cmp -s three/diffusion_pytorch_model.safetensors \
        alone/diffusion_pytorch_model.safetensors
else
    echo "skipped: mpirun is not installed"
fi
works "one image" "$scry" train $small --steps 1 images/cells/1.tif single
says "one image: a warning" "of images that are trained on"
works "arrays" "$scry" train $small --steps 1 "$golden/npy/deflated.npz" images arrays
says "arrays: one that is none is named" "deflated.npz:train/a/one: no image"
works "k-space volumes" "$scry" train $small --crop 16 --steps 1 images "$golden/kspace" volumes

works "flow matching" "$scry" train $small --objective flow --steps 2 --quiet images flow
holds "its scheduler" grep -q FlowMatchEulerDiscreteScheduler flow/scheduler_config.json
works "a sampler on it" "$scry" sample --prior ./flow --size 32x32 --samples 1 --sampler euler \
    --steps 3 --quiet drawn.tif
works "pnp-flow on it" "$scry" deblur images/cells/1.tif flown.tif --psf gaussian:sigma=1 \
    --prior ./flow --method pnp-flow --samples 1 --steps 3 --quiet
refuses "resume with another objective" 1 "another training" "$scry" train $small --steps 1 \
    --resume images flow
refuses "another objective" 1 "'x', expected v or flow" "$scry" train $small --objective x \
    --steps 1 images out

works "classes" "$scry" train $small --classes --steps 8 --quiet images classed
holds "a row each, and one for none" grep -q '"num_class_embeds":.3' classed/config.json
holds "their names" grep -q '"rings"' classed/prior.json
works "sample of a class" "$scry" sample --prior ./classed --class rings --guidance 2 --size 32x32 \
    --samples 1 --steps 3 --quiet ring.tif
works "and of none" "$scry" sample --prior ./classed --size 32x32 --samples 1 --steps 3 --quiet \
    no.tif
holds "they differ" test "$(md5sum <ring.tif)" != "$(md5sum <no.tif)"
works "the class of an image" "$scry" deblur images/cells/1.tif classed.tif --psf gaussian:sigma=1 \
    --prior ./classed --method diffpir --samples 1 --steps 2
says "is recognised" "class: (cells|rings|none)"
works "or given" "$scry" denoise images/cells/1.tif given.tif --sigma .05 --prior ./classed \
    --class cells
"$scry" kspace simulate k.h5 --size 48x40 --coils 2 --accel 2 --quiet || exit 1
works "a slice of a class" "$scry" mri k.h5 class.h5 --method dds --steps 2 --samples 1 \
    --prior ./classed
says "which is recognised" "class: (cells|rings|none)"
works "or given, with its weight" "$scry" mri k.h5 rings.h5 --method dds --steps 2 --samples 1 \
    --prior ./classed --class rings --guidance 1.5 --quiet
refuses "a class that is none" 2 "'dots' is not known.*cells, rings, none" "$scry" denoise \
    images/cells/1.tif x.tif --sigma .05 --prior ./classed --class dots
refuses "a class for a prior without" 2 "knows no classes" "$scry" sample --prior ./prior \
    --size 32x32 --class cells x.tif
works "a prior gains classes" "$scry" train --crop 32 --batch 4 --steps 1 --classes --init ./prior \
    --quiet images gained

# a prior of three channels takes red, green and blue together
python3 - <<'EOF' || exit 1
import struct
def tiff(name, samples):
    ny, nx = 40, 52
    rows = bytes((60 * c + 3 * i + 2 * j + (i * 7 + j * 13 + c * 5) % 23) % 256
                 for i in range(ny) for j in range(nx) for c in range(samples))
    tags = [(256, nx), (257, ny), (258, 8), (259, 1), (262, 2 if samples > 2 else 1), (273, 8),
            (277, samples), (278, ny), (279, len(rows))]
    if samples > 3:
        tags.append((338, 2))
    ifd = struct.pack("<H", len(tags))
    ifd += b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in tags)
    open(name, "wb").write(b"II*\0" + struct.pack("<I", 8 + len(rows)) + rows + ifd + b"\0" * 4)
tiff("rgb.tif", 3)
tiff("rgba.tif", 4)
tiff("grey.tif", 1)
EOF
colour="--prior $golden/unet_formats/wild --class none"
works "colours are trained on as grey" "$scry" train $small --steps 1 images rgb.tif greyed
holds "and that is said" grep -q "1 files in colours" stderr
works "colours" "$scry" denoise rgb.tif rgbo.tif $colour --sigma 8 --type float32 --quiet
works "are colours still" "$scry" info rgbo.tif
holds "all three" grep -qi "rgb" stdout
works "with transparency" "$scry" denoise rgba.tif rgbao.tif $colour --sigma 8 --type float32 \
    --quiet
works "holes in colours" "$scry" inpaint rgb.tif rgbi.tif $colour --mask grey.tif --samples 1 \
    --steps 2 --type float32 --quiet
works "sample in colours" "$scry" sample $colour --size 16x24 --samples 2 --steps 2 --quiet rgbs.tif
refuses "grey for a prior of colours" 1 "1 channels that are no colours" "$scry" denoise grey.tif \
    x.tif $colour --sigma 8
works "blur of colours" "$scry" deblur rgb.tif rgbd.tif $colour --psf gaussian:sigma=1,sigma_z=2 \
    --method diffpir --samples 1 --steps 2 --sigma 8 --type float32 --quiet
works "deblurred colours" "$scry" info rgbd.tif
holds "all three deblurred" grep -qi "rgb" stdout

refuses "no images" 1 "no such file" "$scry" train $small nothing out
refuses "nothing that is one" 1 "no image of the 0 is left" "$scry" train $small \
    images/rings/broken.tif out
refuses "one name" 2 "expected images and OUT" "$scry" train images
refuses "OUT exists" 1 "config.json exists" "$scry" train $small --steps 1 images prior
refuses "no end" 1 "never end" "$scry" train --minutes 0 images out
refuses "a width" 1 "width 24 of level 1" "$scry" train --channels 16,24 --steps 1 images out
refuses "words for widths" 1 "'wide', expected numbers" "$scry" train --channels wide images out
refuses "resume another network" 1 "is 32 x .* there and 48 x" "$scry" train --channels 16,48 \
    --crop 32 --batch 4 --steps 1 --resume images prior
refuses "resume on other images" 1 "of 5 images.*these are 4" "$scry" train $small --steps 1 \
    --resume images/cells prior
refuses "resume nothing" 1 "state.safetensors" "$scry" train $small --steps 1 --resume images out
refuses "a network to start from that cannot be trained" 1 "width 6 of level 0" \
    "$scry" train --crop 32 --steps 1 --init "$golden/unet/attention" images out
# a full disk: the limit on file size stands in for it
cp prior/diffusion_pytorch_model.safetensors before
(ulimit -f 8; trap '' XFSZ; "$scry" train $small --steps 1 --force images prior >stdout 2>stderr)
holds "full disk: status" test $? = 1
holds "full disk: the weights stay" cmp -s before prior/diffusion_pytorch_model.safetensors
(ulimit -f 8; trap '' XFSZ; "$scry" train --channels 16,48 --crop 32 --batch 4 --steps 1 --force \
    images prior >stdout 2>stderr)
works "full disk: another network does not mix with it" "$scry" info ./prior
holds "full disk: nothing else is left" test -z "$(find prior -name '*.part*')"
# signals that arrive inside of a kernel of oneDNN leave the heap alone
"$scry" train $small --steps 300 --minutes 5 images signalled >stdout 2>stderr &
sleep 1
for i in $(seq 100); do kill -ALRM $! 2>/dev/null && sleep .005; done
wait $!
status=$?
holds "signals while it works" test $status = 0 -o $status = 128
# Ctrl-C keeps the best so far
"$scry" train $small --minutes 5 images stopped >stdout 2>stderr &
sleep 2
kill -INT $!
wait $!
holds "interrupt: status" test $? = 130
holds "interrupt: reported" grep -q "stopped after" stdout
holds "interrupt: a prior is there" test -s stopped/diffusion_pytorch_model.safetensors
holds "interrupt: no temporary files" test -z "$(find . -name '*.part*')"

echo "$failures failed"
[ $failures = 0 ]

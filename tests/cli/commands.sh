#!/usr/bin/env bash
# The program as a user meets it: the command lines of the README, and bad input.
# usage: commands.sh path/to/scry.  Prints one line a check; exit status 1 when one fails.
set -u
scry=$(realpath "$1")
tests=$(realpath "$(dirname "$0")/..")
volumes=$(realpath "$(dirname "$0")/../golden/kspace")
source "$(dirname "$0")/checks.sh"

# grey WIDTH HEIGHT COMMAND [COMPRESSION]: an 8-bit TIFF of nine tags; COMMAND prints the pixels
bytes() { # bytes COUNT NUMBER: little-endian
    local i
    for ((i = 0; i < $1; i++)); do printf "\\x$(printf %02x $((($2 >> 8 * i) & 255)))"; done
}
tag() { bytes 2 "$1"; bytes 2 4; bytes 4 1; bytes 4 "$2"; }
grey() {
    printf 'II*\0'
    bytes 4 8
    bytes 2 9
    tag 256 "$1"; tag 257 "$2"; tag 258 8; tag 259 "${4:-1}"; tag 262 1; tag 273 122; tag 277 1
    tag 278 "$2"; tag 279 $(($1 * $2))
    bytes 4 0
    $3
}

fast="--samples 2 --steps 3 --quiet"

# ---- inputs, made by the program itself ----
works "phantom" "$scry" simulate --phantom cells --size 64x72 --seed 3 truth.ome.tif
works "simulate" "$scry" simulate truth.ome.tif noisy.tif --psf gaussian:sigma=1.5 --photons 100 \
    --gain 0.5 --offset 100 --read-noise 1.5 --seed 1
works "small" "$scry" simulate --phantom cells --size 37x53 --seed 4 odd.tif
cp noisy.tif in.tif

# ---- the command lines of the README ----
works "deblur, model psf, camera" "$scry" deblur in.tif a.tif --psf gaussian:sigma=2 --gain 0.5 \
    --offset 100 --read-noise 1.5 --background 2 --method diffpir --prior microscopy --steps 3 \
    --seed 1 --threads 2 --samples 2
works "deblur, richardson-lucy" "$scry" deblur in.tif rl.tif --psf gaussian:sigma=1.5 \
    --method richardson-lucy --iterations 20
works "options without effect" "$scry" deblur in.tif rl2.tif --psf gaussian:sigma=1.5 \
    --method richardson-lucy --iterations 20 --samples 4 --prior mri --quiet
if grep -qx "scry: warning: --prior, --samples have no effect on richardson-lucy" stderr &&
    cmp -s rl.tif rl2.tif; then
    say ok "they are named"
else
    say FAILED "they are named: $(cat stderr)"
fi
works "a count of iterations" "$scry" deblur in.tif n3.tif --psf gaussian:sigma=1.5 \
    --method richardson-lucy --iterations 3 --quiet
works "the same in words" "$scry" deblur in.tif w3.tif --psf gaussian:sigma=1.5 \
    --method richardson-lucy --iterations 3 --stop steps --accelerate biggs --quiet
works "the same in numbers" "$scry" deblur in.tif v3.tif --psf gaussian:sigma=1.5 \
    --method richardson-lucy --iterations 3 --stop 0 --accelerate 1 --quiet
holds "a count alone is exact" cmp -s n3.tif w3.tif
holds "words and numbers agree" cmp -s v3.tif w3.tif
works "deblur, everything noted" "$scry" deblur in.tif b.tif --psf gaussian:sigma=1.5 $fast \
    --sd sd.tif --quantiles q05.tif,q95.tif --report run.json --preview p.png
holds "sd is there" test -s sd.tif
holds "quantiles are there" test -s q05.tif -a -s q95.tif
holds "preview is a PNG" grep -q PNG p.png
for key in seed version weights_sha256 denoise seconds peak_bytes chi2_per_pixel flux_in flux_out \
    clipped_fraction gaussian_start; do
    holds "report has $key" grep -q "\"$key\"" run.json
done
works "denoise" "$scry" denoise in.tif d1.tif --report d1.json --quiet
holds "denoise: in the report" grep -q '"command":.*"denoise"' d1.json
works "denoise, a camera" "$scry" denoise in.tif d2.tif --gain 0.5 --offset 100 --read-noise 1.5
works "denoise, a level" "$scry" denoise odd.tif d3.tif --sigma 0.05 --quiet
works "denoise, estimated by name" "$scry" denoise in.tif d4.tif --sigma auto --quiet
holds "auto is the default" cmp -s d1.tif d4.tif
works "denoise, samples" "$scry" denoise odd.tif d5.tif --sigma 0.05 --sd d5sd.tif --samples 2 \
    --steps 2 --quiet
holds "denoise, sd" test -s d5sd.tif
works "inpaint" "$scry" inpaint odd.tif c.tif --mask odd.tif --method ddnm --seed 1 $fast
works "compare" "$scry" compare b.tif truth.ome.tif --json --map '((x-100)*0.5)/100'
for map in x ' - -x' '2*(x+3)/2-3' '(7e1*x + 2*70)/70-2' 'x*(4-1)/3' '1+x-(2-1)'; do
    works "compare, '$map' is x" "$scry" compare truth.ome.tif truth.ome.tif --map "$map" --tol 1e-6
done
works "compare, error bars" "$scry" compare b.tif truth.ome.tif --map '((x-100)*0.5)/100' \
    --sd sd.tif
holds "coverage is printed" grep -qE 'coverage of 90 % +0\.[0-9]' stdout
share() { grep -oE 'coverage of 90 % .*' stdout | grep -oE '[01]\.[0-9]+'; }
many=$(share)
works "compare, error bars of two chains" "$scry" compare b.tif truth.ome.tif \
    --map '((x-100)*0.5)/100' --sd sd.tif --samples 2
holds "intervals of two chains are wider" \
    awk -v few="$(share)" -v many="$many" 'BEGIN { exit !(few > many) }'
refuses "error bars of one chain" 2 "expected two chains" "$scry" compare b.tif truth.ome.tif \
    --sd sd.tif --samples 1
works "compare with itself" "$scry" compare truth.ome.tif truth.ome.tif --json
works "compare MR volumes" "$scry" compare "$volumes/images.h5" "$volumes/multi.h5" --tol 0
holds "their planes are printed" grep -qE 'planes +3 of 7 x 4' stdout
works "compare, another dataset" "$scry" compare "$volumes/single.h5" "$volumes/multi.h5" \
    --dataset reconstruction_esc --map '2*x' --json
holds "twice the truth is as far as 0" grep -qE '"nmse":[[:space:]]*1,?$' stdout
works "sample" "$scry" sample --prior microscopy --size 32x40 --samples 2 --sampler heun --steps 3 \
    --seed 1 s.tif
works "sample, a trajectory" "$scry" sample --prior microscopy --size 16x24 --samples 1 --steps 3 \
    --quiet --trajectory path.png tr.tif
holds "its figure and its numbers" grep -q '"coarse_to_fine"' path.json
holds "its figure" test -s path.png
refuses "a trajectory that is no PNG" 2 "ends in .png" "$scry" sample --size 16x24 \
    --trajectory path.tif x.tif
refuses "a trajectory that exists" 1 "path" "$scry" sample --size 16x24 --trajectory path.png x.tif
works "sample from a Gaussian" "$scry" sample --prior microscopy --size 32x40 --samples 2 \
    --sampler heun --steps 3 --seed 1 --start gaussian --start-sigma 1.5 t.tif
holds "its start is logged" grep -q '^start: Gaussian model at sigma 1.5, gap 0' stderr
works "info" "$scry" info noisy.tif s.tif gaussian:sigma=2 microscopy
works "methods" "$scry" methods
works "version" "$scry" --version
holds "the version says which instructions run" grep -qE 'inner loops for [a-z0-9]+$' stdout
refuses "instructions that no processor has" 1 "'mmx', expected (baseline|native)" \
    env SCRY_INSTRUCTIONS=mmx "$scry" --version
for c in deblur denoise inpaint simulate compare sample info methods; do
    works "help of $c" "$scry" $c --help
    holds "help of $c names it" grep -q "usage: scry $c" stdout
done
mkdir many
works "several inputs" "$scry" deblur in.tif noisy.tif many/ --psf gaussian:sigma=1.5 $fast \
    --method diffpir
holds "several outputs" test -s many/in.tif -a -s many/noisy.tif
works "a pattern" "$scry" deblur 'n*isy.tif' many/ --psf gaussian:sigma=1.5 $fast \
    --method diffpir --force

# ---- OME-Zarr in place of TIFF ----
rl5="--psf gaussian:sigma=1.5 --method richardson-lucy --iterations 5 --quiet"
works "OME-Zarr to OME-Zarr" "$scry" simulate truth.ome.tif cam.ome.zarr --psf gaussian:sigma=1.5 \
    --photons 100 --seed 1
works "the same to TIFF" "$scry" simulate truth.ome.tif cam.tif --psf gaussian:sigma=1.5 \
    --photons 100 --seed 1
works "deblur, from and to OME-Zarr" "$scry" deblur cam.ome.zarr rl.ome.zarr $rl5 --zarr 3 \
    --residual residual.zarr
works "deblur, TIFF" "$scry" deblur cam.tif rl_of_tif.tif $rl5
works "both are one image" "$scry" compare rl.ome.zarr rl_of_tif.tif
holds "to the last bit" grep -q "NRMSE *0$" stdout
works "info of OME-Zarr" "$scry" info rl.ome.zarr residual.zarr
holds "its format" grep -q "OME-Zarr 0.5 (zarr 3)" stdout
holds "its type" grep -q "uint16" stdout
refuses "OME-Zarr that exists" 1 "rl.ome.zarr exists" "$scry" deblur cam.ome.zarr rl.ome.zarr $rl5
works "OME-Zarr with --force" "$scry" deblur cam.ome.zarr rl.ome.zarr $rl5 --force
refuses "OME-Zarr as both" 2 "both input and output" "$scry" deblur cam.ome.zarr cam.ome.zarr/ \
    $rl5 --force
works "OME-Zarr into a folder" "$scry" deblur cam.ome.zarr many/ $rl5
holds "under its own name" test -e many/cam.ome.zarr/.zattrs
works "a phantom in OME-Zarr" "$scry" simulate --phantom cells --size 64x72 --seed 8 mask.zarr
works "a mask" "$scry" inpaint cam.ome.zarr filled.zarr --mask mask.zarr --samples 2 --steps 2 \
    --quiet
holds "no unfinished folder is left" test -z "$(find . -name '*.part')"

# ---- the same bytes ----
works "one thread" "$scry" deblur in.tif t1.tif --psf gaussian:sigma=1.5 $fast --seed 5 --threads 1
works "four threads" "$scry" deblur in.tif t4.tif --psf gaussian:sigma=1.5 $fast --seed 5 \
    --threads 4
holds "threads do not change the bytes" cmp -s t1.tif t4.tif
works "another seed" "$scry" deblur in.tif t5.tif --psf gaussian:sigma=1.5 $fast --seed 6
holds "the seed does" test "$(cmp -s t1.tif t5.tif; echo $?)" = 1

# ---- windows of a large image leave less of a trace than another seed ----
works "phantom for windows" "$scry" simulate --phantom cells --size 104x72 --seed 5 wide.tif
works "camera for windows" "$scry" simulate wide.tif wide_in.tif --psf gaussian:sigma=1.5 \
    --photons 100 --gain 0.5 --offset 100 --read-noise 1.5 --seed 1 --quiet
d="--psf gaussian:sigma=1.5 --gain 0.5 --offset 100 --read-noise 1.5 --samples 1 --steps 6 --quiet
    --method diffpir"
works "one window" "$scry" deblur wide_in.tif tiled1.tif $d --type float32 --seed 1
works "windows" "$scry" deblur wide_in.tif tiled2.tif $d --type float32 --seed 1 --tile 64
works "one window, another seed" "$scry" deblur wide_in.tif tiled3.tif $d --type float32 --seed 2
mae() { "$scry" compare "$1" "$2" --json | sed -n 's/.*"mae":[^0-9]*\([0-9.e+-]*\).*/\1/p'; }
holds "windows differ" test "$(cmp -s tiled1.tif tiled2.tif; echo $?)" = 1
a=$(mae tiled2.tif tiled1.tif)
b=$(mae tiled3.tif tiled1.tif)
holds "by less than two seeds do ($a < $b)" awk -v a="$a" -v b="$b" 'BEGIN { exit !(a < b) }'
works "measured transforms" env XDG_CACHE_HOME="$here" "$scry" deblur in.tif fm.tif \
    --psf gaussian:sigma=1.5 --method richardson-lucy --fft measure --quiet
holds "wisdom is kept" test -n "$(find scry -type f 2>/dev/null)"

works "one thread, inpaint" "$scry" inpaint odd.tif i1.tif --mask odd.tif $fast --steps 2 \
    --threads 1
works "four threads, inpaint" "$scry" inpaint odd.tif i4.tif --mask odd.tif $fast --steps 2 \
    --threads 4
holds "threads do not change an inpainting" cmp -s i1.tif i4.tif
for m in richardson-lucy wiener tikhonov tv; do
    works "one thread, $m" "$scry" deblur in.tif m1.tif --psf gaussian:sigma=1.5 --method $m \
        --quiet --threads 1 --force
    works "four threads, $m" "$scry" deblur in.tif m4.tif --psf gaussian:sigma=1.5 --method $m \
        --quiet --threads 4 \
        --force
    holds "threads do not change $m" cmp -s m1.tif m4.tif
done

# ---- unusual, and right ----
rl="--psf gaussian:sigma=1.5 --method richardson-lucy --iterations 2 --quiet"
noise() { "$scry" --help | head -c "${1:-400}"; }
grey 20 20 noise >small.tif
grey 1 40 "noise 40" >line.tif
works "a small image" "$scry" deblur small.tif small_out.tif $rl
works "one column, noise given" "$scry" deblur line.tif line_out.tif $rl --sigma 5
works "a figure to read back" "$scry" figure fig.png a=in.tif
mkdir fromPNG
works "a PNG" "$scry" deblur fig.png fromPNG/ $rl --sigma 5
holds "becomes a TIFF" test -s fromPNG/fig.tif
works "a stack of planes" "$scry" simulate --phantom cells --size 3x24x28 --seed 3 stack.ome.tif
works "plane by plane" "$scry" deblur stack.ome.tif planes.tif $rl --sigma 0.01 --report planes.json
holds "as many images as planes" test "$(grep -c '"slice"' planes.json)" = 3
works "as a volume" "$scry" deblur stack.ome.tif volume.tif --psf gaussian:sigma=1.5,sigma_z=1 \
    --method \
    richardson-lucy --iterations 2 --quiet --sigma 0.01 --report volume.json
holds "as one image" test "$(grep -c '"slice"' volume.json)" = 1

works "a larger volume" "$scry" simulate --phantom cells --size 3x150x160 --seed 3 wide.ome.tif
works "that does not fit" "$scry" deblur wide.ome.tif tiles.tif --psf \
    gaussian:sigma=1.5,sigma_z=1 --sigma 0.01 --method richardson-lucy --iterations 2 \
    --memory 0.006 --report tiles.json
holds "is restored in tiles" grep -q "[0-9] tiles of [0-9]* x [0-9]* pixels" stderr
holds "as one image" test "$(grep -c '"slice"' tiles.json)" = 1
works "as well as at once" "$scry" deblur wide.ome.tif whole.tif --psf \
    gaussian:sigma=1.5,sigma_z=1 --sigma 0.01 --method richardson-lucy --iterations 2 --quiet
works "or nearly" "$scry" compare tiles.tif whole.tif --tol 0.05
refuses "a volume that no tile fits" 1 "in the smallest tiles, 80 x 80 pixels" \
    "$scry" deblur wide.ome.tif x.tif --psf gaussian:sigma=1.5,sigma_z=1 --sigma 0.01 \
    --method richardson-lucy --memory 0.0022
works "within a time" "$scry" deblur stack.ome.tif x.tif --psf gaussian:sigma=1.5,sigma_z=1 \
    --sigma 0.01 --method richardson-lucy --iterations 2 --quiet --time 1
rm x.tif

works "a psf of twice the planes of the image, less one" "$scry" deblur stack.ome.tif tall.tif \
    --psf gaussian:sigma=1.5,sigma_z=1,size_z=5 --sigma 0.01 --method richardson-lucy \
    --iterations 2 --quiet
refuses "a psf of more planes" 1 "psf of 7 .* at most 5" "$scry" deblur stack.ome.tif x.tif \
    --psf gaussian:sigma=1.5,sigma_z=1,size_z=7 --sigma 0.01 --method richardson-lucy
works "a measured psf of too many planes" "$scry" simulate --phantom cells --size 9x24x28 \
    --seed 9 deep.tif
works "is cut on demand" "$scry" deblur stack.ome.tif cut.tif --psf deep.tif --crop-psf \
    --sigma 0.01 --method richardson-lucy --iterations 2 --quiet
holds "and the loss is logged" grep -q "psf cut from .* leaves out" stderr
works "a result beyond its type" "$scry" deblur in.tif narrow.tif $rl --type int8
holds "says how much was clipped" grep -q "narrow.tif: .* clipped to the range of int8" stderr

works "a psf as wide as the image says" "$scry" deblur in.tif wide_psf.tif --psf \
    gaussian:sigma=auto --method richardson-lucy --iterations 2 --report width.json
holds "its width is logged" grep -q "^PSF width" stderr
holds "and in the report" grep -q '"psf_width"' width.json
works "a factor" "$scry" deblur in.tif factor.tif $rl --psf-width 1.2

# ---- bad input ----
echo "not an image" >text.tif
head -c 300 noisy.tif >cut.tif
: >empty.tif
d="--psf gaussian:sigma=1.5"
zeros() { head -c 1024 /dev/zero; }
grey 32 32 zeros >constant.tif
grey 0 32 true >nothing.tif
grey 32 32 zeros 34712 >jpeg2000.tif
cp truth.ome.tif nan.tif # one of its floats becomes a NaN
printf '\x00\x00\xc0\x7f' | dd of=nan.tif bs=4 seek=1250 conv=notrunc 2>/dev/null
cp truth.ome.tif nans.tif # all of them do
printf '\x00\x00\xc0\x7f%.0s' $(seq 4608) | dd of=nans.tif bs=4 seek=2 conv=notrunc 2>/dev/null
cp stack.ome.tif half.tif # and so do those of a plane of this one
printf '\x00\x00\xc0\x7f%.0s' $(seq 672) | dd of=half.tif bs=4 seek=674 conv=notrunc 2>/dev/null
printf '\xff\xd8\xff\xe0 and so on' >photo.jpg
mkdir folder.zarr z.zarr && echo '{"zarr_format":2}' >z.zarr/.zgroup
refuses "no command" 2 "usage" "$scry"
refuses "unknown command" 2 "'deblurr' is not a command" "$scry" deblurr
refuses "unknown option" 2 "frobnicate" "$scry" deblur in.tif x.tif $d --frobnicate
refuses "not a number" 2 "'lots'" "$scry" deblur in.tif x.tif $d --gain lots
refuses "no psf" 2 "psf is missing" "$scry" deblur in.tif x.tif
refuses "one file" 2 "expected an input and an output" "$scry" deblur in.tif $d
refuses "missing file" 1 "nowhere.tif" "$scry" deblur nowhere.tif x.tif $d
refuses "text" 1 "text.tif" "$scry" deblur text.tif x.tif $d
refuses "empty file" 1 "empty.tif" "$scry" deblur empty.tif x.tif $d
refuses "constant image" 1 "constant.tif: all pixels are equal \(0\)" "$scry" denoise constant.tif \
    x.tif
refuses "constant psf" 1 "constant.tif.*1024 values equal 0" "$scry" deblur in.tif x.tif --psf \
    constant.tif $fast
refuses "zero width" 1 "nothing.tif.*size is zero" "$scry" deblur nothing.tif x.tif $d
refuses "a codec that is not there" 1 "jpeg2000.tif.*(JPEG ?2000|34712)" "$scry" deblur \
    jpeg2000.tif x.tif $d
works "a NaN is not measured" "$scry" deblur nan.tif nan_out.tif --psf gaussian:sigma=1.5 --sigma \
    0.01 --method richardson-lucy --iterations 2
holds "and said so" grep -q "not measured: 1 of 4608 pixels" stderr
works "NaN stays NaN" "$scry" info nan_out.tif
holds "one of them" grep -qE "values .*, 1 NaN or infinite" stdout
works "a NaN is filled" "$scry" inpaint nan.tif filled.tif --samples 2 --steps 2 --quiet
works "then there is none" "$scry" info filled.tif
holds "indeed" grep -qE "values .*, 0 NaN or infinite" stdout
works "info of NaN" "$scry" info nans.tif
holds "has no value" grep -q "no finite value, 4608 NaN or infinite" stdout
refuses "an image of NaN" 1 "nans.tif: no finite value: all 4608 pixels" "$scry" deblur nans.tif \
    x.tif $d
refuses "a NaN plane for integers" 1 "half.tif.*slice 1.*672 NaN.*float32 can" "$scry" deblur \
    half.tif x.tif $d --sigma 0.1 --type uint16
refuses "no hole to fill" 1 "in.tif: nothing to fill: --mask is missing" "$scry" inpaint in.tif \
    x.tif
refuses "no such image" 1 "in.tif: 1 image in the file.*no number 2" "$scry" deblur in.tif x.tif \
    $d --series 2
refuses "negative series" 2 "series -1" "$scry" deblur in.tif x.tif $d --series -1
refuses "a zarr group that is no image" 1 "z.zarr: a zarr group without .multiscales" "$scry" \
    deblur z.zarr x.tif $d
refuses "info of it" 1 "a zarr group without .multiscales" "$scry" info z.zarr
refuses "a zarr format of the future" 2 "zarr 4, expected 2 or 3" "$scry" deblur in.tif x.zarr $d \
    --zarr 4
refuses "LZW in OME-Zarr" 1 "LZW in OME-Zarr" "$scry" deblur in.tif x.zarr --psf \
    gaussian:sigma=1.5 --method richardson-lucy --iterations 2 --compress lzw
refuses "another folder, with force" 2 "is a folder, and no OME-Zarr that can" "$scry" deblur \
    in.tif folder.zarr $d --force
refuses "another format" 1 "photo.jpg is a JPEG" "$scry" deblur photo.jpg x.tif $d
refuses "a result in PNG" 2 "x.png: results are written as TIFF" "$scry" deblur in.tif x.png $d
refuses "too small for its noise" 1 "line.tif: 40 x 1 pixels are too few.*--sigma" "$scry" deblur \
    line.tif x.tif $d
refuses "too much noise" 1 "sd 1e\+12, expected less" "$scry" deblur in.tif x.tif $d --sigma 1e12
refuses "too dark" 1 "offset 1e\+06 ADU is above" "$scry" deblur in.tif x.tif $d --gain 1 \
    --offset 1e6
refuses "background above all" 1 "background 1e\+06 is above" "$scry" deblur in.tif x.tif $d \
    --background 1e6
refuses "range upside down" 2 "range '5,1'" "$scry" deblur in.tif x.tif $d --range 5,1
grey 53 37 "head -c 1961 /dev/zero" >none.tif
refuses "mask of nothing" 1 "none.tif: no pixel of 1961 is known" "$scry" inpaint odd.tif x.tif \
    --mask none.tif
refuses "truncated" 1 "cut.tif" "$scry" deblur cut.tif x.tif $d
refuses "existing output" 1 "exists.*force" "$scry" deblur in.tif noisy.tif $d
refuses "output is input" 2 "both input and output" "$scry" deblur in.tif in.tif $d --force
refuses "no such folder" 1 "no folder" "$scry" deblur in.tif nowhere/x.tif $d
refuses "unknown method" 2 "'magic'" "$scry" deblur in.tif x.tif $d --method magic
refuses "misspelled psf model" 2 "gausian.*did you mean .gaussian" "$scry" deblur in.tif x.tif \
    --psf gausian:sigma=2
refuses "no such psf file" 1 "psf.tif: No such file" "$scry" deblur in.tif x.tif --psf psf.tif
refuses "a width of letters" 2 "psf-width 'lots', expected auto or a factor" "$scry" deblur in.tif \
    x.tif $d --psf-width lots
refuses "no beads" 1 "none.tif: no bead" "$scry" deblur in.tif x.tif --psf beads:none.tif
refuses "a width without an image" 1 "sigma=auto: there is no image yet" "$scry" simulate \
    truth.ome.tif x.tif --psf gaussian:sigma=auto --photons 10
refuses "unknown psf key" 2 "sigmo.*did you mean .sigma" "$scry" deblur in.tif x.tif --psf \
    gaussian:sigmo=2
refuses "psf needs the optics" 1 "na|wavelength" "$scry" deblur in.tif x.tif --psf gibson-lanni
works "a large image" "$scry" simulate --phantom cells --size 140x72 --seed 4 large.tif
refuses "psf larger than the image" 1 "psf is .* expected at most 73" "$scry" deblur odd.tif x.tif \
    --psf large.tif
refuses "negative gain" 2 "gain -1" "$scry" deblur in.tif x.tif $d --gain -1
refuses "no sigma" 2 "sigma 0, expected more than 0" "$scry" deblur in.tif x.tif $d --sigma 0
refuses "negative sigma" 2 "sigma -1" "$scry" deblur in.tif x.tif $d --sigma -1
refuses "two noise models" 2 "two noise models" "$scry" deblur in.tif x.tif $d --sigma 1 --gain 1
refuses "not a word" 2 "'never', expected one of .*frc" "$scry" deblur \
    in.tif x.tif $d --method richardson-lucy --stop never
refuses "not for this method" 2 "expected one of discrepancy, holdout" "$scry" deblur in.tif x.tif \
    $d --method tikhonov --stop frc
refuses "no steps" 2 "steps" "$scry" deblur in.tif x.tif $d --steps 0
refuses "sd of one chain" 2 "sd needs 2 draws or more, --samples 1 gives 1" "$scry" deblur in.tif \
    x.tif $d --samples 1 --sd y.tif
refuses "a level of nothing" 2 "--sigma .0., expected a number above 0" "$scry" denoise in.tif \
    x.tif --sigma 0
refuses "no mask to denoise" 2 "mask" "$scry" denoise in.tif x.tif --mask odd.tif
refuses "a blur to denoise with" 1 "expected the image itself" "$scry" deblur in.tif x.tif \
    --psf gaussian:sigma=1 --method denoiser
refuses "mask of another shape" 1 "mask of 64 x 72" "$scry" inpaint odd.tif x.tif \
    --mask truth.ome.tif
refuses "unknown prior" 2 "prior 'tea-leaves'" "$scry" deblur in.tif x.tif $d --prior tea-leaves
refuses "ddnm needs an SVD" 1 "ddnm.*singular" "$scry" deblur in.tif x.tif $d --method ddnm \
    --defects none
holds "and fitting methods" grep -q "would serve here: diffpir.*mmps.*richardson-lucy" stderr
map() { # map EXPRESSION PATTERN: refused in these words
    refuses "a map that is no map: ${1:0:20}" 2 "$2" "$scry" compare in.tif truth.ome.tif --map "$1"
}
map 'x*x' "'x\*x' at column 4: x \* x"
map '2*(x+1)*x' "x \* x"
map '1/x' "division by x"
map 'x/0' "division by 0"
map 'x/(1-1)' "division by 0"
map 'y+1' "column 1: not a number"
map 'x 2' "column 3"
map '(x' "missing '\)'"
map 'x)' "column 2"
map 'x+' "ends too soon"
map '' "ends too soon|empty"
map 'nan*x' "not a number"
map 'x*1e999' "not a number"
map "$(printf '%0100000d' 0 | tr 0 '(')x" "more than 64"
refuses "shapes differ" 1 "64 x 72" "$scry" compare odd.tif truth.ome.tif
refuses "a volume and an image" 2 "two volumes" "$scry" compare "$volumes/images.h5" odd.tif
refuses "error bars of a volume" 2 "not for MR" "$scry" compare "$volumes/images.h5" \
    "$volumes/multi.h5" --sd odd.tif
refuses "k-space without an image" 1 "reconstruction_rss" "$scry" compare "$volumes/plain2.h5" \
    "$volumes/multi.h5"
prior=$(dirname "$scry")/../priors/pretrained/microscopy
if [ -d "$prior" ]; then
    cp -r "$prior" broken
    head -c 1000 "$prior/diffusion_pytorch_model.safetensors" \
        >broken/diffusion_pytorch_model.safetensors
    variant() { # variant NAME SED-SCRIPT: the prior with another config.json
        mkdir "$1" && ln -s "$prior"/* "$1"/ && rm "$1/config.json" && sed "$2" \
            "$prior/config.json" >"$1/config.json"
    }
    variant misses 's/"layers_per_block": 1/"layers_per_block": 3/'
    variant colour 's/_channels": 4/_channels": 8/'
    variant cubic 's/UNet2DModel/UNet3DModel/'
    refuses "a missing tensor" 1 "tensor down_blocks.*missing" "$scry" deblur in.tif x.tif $d \
        --prior misses
    refuses "a misshapen tensor" 1 "conv_in.weight is 64 x 4 x 3 x 3.*64 x 8" "$scry" deblur \
        in.tif x.tif $d \
        --prior colour
    refuses "another network" 1 "UNet3DModel" "$scry" deblur in.tif x.tif $d --prior cubic
    refuses "truncated weights" 1 "safetensors" "$scry" deblur in.tif x.tif $d --prior broken
fi
if [ "$(id -u)" != 0 ]; then
    mkdir locked && chmod a-w locked
    refuses "folder that cannot be written" 1 "locked" "$scry" deblur in.tif locked/x.tif $d
fi
# a full disk: the limit on file size stands in for it
(ulimit -f 8; trap '' XFSZ; "$scry" deblur in.tif full.tif $d $fast --type float32 >stdout 2>stderr)
holds "full disk: status" test $? = 1
holds "full disk: nothing left" test ! -e full.tif
# Ctrl-C half way
"$scry" deblur in.tif stopped.tif $d --samples 64 --steps 400 --quiet >stdout 2>stderr &
sleep 2
kill -INT $!
wait $!
holds "interrupt: status" test $? = 130
holds "interrupt: nothing left" test ! -e stopped.tif
holds "interrupt: no temporary files" test -z "$(ls -A | grep -e part)"

# ---- k-space ----
cp "$tests"/golden/cfl/counted.* .
works "kspace info" "$scry" kspace info counted.cfl
holds "info prints the matrix" grep -q '4 x 3 (y, x), readout along x' stdout
holds "info prints the sampling" grep -q 'acceleration 1 (4 of 4 lines)' stdout
works "kspace convert to fastMRI" "$scry" kspace convert counted.cfl counted.h5
works "kspace convert to ISMRMRD" "$scry" kspace convert counted.h5 counted.mrd
works "kspace convert back" "$scry" kspace convert counted.mrd back.cfl
holds "conversions keep the samples" cmp counted.cfl back.cfl
works "kspace info, all formats" "$scry" kspace info counted counted.h5 counted.mrd
for c in "" info convert; do works "help of kspace $c" "$scry" kspace $c --help; done
refuses "kspace, no subcommand" 2 "usage" "$scry" kspace
refuses "kspace, unknown subcommand" 2 "expected one of" "$scry" kspace nonsense
refuses "kspace, output is there" 1 "back.cfl exists; --force" "$scry" kspace convert counted.h5 \
    back.cfl
refuses "kspace, unknown ending" 2 ".mrd, .cfl or .npy" "$scry" kspace convert counted.h5 x.tif
refuses "kspace, unknown format" 2 "one of fastmri, ismrmrd, cfl" "$scry" kspace convert \
    counted.h5 x.h5 --format nonsense
head -c 100 counted.cfl >short.cfl
cp counted.hdr short.hdr
refuses "kspace, truncated" 1 "100 bytes, expected 192 for 3 x 4 x 1 x 2" "$scry" kspace info \
    short.cfl
refuses "kspace, not k-space" 1 "neither HDF5" "$scry" kspace info truth.ome.tif

echo "$failures failed"
[ $failures = 0 ]

#!/usr/bin/env bash
# The files of a restoration beside the image, and the sample type of the image.
# usage: output_files.sh path/to/scry.  Prints one line a check; exit status 1 when one fails.
set -u
scry=$(realpath "$1")
page_check=$(realpath "$(dirname "$0")/page_check.py")
source "$(dirname "$0")/checks.sh"
export OMP_NUM_THREADS=1

p="--psf gaussian:sigma=1.5 --psf-width 1"
rl="$p --method richardson-lucy --iterations 10"
camera="--gain 0.5 --offset 100 --read-noise 1.5"

works "phantom" "$scry" simulate --phantom cells --size 64x72 --seed 3 truth.ome.tif
works "camera" "$scry" simulate truth.ome.tif camera.tif --psf gaussian:sigma=1.5 --photons 300 \
    $camera --seed 1
works "a dim one without offset" "$scry" simulate truth.ome.tif dim.tif \
    --psf gaussian:sigma=1.5 --photons 8 --gain 1 --offset 0 --read-noise 0.5 --seed 1

# ---- the residual ----
works "residual" "$scry" deblur camera.tif a.tif $rl $camera --residual r.tif
works "info" "$scry" info r.tif
holds "it is float32, in the shape of the image" grep -qE "72 x 64|64 x 72|float32" stdout
works "statistics" "$scry" compare r.tif r.tif
refuses "it exists" 1 "r.tif.*exists" "$scry" deblur camera.tif b.tif $rl $camera --residual r.tif
refuses "the name of the result" 2 "r2.tif" "$scry" deblur camera.tif r2.tif $rl $camera \
    --residual r2.tif
works "of a denoiser" "$scry" denoise camera.tif d.tif $camera --residual rd.tif
works "of filled holes" "$scry" inpaint camera.tif i.tif --mask truth.ome.tif \
    --method biharmonic --residual ri.tif

# ---- sample types ----
works "a camera's type is kept" "$scry" info a.tif
holds "as uint16" grep -q uint16 stdout
works "few counts" "$scry" deblur dim.tif wide.tif $rl --report wide.json
flux() { # flux FILE LIMIT: the sample type changes it by less than that
    tr ',' '\n' <"$1" | awk -F: -v limit="$2" '/flux_change_by_type/ { d = $2; seen = 1 }
        END { exit !(seen && d < limit && d > -limit) }'
}
holds "and keep their flux" flux wide.json 0.005
holds "are said to be written as float32" grep -q "wide.tif: written as float32: as uint16" stderr
holds "and the risk was logged before" grep -q "dim.tif: .* at 0 .* the ends of uint16" stderr
works "float32" "$scry" info wide.tif
holds "they are" grep -q float32 stdout
works "a type that is asked for" "$scry" deblur dim.tif kept.tif $rl --type uint16 \
    --report kept.json
holds "changes it" test "$(flux kept.json 0.005 && echo no)" = ""
holds "wins, and its cost is logged" grep -q "kept.tif: .* the flux changes by" stderr
works "uint16" "$scry" info kept.tif
holds "it is" grep -q uint16 stdout
holds "nothing else is left" test "$(ls | grep -c part)" = 0

# ---- images that cannot be improved ----
bytes() { # bytes COUNT NUMBER: little-endian
    local i
    for ((i = 0; i < $1; i++)); do printf "\\x$(printf %02x $((($2 >> 8 * i) & 255)))"; done
}
tag() { bytes 2 "$1"; bytes 2 4; bytes 4 1; bytes 4 "$2"; }
grey() { # grey SIDE < pixels: an 8-bit TIFF
    printf 'II*\0'
    bytes 4 8
    bytes 2 9
    tag 256 "$1"; tag 257 "$1"; tag 258 8; tag 259 1; tag 262 1; tag 273 122; tag 277 1
    tag 278 "$1"; tag 279 $(($1 * $1))
    bytes 4 0
    cat
}
awk 'BEGIN { srand(5); for (i = 0; i < 4096; i++)
    printf "%c", 40 + 20 * (rand() + rand() + rand() + rand()) }' | grey 64 >noise.tif
head -c 4096 /dev/zero | tr '\0' 7 | grey 64 >constant.tif
works "noise" "$scry" deblur noise.tif n.tif $p --report n.json --sd nsd.tif
holds "says why it is left as it is" \
    grep -q "noise.tif is returned unchanged: nothing stands" stderr
holds "the report says it" grep -q '"verdict":.*"only noise"' n.json
works "the same pixels" "$scry" compare n.tif noise.tif --tol 0
works "constant" "$scry" deblur constant.tif c.tif $p
holds "is handed on" grep -q "is constant and is handed on" stderr
works "the same constant" "$scry" compare c.tif constant.tif --range 1 --tol 0
works "a psf that is far too wide" "$scry" deblur camera.tif w.tif \
    --psf gaussian:sigma=6 --psf-width 1 --report w.json
holds "is said to be" grep -q "is returned unchanged: the image is sharper than the psf" stderr
works "unchanged" "$scry" compare w.tif camera.tif --tol 0

# ---- the report as a page ----
page() { # page NAME FILE words...: well formed; without a word of complaint in a browser
    local name=$1 file=$2
    shift 2
    if command -v python3 >/dev/null; then
        works "$name is well formed" python3 "$page_check" "$file" "$@"
    fi
    command -v chromium >/dev/null || return 0
    timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$here/chromium" \
        --enable-logging=stderr --dump-dom "file://$here/$file" >dom 2>complaints
    holds "$name opens in a browser" grep -q "</html>" dom
    holds "and is not complained about" test "$(grep -c CONSOLE complaints)" = 0
    rm -rf chromium dom complaints
}
command -v chromium >/dev/null || echo "skipped: chromium is not there to open pages"
odd='a <b> & "c'"'"'s.tif'
cp camera.tif "$odd"
works "page" "$scry" deblur "$odd" p.tif $p $camera --prior microscopy --report p.html
page "the page" p.html "$odd" "How the method was chosen" "Power spectra" "Residual" \
    "All settings and figures" "--report"
refuses "it exists" 1 "p.html.*exists" "$scry" deblur camera.tif p2.tif $rl --report p.html
works "volume" "$scry" simulate --phantom cells --size 6x40x44 --seed 3 volume.tif
stack="--psf gaussian:sigma=1,sigma_z=1 --sigma 0.02 --method diffpir --steps 2 --samples 2"
works "page of a volume, with an sd" "$scry" deblur volume.tif v.tif $stack --sd vsd.tif \
    --report v.html
page "of a volume" v.html "from the side" "Standard deviation of the draws" "PSF along z"
mkdir many
works "page of two files" "$scry" deblur camera.tif dim.tif many $rl --report m.html
page "of two files" m.html "camera.tif" "dim.tif"
works "page of noise" "$scry" deblur noise.tif n2.tif $p --report n.html
page "of noise" n.html "Returned unchanged."
works "scan" "$scry" kspace simulate full.h5 --size 48x40 --coils 2 --noise 0.01 --seed 2
works "page of a scan" "$scry" mri full.h5 mr.h5 --report mr.html
page "of a scan" mr.html "full.h5" "Zero-filled" "Power spectra"
works "page of a denoiser" "$scry" denoise camera.tif d2.tif $camera --report d.html
page "of a denoiser" d.html "denoiser"

[ "$failures" = 0 ]

#!/usr/bin/env bash
# The program as a user meets it: the command lines of the README, and bad input.
# usage: commands.sh path/to/scry.  Prints one line a check; exit status 1 when one fails.
set -u
scry=$(realpath "$1")
here=$(mktemp -d)
trap 'chmod -R u+w "$here"; rm -rf "$here"' EXIT
cd "$here" || exit 1
failures=0

say() {
    [ "$1" = ok ] || failures=$((failures + 1))
    echo "$1: $2"
}
# works NAME command...: status 0
works() {
    local name=$1
    shift
    if "$@" >stdout 2>stderr; then say ok "$name"; else
        say FAILED "$name: status $?"
        tail -3 stderr
    fi
}
# what is in the folder, but for the two files above
contents() {
    ls -A | grep -v -e '^stdout$' -e '^stderr$' | sort | xargs -d '\n' sha256sum 2>/dev/null
}
# refuses NAME STATUS PATTERN command...: this status, these words on stderr, nothing new in the
# folder
refuses() {
    local name=$1 status=$2 pattern=$3 before after got
    shift 3
    before=$(contents)
    timeout 60 "$@" >stdout 2>stderr
    got=$?
    after=$(contents)
    if [ $got -ne "$status" ]; then
        say FAILED "$name: status $got, expected $status"
        tail -3 stderr
    elif ! grep -qiE -e "$pattern" stderr; then
        say FAILED "$name: said '$(tail -1 stderr)', expected /$pattern/"
    elif [ "$before" != "$after" ]; then
        say FAILED "$name: files appeared or changed"
    else
        say ok "$name"
    fi
}
holds() { # holds NAME test-words...
    local name=$1
    shift
    if "$@"; then say ok "$name"; else say FAILED "$name: $*"; fi
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
    clipped_fraction; do
    holds "report has $key" grep -q "\"$key\"" run.json
done
works "inpaint" "$scry" inpaint odd.tif c.tif --mask odd.tif --method ddnm --seed 1 $fast
works "compare" "$scry" compare b.tif truth.ome.tif --json --map '((x-100)*0.5)/100'
works "compare with itself" "$scry" compare truth.ome.tif truth.ome.tif --json
works "sample" "$scry" sample --prior microscopy --size 32x40 --samples 2 --sampler heun --steps 3 \
    --seed 1 s.tif
works "info" "$scry" info noisy.tif s.tif gaussian:sigma=2 microscopy
works "methods" "$scry" methods
works "version" "$scry" --version
for c in deblur inpaint simulate compare sample info methods; do
    works "help of $c" "$scry" $c --help
    holds "help of $c names it" grep -q "usage: scry $c" stdout
done
mkdir many
works "several inputs" "$scry" deblur in.tif noisy.tif many/ --psf gaussian:sigma=1.5 $fast
holds "several outputs" test -s many/in.tif -a -s many/noisy.tif
works "a pattern" "$scry" deblur 'n*isy.tif' many/ --psf gaussian:sigma=1.5 $fast --force

# ---- the same bytes ----
works "one thread" "$scry" deblur in.tif t1.tif --psf gaussian:sigma=1.5 $fast --seed 5 --threads 1
works "four threads" "$scry" deblur in.tif t4.tif --psf gaussian:sigma=1.5 $fast --seed 5 \
    --threads 4
holds "threads do not change the bytes" cmp -s t1.tif t4.tif
works "another seed" "$scry" deblur in.tif t5.tif --psf gaussian:sigma=1.5 $fast --seed 6
holds "the seed does" test "$(cmp -s t1.tif t5.tif; echo $?)" = 1

# ---- bad input ----
echo "not an image" >text.tif
head -c 300 noisy.tif >cut.tif
: >empty.tif
d="--psf gaussian:sigma=1.5"
refuses "no command" 2 "usage" "$scry"
refuses "unknown command" 2 "'deblurr' is not a command" "$scry" deblurr
refuses "unknown option" 2 "frobnicate" "$scry" deblur in.tif x.tif $d --frobnicate
refuses "not a number" 2 "'lots'" "$scry" deblur in.tif x.tif $d --gain lots
refuses "no psf" 2 "psf is missing" "$scry" deblur in.tif x.tif
refuses "no mask" 2 "mask is missing" "$scry" inpaint in.tif x.tif
refuses "one file" 2 "expected an input and an output" "$scry" deblur in.tif $d
refuses "missing file" 1 "nowhere.tif" "$scry" deblur nowhere.tif x.tif $d
refuses "text" 1 "text.tif" "$scry" deblur text.tif x.tif $d
refuses "empty file" 1 "empty.tif" "$scry" deblur empty.tif x.tif $d
refuses "truncated" 1 "cut.tif" "$scry" deblur cut.tif x.tif $d
refuses "existing output" 1 "exists.*force" "$scry" deblur in.tif noisy.tif $d
refuses "output is input" 2 "both input and output" "$scry" deblur in.tif in.tif $d --force
refuses "no such folder" 1 "no folder" "$scry" deblur in.tif nowhere/x.tif $d
refuses "unknown method" 2 "'magic'" "$scry" deblur in.tif x.tif $d --method magic
refuses "unknown psf key" 2 "sigmo" "$scry" deblur in.tif x.tif --psf gaussian:sigmo=2
refuses "psf needs the optics" 1 "na|wavelength" "$scry" deblur in.tif x.tif --psf gibson-lanni
refuses "psf larger than the image" 1 "psf" "$scry" deblur odd.tif x.tif --psf truth.ome.tif
refuses "negative gain" 2 "gain -1" "$scry" deblur in.tif x.tif $d --gain -1
refuses "negative sigma" 2 "sigma -1" "$scry" deblur in.tif x.tif $d --sigma -1
refuses "two noise models" 2 "two noise models" "$scry" deblur in.tif x.tif $d --sigma 1 --gain 1
refuses "not a word" 2 "'never', expected one of steps, discrepancy, holdout" "$scry" deblur \
    in.tif x.tif $d --method richardson-lucy --stop never
refuses "not for this method" 2 "expected steps, discrepancy, holdout" "$scry" deblur in.tif x.tif \
    $d --method richardson-lucy --stop frc
refuses "no steps" 2 "steps" "$scry" deblur in.tif x.tif $d --steps 0
refuses "sd of one chain" 2 "two chains" "$scry" deblur in.tif x.tif $d --samples 1 --sd y.tif
refuses "mask of another shape" 1 "mask of 64 x 72" "$scry" inpaint odd.tif x.tif \
    --mask truth.ome.tif
refuses "unknown prior" 2 "prior 'tea-leaves'" "$scry" deblur in.tif x.tif $d --prior tea-leaves
refuses "ddnm needs an SVD" 1 "ddnm.*singular" "$scry" deblur in.tif x.tif $d --method ddnm \
    --defects none
refuses "a map that is no map" 2 "x \* x" "$scry" compare in.tif truth.ome.tif --map 'x*x'
refuses "shapes differ" 1 "64 x 72" "$scry" compare odd.tif truth.ome.tif
prior=$(dirname "$scry")/../priors/pretrained/microscopy
if [ -d "$prior" ]; then
    cp -r "$prior" broken
    head -c 1000 "$prior/diffusion_pytorch_model.safetensors" \
        >broken/diffusion_pytorch_model.safetensors
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
holds "interrupt: status" test $? = 1
holds "interrupt: nothing left" test ! -e stopped.tif
holds "interrupt: no temporary files" test -z "$(ls -A | grep -i tmp)"

echo "$failures failed"
[ $failures = 0 ]

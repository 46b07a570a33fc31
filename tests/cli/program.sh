#!/usr/bin/env bash
# The program as a process: its text is written, signals end it, it leaves nothing behind and
# replaces nothing but files.
# usage: program.sh path/to/scry path/to/stubborn.  Prints one line a check; exit status 1 when one
# fails.
set -u
scry=$(realpath "$1")
stubborn=$(realpath "$2")
source "$(dirname "$0")/checks.sh"

parts() { find . -name '.*.part*' | sort; }
nothing_left() { holds "$1: nothing left" test -z "$(parts)$(ls | grep "^$2")"; }

works "input" "$scry" simulate --phantom cells --size 48x56 --seed 3 in.tif --quiet
works "volume" "$scry" kspace simulate --size 32x32 --coils 2 in.h5 --quiet

# ---- the printed text is written ----
full() { # full NAME command...: standard output is a full disk
    local name=$1
    shift
    "$@" >/dev/full 2>stderr
    holds "full disk, $name: status" test $? = 1
    holds "full disk, $name: said" grep -q 'standard output: No space left on device' stderr
}
full help "$scry" --help
full version "$scry" --version
full methods "$scry" methods
full info "$scry" info in.tif
full "kspace info" "$scry" kspace info in.h5
full compare "$scry" compare in.tif in.tif
for c in $("$scry" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    full "help of $c" "$scry" "$c" --help
done
"$scry" methods >&- 2>stderr
holds "closed output: status" test $? = 1
holds "closed output: said" grep -q 'standard output: ' stderr
"$scry" deblur in.tif closed.tif --psf gaussian:sigma=1 --method wiener --quiet >&- 2>&-
holds "nothing to print: status" test $? = 0
works "nothing to print: the image is whole" "$scry" info closed.tif
rm -f closed.tif

# ---- signals ----
long="--psf gaussian:sigma=1 --method diffpir --samples 4096 --steps 400 --quiet --threads 1"
begin() { # begin command...: in the background, until it has begun a file
    "$@" >stdout 2>stderr &
    running=$!
    for ((i = 0; i < 600; i++)); do
        [ -z "$(parts)" ] || return 0
        sleep 0.05
    done
    say FAILED "$1 begins a file"
}
for s in "INT 130" "TERM 143" "HUP 129" "XFSZ 153"; do
    set -- $s
    begin "$scry" deblur in.tif stopped.tif $long
    kill -"$1" $running
    wait $running
    holds "SIG$1: status" test $? = "$2"
    holds "SIG$1: said" grep -q "scry deblur: interrupted by SIG$1" stderr
    holds "SIG$1: not by force" test "$(grep -c 'at once' stderr)" = 0
    nothing_left "SIG$1" stopped
done
mkdir out
cp in.tif first.tif
cp in.tif second.tif
begin "$scry" deblur first.tif second.tif out/ --psf gaussian:sigma=1 --method diffpir --samples 1 \
    --steps 600 --quiet --threads 1
for ((i = 0; i < 1200; i++)); do
    [ -e out/first.tif ] && break
    sleep 0.05
done
kill -INT $running
wait $running
holds "the second of two: status" test $? = 130
works "the first is kept" "$scry" info out/first.tif
holds "the second is not there" test ! -e out/second.tif
(trap '' HUP; exec "$scry" deblur in.tif nohup.tif --psf gaussian:sigma=1 --method diffpir \
    --samples 2 --steps 100 --quiet --threads 1) &
running=$!
sleep 0.3
kill -HUP $running
wait $running
holds "SIGHUP under nohup is ignored" test $? = 0 -a -s nohup.tif
# both wait for it when it goes on: it is asked a second time before it could end
begin "$scry" deblur in.tif stopped.tif $long
kill -STOP $running
kill -INT $running
kill -TERM $running
kill -CONT $running
wait $running
holds "a second signal: status" test $? -gt 128
holds "a second signal: at once" grep -q 'stopped at once' stderr
nothing_left "a second signal" stopped
# one that does not look at the flag
begin "$stubborn" file
kill -INT $running
wait $running
holds "who does not stop is stopped: status" test $? = 130
holds "who does not stop is stopped: said" grep -q 'stopped at once' stderr
nothing_left "who does not stop" file
begin "$stubborn" file hold
kill -TERM $running
wait $running
holds "who asks for time gets it: status" test $? = 143
holds "who asks for time gets it" grep -qx held stdout
nothing_left "who asks for time" file
# a limit on the size of files
(ulimit -f 8; exec "$scry" deblur in.tif large.tif --psf gaussian:sigma=1 --method wiener --type \
    float64 --quiet >stdout 2>stderr)
holds "too large a file: status" test $? = 153
holds "too large a file: said" grep -q 'large.tif.*File too large' stderr
nothing_left "too large a file" large
(ulimit -f 8; trap '' XFSZ; exec "$scry" deblur in.tif large.tif --psf gaussian:sigma=1 --method \
    wiener --type float64 --quiet >stdout 2>stderr)
holds "too large a file, SIGXFSZ ignored: status" test $? = 1
holds "too large a file, SIGXFSZ ignored: said" grep -q 'large.tif.*File too large' stderr
nothing_left "too large a file, SIGXFSZ ignored" large

# ---- files of dead processes ----
begin "$scry" deblur in.tif killed.tif $long
kill -KILL $running
wait $running 2>/dev/null
left=$(parts)
holds "SIGKILL leaves a file" test -n "$left"
IFS=- read -r _ machine boot space pid start number <<<"$left"
name() { echo ".killed.tif.scry-$1-$2-$3-$4-$5-0.part"; }
: >"$(name 0badcafe "$boot" "$space" "$pid" "$start")"
: >"$(name "$machine" "$boot" 123abc "$pid" "$start")"
: >"$(name "$machine" "$boot" "$space" $$ "$(sed 's/.*) //' /proc/$$/stat | cut -d' ' -f20)")"
: >".killed.tif.scry-1234-0.part"
: >".scry-notes.part"
parts | sort >stay
mkdir "$(name "$machine" "$boot" "$space" "$pid" 7)"
: >"$(name "$machine" "$boot" "$space" "$pid" 7)/zarr.json"
: >"$(name "$machine" 0badcafe "$space" $$ "$start")"
: >"$(name "$machine" "$boot" "$space" $$ 1234)"
grep -vxF "$left" stay >stays
works "the next run" "$scry" deblur in.tif next.tif --psf gaussian:sigma=1 --method wiener --quiet
parts | sort >now
holds "removes files of dead processes, and no others" cmp stays now
find . -name '.*.part*' -delete
begin "$scry" deblur in.tif alive.tif $long
alive=$(parts)
works "another run" "$scry" deblur in.tif another.tif --psf gaussian:sigma=1 --method wiener --quiet
holds "leaves that of a live one" test "$(parts)" = "$alive"
kill -INT $running
wait $running

# ---- only files are replaced ----
mkdir k k/folder.h5 # `contents` would wait for a FIFO
mkfifo k/fifo.tif k/fifo.json k/fifo.png k/fifo.h5 k/fifo.nii k/fifo.cfl
ln -s nowhere k/dangling.tif
ln -s nowhere k/dangling.nii
ln -s /dev/null k/device.tif
ln -s /dev/null k/device.h5
wiener="$scry deblur in.tif --psf gaussian:sigma=1 --method wiener --quiet --force"
adjoint="$scry mri in.h5 --method zero-filled --noise none --quiet --force"
refuses "a FIFO" 2 "k/fifo.tif' is a FIFO" $wiener k/fifo.tif
refuses "a FIFO for the report" 2 "k/fifo.json' is a FIFO" $wiener x.tif --report k/fifo.json
refuses "a FIFO for the preview" 2 "k/fifo.png' is a FIFO" $wiener x.tif --preview k/fifo.png
refuses "a folder" 2 "k/folder.h5' is a folder" $adjoint k/folder.h5
refuses "a device" 2 "k/device.tif' is a device" $wiener k/device.tif
refuses "a device, mri" 2 "k/device.h5' is a device" $adjoint k/device.h5
refuses "a FIFO, mri" 2 "k/fifo.nii' is a FIFO" $adjoint k/fifo.nii
refuses "a FIFO, cfl" 2 "k/fifo.cfl' is a FIFO" $adjoint k/fifo.cfl
refuses "a link to nothing" 2 "k/dangling.tif' is a link to a file that is not there" $wiener \
    k/dangling.tif
refuses "a link to nothing, mri" 2 "k/dangling.nii' is a link" $adjoint k/dangling.nii
refuses "a FIFO, simulate" 1 "is a FIFO" "$scry" simulate in.tif k/fifo.tif --psf gaussian:sigma=1 \
    --photons 9 --force
refuses "a FIFO, kspace" 2 "is a FIFO" "$scry" kspace convert in.h5 k/fifo.h5 --force
refuses "a FIFO, figure" 2 "is a FIFO" "$scry" figure k/fifo.png a=in.tif --force
refuses "a FIFO, verify" 1 "is a FIFO" "$scry" verify gaussian --json k/fifo.json --force
holds "the FIFO is still one" test -p k/fifo.tif -a -p k/fifo.json -a -p k/fifo.h5
echo old >real.tif
mkdir elsewhere
ln -s ../real.tif elsewhere/link.tif
works "a link to a file" $wiener elsewhere/link.tif
holds "the link stays one" test -L elsewhere/link.tif
works "and its file is the result" "$scry" info real.tif
refuses "a link to a file, without --force" 1 "link.tif exists" "$scry" deblur in.tif \
    elsewhere/link.tif --psf gaussian:sigma=1 --method wiener --quiet

# ---- no file twice, and no input ----
works "a psf" "$scry" simulate --phantom cells --size 8x8 --seed 1 psf.tif --quiet
measured="$scry deblur in.tif --psf psf.tif --method wiener --quiet --force"
refuses "the psf is the output" 2 "psf.tif is both input and output" $measured psf.tif
refuses "the report is the input" 2 "in.tif is both input and output" $measured x.tif \
    --report in.tif
refuses "the residual is the psf" 2 "psf.tif is both" $measured x.tif --residual ./psf.tif
refuses "the sd is the mask" 2 "mask.tif is both" "$scry" inpaint in.tif x.tif --mask mask.tif \
    --sd mask.tif --force
refuses "report and output" 2 "x.tif is named for two outputs" $measured x.tif --report x.tif
refuses "the folder of the inputs for maps" 1 "in.tif is both input and output" "$scry" deblur \
    in.tif first.tif elsewhere/ --psf gaussian:sigma=1 --samples 2 --steps 2 --method diffpir \
    --sd . --force --quiet
refuses "maps and k-space" 2 "in.h5 is both input and output" $adjoint in.h5
works "a mask" cp in.h5 mask.h5
refuses "mri, the mask is the output" 2 "mask.h5 is both" $adjoint mask.h5 --mask mask.h5
refuses "figure onto its panel" 2 "in.tif is both" "$scry" figure in.tif in.tif --force
refuses "simulate onto the scene" 1 "in.tif is both" "$scry" simulate in.tif in.tif \
    --psf gaussian:sigma=1 --photons 9 --force
refuses "undersample onto itself" 1 "in.h5 is both" "$scry" kspace undersample in.h5 in.h5 \
    --pattern random --force
refuses "json and plot" 1 "named for two outputs" "$scry" verify gaussian --json x --plot ./x

echo "$failures failed"
[ $failures = 0 ]

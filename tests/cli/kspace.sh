#!/usr/bin/env bash
# `scry kspace` as a user meets it: undersampling and simulation.
# usage: kspace.sh path/to/scry.  Prints one line a check; exit status 1 when one fails.
set -u
scry=$(realpath "$1")
source "$(dirname "$0")/checks.sh"
k="$scry kspace"

# says NAME PATTERN: of the output of the last command
says() { holds "$1" grep -qE -e "$2" stdout; }

# ---- simulation ----
works "simulate" $k simulate full.h5 --size 64x72 --coils 4 --noise 0.01
says "simulate describes its output" '1 slice of 64 x 72, 4 coils, noise 0\.0'
for f in fastmri ismrmrd; do
    works "$f, a seed" $k simulate s1.h5 --size 64x72 --coils 4 --seed 5 --format $f --force
    sleep 1.1 # files that note when they were made would differ
    works "$f, the same" $k simulate s2.h5 --size 64x72 --coils 4 --seed 5 --format $f --force
    holds "$f, seeds repeat" cmp -s s1.h5 s2.h5
    works "$f, another seed" $k simulate s3.h5 --size 64x72 --coils 4 --seed 6 --format $f --force
    holds "$f, seeds differ" test "$(cmp -s s1.h5 s3.h5; echo $?)" = 1
done
works "info of fastMRI" $k info full.h5
says "it is fastMRI" 'fastMRI'
says "all lines are there" 'acceleration 1 \(72 of 72 lines'
says "it has a target" 'target'
works "simulate, ISMRMRD" $k simulate raw.h5 --size 31x40 --coils 2 --slices 2 --format ismrmrd
works "info of ISMRMRD" $k info raw.h5
says "it is ISMRMRD" 'ISMRMRD'
works "simulate, cfl" $k simulate ksp.cfl --size 48x40 --coils 3 --phase 1.5 --maps maps.cfl \
    --pattern poisson --accel 3
says "acceleration is printed" 'acceleration 3 \(poisson, 640 of 1920 points\)'
holds "maps are there" test -s maps.cfl -a -s maps.hdr
works "info of cfl" $k info ksp.cfl
works "simulate, a heart" $k simulate heart.cfl --size 48x40 --frames 6 --coils 4 --pattern random \
    --accel 3 --centre 0.1 --truth heart_truth.h5
works "info of it" $k info heart.cfl
says "frames" '6 frames, 1 slice, 4 coils'
works "its frames together" "$scry" mri --quiet heart.cfl heart_tv.h5 --method temporal-tv
works "near the truth" "$scry" compare --tol 0.2 heart_tv.h5 heart_truth.h5
refuses "a heart as fastMRI" 1 '3 frames of 1 .* fastMRI has no place' $k simulate heart.h5 \
    --frames 3 --format fastmri
works "a truth" "$scry" simulate --phantom cells --size 64x72 --seed 3 truth.tif
works "simulate, an image" $k simulate cells.h5 --image truth.tif --coils 1 --noise 0
works "info of it" $k info cells.h5
says "it is as large" '64 x 72'
works "simulate, a target as image" $k simulate twice.h5 --image cells.h5 --coils 2

# ---- undersampling ----
works "equispaced" $k undersample full.h5 e.h5 --pattern equispaced --accel 4 --centre 0.08 \
    --seed 7
says "measured" 'acceleration 3\.[0-9]+ \(equispaced, [0-9]+ of 72 lines\)'
works "info of equispaced" $k info e.h5
says "lines are missing" 'acceleration 3\.[0-9]+ \([0-9]+ of 72 lines'
says "the target stays" 'target'
for p in random equispaced equispaced-fraction regular gaussian poisson radial; do
    works "$p" $k undersample full.h5 $p.h5 --pattern $p --accel 3 --center 0.1
    works "$p, as cfl" $k undersample full.h5 $p.cfl --pattern $p --accel 3 --centre 0.1
done
for p in random equispaced regular gaussian; do
    works "$p, as ISMRMRD" $k undersample raw.h5 $p.raw.h5 --pattern $p --accel 3 --centre 0.1
done
# fastMRI's mask follows the name of the file: the goldens are of this one
works "the name of the goldens" $k simulate file1000000.h5 --size 16x368 --coils 1
works "seeded by name" $k undersample file1000000.h5 named.h5 --pattern equispaced
says "as many lines as fastMRI" '114 of 368 lines'
works "seeded by name, again" $k undersample file1000000.h5 named8.h5 --pattern random
says "as many random lines as fastMRI" '88 of 368 lines'
works "rows instead" $k undersample full.h5 rows.h5 --pattern regular --accel 4 --readout x
says "rows" 'of 64 lines'
works "twice" $k undersample e.h5 both.h5 --pattern random --accel 2 --seed 3
holds "a second undersampling is logged" grep -q 'undersampled already' stderr
works "replaced by force" $k undersample full.h5 e.h5 --pattern regular --force

# ---- help ----
for c in undersample simulate; do
    works "help of $c" $k $c --help
    says "help of $c names it" "usage: scry kspace $c"
done

# ---- refusals ----
refuses "no centre" 1 'leaves no line in the centre' $k undersample full.h5 x.h5 \
    --pattern equispaced --accel 8 --centre 0.001
refuses "an acceleration of 0" 1 'acceleration 0 ' $k undersample full.h5 x.h5 --pattern random \
    --accel 0
refuses "more than there are lines" 1 'acceleration 100 of 72' $k undersample full.h5 x.h5 \
    --pattern random --accel 100
refuses "a pattern of nobody" 2 "'spiral', expected one of random" $k undersample full.h5 x.h5 \
    --pattern spiral
refuses "no pattern" 2 'pattern is missing' $k undersample full.h5 x.h5
refuses "one file" 2 '1 files named' $k undersample full.h5 --pattern random
refuses "an output that exists" 1 'exists' $k undersample full.h5 e.h5 --pattern random
refuses "onto itself" 1 "both input and output" $k undersample full.h5 full.h5 --pattern random \
    --force
refuses "an ending of nobody" 1 'written to' $k undersample full.h5 x.png --pattern random
refuses "points of a readout, which ISMRMRD cannot say" 1 'ISMRMRD cannot' $k undersample raw.h5 \
    x.h5 --pattern poisson
refuses "a readout of nobody" 2 "'z', expected one of y, x" $k undersample full.h5 x.h5 \
    --pattern random --readout z
refuses "a seed below 0" 2 'seed -3' $k undersample full.h5 x.h5 --pattern random --seed -3
refuses "no such file" 1 'nowhere' $k undersample nowhere.h5 x.h5 --pattern random
refuses "no k-space" 1 'truth' $k undersample truth.tif x.h5 --pattern random
refuses "a size in words" 1 "'large', expected" $k simulate x.h5 --size large
refuses "no coils" 2 'coils 0' $k simulate x.h5 --coils 0
refuses "too many coils" 2 'coils 65' $k simulate x.h5 --coils 65
refuses "noise below 0" 2 'noise -1' $k simulate x.h5 --noise -1
refuses "size of an image" 2 'those of --image' $k simulate x.h5 --image truth.tif --size 9x9
refuses "an image that is not there" 1 'nowhere' $k simulate x.h5 --image nowhere.tif
refuses "an acceleration without a centre" 1 'leaves no line' $k simulate x.h5 --pattern regular \
    --centre 0.001
refuses "an output folder that is not there" 1 'nowhere' $k simulate nowhere/x.h5

echo "$failures failed"
[ $failures = 0 ]

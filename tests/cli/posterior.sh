#!/usr/bin/env bash
# Every posterior method behind every command, and the maps of chains beside their mean.
# usage: posterior.sh path/to/scry [START]; without one, both.  Prints one line a check; exit status
# 1 when one fails.
set -u
scry=$(realpath "$1")
begin=${2:-gaussian noise}
source "$(dirname "$0")/checks.sh"
export OMP_WAIT_POLICY=passive KMP_BLOCKTIME=0
python=/usr/bin/python3
$python -c 'import numpy, h5py, tifffile' 2>/dev/null || python=

# the problem that METHOD works on, and the words of a refusal: an operator with an SVD, a start
needs() { "$scry" methods "$1" | grep -q "needs .*$2"; }
starts() { "$scry" methods "$1" | grep -q -e '--start '; }
methods() { "$scry" methods | sed -n '/^== posterior/,/^== unc/s/^\([a-z-]*\)  (.*/\1/p'; }

# ---- inputs ----
grey() { "$scry" simulate --phantom cells --size "$1" --seed 3 "$2" --quiet; }
works "truth" grey 32x32 truth.tif
works "camera" "$scry" simulate truth.tif in.tif --psf gaussian:sigma=1.5 --photons 100 \
    --gain 0.5 --offset 100 --read-noise 1.5 --seed 1 --quiet
works "mask: pixels that no electron reached are 0" "$scry" simulate truth.tif mask.tif \
    --psf gaussian:sigma=0.5 --photons 3 --offset 0 --read-noise 0 --seed 1 --quiet
works "k-space" "$scry" kspace simulate scan.h5 --size 32x32 --coils 2 --noise 0.01 --seed 2 \
    --pattern equispaced --accel 2 --centre 0.3
deblur="$scry deblur in.tif --psf gaussian:sigma=1.5 --gain 0.5 --offset 100 --read-noise 1.5"
periodic="--boundary periodic --defects none"
inpaint="$scry inpaint truth.tif --mask mask.tif"

# ---- every method, from both starts, with a network of a few thousand weights ----
mkdir cells
for seed in 1 2 3; do grey 40x40 "cells/$seed.tif"; done
works "a small prior" "$scry" train --channels 16,32 --crop 32 --batch 4 --steps 2 --seed 3 \
    --quiet cells small
few="--prior ./small --samples 3 --steps 2 --quiet --type float32"
for m in $(methods); do
    small=
    "$scry" methods "$m" | grep -q -e '--particles' && small="--particles 2"
    for start in $begin; do
        from="--start $start"
        if ! starts "$m"; then
            refuses "$m has no start" 2 "$m has no option start; it takes steps" $deblur x.tif \
                --method "$m" --start $start
            [ $start = noise ] && continue
            from=
        fi
        name=${m}_$start
        works "deblur, $m $from" "$scry" deblur in.tif "$name.deblur.tif" --sigma 10 $periodic \
            --psf gaussian:sigma=1.5 --method "$m" $few $small $from \
            --quantiles "q05_$name.deblur.tif,q95_$name.deblur.tif"
        works "inpaint, $m $from" $inpaint "$name.inpaint.tif" --method "$m" $few $small $from \
            --quantiles "q05_$name.inpaint.tif,q95_$name.inpaint.tif"
        if needs "$m" SVD; then
            refuses "mri of two coils, $m" 1 \
                "$m needs an operator whose singular .* serve here: .*mmps.*dps" "$scry" mri \
                scan.h5 x.h5 --method "$m" --samples 2 --quiet $from
            continue
        fi
        works "mri, $m $from" "$scry" mri scan.h5 "$name.mri.h5" --method "$m" --prior ./small \
            --samples 3 --steps 2 --quiet $small $from \
            --quantiles "q05_$name.mri.h5,q95_$name.mri.h5"
    done
done
holds "methods were found" test "$(ls q05_*.deblur.tif | wc -l)" -ge 14

works "levels of a draw end where the network's do" $scry inpaint truth.tif low.tif \
    --mask mask.tif --sigma 0.05 --method pnp-ula --coupling exact \
    --scheme kinetic --steps 2 --samples 1 --quiet

# ---- maps of chains beside their mean ----
beside="--method diffpir --steps 3 --samples 6 --quiet"
works "everything" $deblur all.tif $beside --seed 2 --sd sd.tif --ess ess.tif --report all.json \
    --quantiles run2_q50.tif,q97.5.tif --above 110=above110.tif,130=above130.tif
warns() { holds "$1" grep -qE -e "$2" stderr; }
warns "six draws are few" "as few as 6 independent draws, expected 20 or more.*--samples"
for key in draws chi2_of_draws min_ess; do
    holds "report has $key" grep -q "\"$key\"" all.json
done
holds "no R-hat where no chain walks" test "$(grep -c worst_rhat all.json)" = 0
works "a chain that walks" $deblur walk.tif --method pnp-ula --steps 2 --draws 8 --thin 1 \
    --samples 2 --region 8 --rhat rhat.tif --ess walk_ess.tif --sd walk_sd.tif --report walk.json
warns "the line names the draws" \
    "in.tif: chi2 [0-9.]+ of the mean, measured again; 16 draws, worst R-hat [0-9.]+, least ESS"
warns "two steps are no burn-in" "R-hat is up to .*expected 1.05 or less.*--draws"
holds "report has R-hat" grep -q '"worst_rhat"' walk.json
works "an sd of one chain that walks" $deblur alone.tif --method pnp-ula --steps 2 --draws 4 \
    --thin 1 --samples 1 --quiet --sd alone_sd.tif
works "a sigma that is too small" "$scry" deblur in.tif weak.tif --psf gaussian:sigma=1.5 \
    --psf-width 1 --method wiener --sigma 1
warns "is warned of" "chi2 of the mean is .*stronger than given.*--sigma"
works "a sigma that is too large" "$scry" deblur in.tif strong.tif --psf gaussian:sigma=1.5 \
    --method jfps --samples 2 --sigma 20
warns "is, too" "chi2 of the draws is 0\.[0-4].*weaker than given"
works "exact pixels" $inpaint exact.tif $beside
warns_not() { holds "$1" test "$(grep -c chi2 stderr)" = 0; }
warns_not "are not judged by noise"

# stacks, several files, windows
works "a stack" "$scry" simulate --phantom cells --size 3x32x40 --seed 5 stack.ome.tif
works "a plane" grey 32x40 plane.tif
mkdir out sd above ess
works "files to folders" "$scry" deblur stack.ome.tif plane.tif out/ --psf gaussian:sigma=1.5 \
    --sigma 0.02 $beside --tile 64 --sd sd/ --above 0.3=above --ess ess
holds "each has its own" test -s sd/plane.tif -a -s above/stack.ome.tif -a -s ess/stack.ome.tif
works "threads" "$scry" deblur stack.ome.tif one.tif --psf gaussian:sigma=1.5 --sigma 0.02 \
    $beside --threads 1 --above 0.3=one_above.tif
holds "do not change a product" cmp -s one_above.tif above/stack.ome.tif

# one coil, which sees all alike
works "one coil" "$scry" kspace simulate one.h5 --size 32x32 --coils 1 --noise 0.01 --seed 2 \
    --pattern gaussian --accel 2 --centre 0.3
works "without maps" "$scry" mri one.h5 one_mean.h5 --maps none --method dds --steps 2 --samples 2 \
    --quiet --sd one_sd.h5

# volumes of images
works "three slices" "$scry" kspace simulate three.h5 --size 40x32 --coils 2 --slices 3 \
    --noise 0.01 --pattern equispaced --accel 2 --centre 0.3
volume="--method pnp-ula --prior ./small --steps 2 --draws 4 --thin 1 --samples 2 --region 8"
for end in h5 nii cfl; do
    works "maps in .$end" "$scry" mri three.h5 mean.$end $volume --sd msd.$end \
        --above 0.2=mabove.$end --rhat mrhat.$end --ess mess.$end --quantiles mq25.$end,mq75.$end
done
warns "the line of a volume" "chi2 [0-9.]+ of the mean.*in 3 images\); 8 draws, worst R-hat"
if command -v mpirun >/dev/null; then
    works "2 ranks" env ASAN_OPTIONS=detect_leaks=0 mpirun --allow-run-as-root --oversubscribe \
        -n 2 "$scry" mri three.h5 mean2.nii $volume --quiet --above 0.2=mabove2.nii \
        --rhat mrhat2.nii
    holds "do not change a product" cmp -s mabove.nii mabove2.nii
    holds "nor another" cmp -s mrhat.nii mrhat2.nii
else
    echo "skipped: mpirun is not installed"
fi

if [ -n "$python" ]; then
    works "contents of the files" $python "$(dirname "$(realpath "$0")")/posterior_check.py"
else
    echo "skipped: numpy, h5py or tifffile are not installed"
fi

# ---- requests without sense ----
x="$deblur x.tif --method diffpir"
refuses "quantiles of one draw" 2 "quantiles needs 2 draws or more, --samples 1 gives 1" $x \
    --samples 1 --quantiles q05.tif,q95.tif
refuses "a share of one draw" 2 "above needs 2 draws.*--samples 2 or more, or --draws" $deblur \
    x.tif --method sk-rock --samples 1 --above 3=y.tif
refuses "maps of one estimate" 2 "ess needs 2 draws or more, wiener has only one estimate" \
    $deblur x.tif --method wiener --ess y.tif
refuses "R-hat of one draw a chain" 2 "diffpir gives one a chain; .*--draws 4 or more: .*pnp-ula" \
    $x --rhat y.tif
refuses "R-hat of two draws a chain" 2 "sk-rock gives 2 here: --draws 4 or more" $deblur x.tif \
    --method sk-rock --draws 2 --rhat y.tif
refuses "counts where Gaussian noise is needed" 1 "mcgdiff needs Gaussian noise of one level; tds" \
    $deblur x.tif $periodic --method mcgdiff --quiet
refuses "draws of a method that has one" 2 "diffpir has no option draws" $x --draws 4
for t in high=y.tif 3 =y.tif 3y.tif nan=y.tif 3=; do
    refuses "a threshold: $t" 2 "above.*expected" $x --above "$t"
done
for q in q.tif q0.tif q100.tif a1_b2.tif q05_q95.tif; do
    refuses "a percentage: $q" 2 "expected one percentage between 0 and 100" $x --quantiles $q
done
for w in "--sd y.tif --ess y.tif" "--above 1=y.tif,2=./y.tif" "--sd x.tif" \
    "--quantiles q05.tif,q05.tif" "--report y.tif --sd y.tif"; do
    refuses "named twice: $w" 2 "named for two outputs" $x $w
done
refuses "an existing one" 1 "ess.tif exists; --force" $x --ess ess.tif
refuses "no region" 2 "region 0, expected 1" $x --region 0
refuses "no steps" 2 "steps is -3, expected a whole number from 1" $x --steps -3
refuses "no noise" 2 "sigma 0, expected more than 0; --noise none takes known pixels as exact" \
    "$scry" inpaint truth.tif x.tif --mask mask.tif --sigma 0
mri="$scry mri scan.h5 x.h5"
refuses "mri, quantiles of one draw" 2 "quantiles needs 2 draws or more, --samples 1" $mri \
    --method dds --samples 1 --quantiles q05.h5
refuses "mri, R-hat of dds" 2 "dds gives one a chain" $mri --method dds --rhat y.h5
refuses "mri, below 0" 2 "above -1, expected 0 or more: images are magnitudes" $mri --method dds \
    --above -1=y.h5
refuses "mri, no format" 2 "y.png: images are files that end in" $mri --method dds --above 1=y.png
refuses "mri, named twice" 2 "y.h5 is named for two outputs" $mri --method dds --sd y.h5 --ess y.h5
refuses "mri, an existing one" 1 "msd.h5 exists; --force" $mri --method dds --sd msd.h5

echo "$failures failed"
[ $failures = 0 ]

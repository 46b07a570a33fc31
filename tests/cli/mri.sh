#!/usr/bin/env bash
# `scry mri` as a user meets it: from the files that there are to images, and its refusals.
# usage: mri.sh path/to/scry [brief]  Prints one line a check; exit status 1 when one fails. brief:
# without those of the choice of a method, and of bytes that seeds, threads, ranks and interruptions
# do not change.
set -u
scry=$(realpath "$1")
brief=${2:-}
golden=$(realpath "$(dirname "$0")/../golden")
files=$(realpath "$(dirname "$0")/mri_files.py")
source "$(dirname "$0")/checks.sh"
k="$scry kspace"
mri="$scry mri --quiet --method wavelet" # another --method takes its place
export OMP_WAIT_POLICY=passive KMP_BLOCKTIME=0

# says NAME PATTERN: of the output of the last command
says() { holds "$1" grep -qE -e "$2" stdout; }
warns() { holds "$1" grep -qE -e "$2" stderr; }
skipped() { echo "skipped: $1"; }
# close NAME T a b: NRMSE of a, an image, against b
close() {
    local name=$1 tol=$2
    shift 2
    works "$name" "$scry" compare --tol "$tol" "$@"
}
# dims NAME file words: dims of a .cfl
dims() { holds "$1" grep -q "^$3 " "$2.hdr"; }

# ---- the command lines ----
works "simulate" $k simulate full.h5 --size 96x80 --coils 4 --noise 0.01 --seed 2
works "undersample" $k undersample full.h5 scan.h5 --pattern equispaced --accel 3 --centre 0.15 \
    --seed 7
works "info" $k info scan.h5
says "info prints the number of lines" 'acceleration 2\.[0-9]+ \([0-9]+ of 80 lines\)'
works "a little scan" $k simulate little.h5 --size 48x40 --coils 4 --noise 0.01 \
    --pattern equispaced --accel 2 --centre 0.3
if [ -z "$brief" ]; then
    works "the shortest" "$scry" mri little.h5 chosen.h5
    warns "it says how it chose" "method: [a-z]+ predicts samples that are held out best"
fi
works "without a prior" "$scry" mri scan.h5 alone.h5 --prior nobody
warns "one method is left" "wavelet alone: prior 'nobody'"
warns "how sure its noise is" 'noise: sd 0\.00[0-9]+ .*: sure to [0-9.]+ %, if the coils are smooth'
mv alone.h5 out.h5
close "wavelet is near the truth" 0.08 out.h5 full.h5
works "convert" $k convert scan.h5 ksp.cfl
works "maps" $k maps ksp.cfl sens.cfl --method espirit
works "a noise that is given" $mri scan.h5 given.h5 --noise 0.01 --report given.json
holds "the report has it" grep -q '"noise_sd":[[:space:]]*0\.01,' given.json
holds "and its source" grep -q '"noise_from":[[:space:]]*"given"' given.json
works "noise in a file" "$scry" mri scan.h5 filed.h5 --method wavelet --noise full.h5
warns "is named" 'from full\.h5'
works "one coil" $k simulate one.cfl --size 96x80 --coils 1
works "cg-sense" $mri ksp.cfl out.cfl --maps espirit --method cg-sense --lambda 0.01 \
    --iterations 30
dims "a cfl image" out "96 80"
works "maps of a file" $mri ksp.cfl out.nii --maps sens.cfl --method wavelet --lambda 0.005 \
    --iterations 100
works "maps made on the way" $mri ksp.cfl made.nii --method wavelet --lambda 0.005 --iterations 100
close "are the same" 0.01 out.nii made.nii
works "dds" $mri scan.h5 dds.h5 --method dds --prior mri --steps 5 --samples 2 --sd sd.h5 \
    --quantiles q10.h5,q90.h5 --report run.json --preview p.png --seed 1
close "dds is near the truth, which is no brain" 0.25 dds.h5 full.h5
holds "sd, quantiles and preview are there" test -s sd.h5 -a -s q10.h5 -a -s q90.h5 -a -s p.png
holds "the preview is a PNG" grep -q PNG p.png
for key in method prior weights_sha256 seed unit options slices samples_measured chi2 chains calls \
    seconds peak_bytes; do
    holds "the report has $key" grep -q "\"$key\":" run.json
done
if command -v python3 >/dev/null; then
    works "the report is JSON" python3 -c 'import json; json.load(open("run.json"))'
fi
if [ -z "$brief" ]; then
    works "dds again" $mri scan.h5 again.h5 --method dds --prior mri --steps 5 --samples 2 --seed 1
    holds "a seed repeats" cmp -s dds.h5 again.h5
fi
works "with progress" "$scry" mri little.h5 meter.h5 --method dds --steps 4 --samples 1
warns "one slice shows its steps" '\(4/4\)'

# ---- methods and outputs ----
works "tv" $mri scan.h5 tv.h5 --method tv
close "tv is near the truth" 0.15 tv.h5 full.h5
works "zero-filled" $mri full.h5 zf.h5 --method zero-filled
close "zero-filled of all samples is the truth" 0.08 zf.h5 full.h5
works "root sum of squares" $mri full.h5 rss.h5 --method zero-filled --maps none
close "it is the truth with noise" 0.08 rss.h5 full.h5
works "undersampled, it folds" $mri scan.h5 folded.h5 --method zero-filled --maps none
refuses "it does" 1 'expected at most' "$scry" compare --tol 0.2 folded.h5 full.h5
works "cg-sense on all" $mri full.h5 cg.h5 --method cg-sense
close "is the truth" 0.08 cg.h5 full.h5
works "grappa" $mri scan.h5 grappa.h5 --method grappa
close "is near the truth" 0.12 grappa.h5 full.h5
works "grappa, root sum of squares" $mri scan.h5 grappa_rss.h5 --method grappa --maps none
close "is near the truth too" 0.15 grappa_rss.h5 full.h5
refuses "grappa of blurred images" 1 'grappa needs lines of k-space' "$scry" denoise \
    p.png denoised.tif --method grappa
refuses "a size without a trajectory" 1 "without --trajectory" $mri scan.h5 x.h5 --size 64x64
refuses "a trajectory and a mask" 1 "expected one of them" $mri ksp.cfl x.h5 --trajectory ksp.cfl \
    --mask mask.cfl
radial=$golden/radial
works "spokes in an ISMRMRD file" "$scry" mri $radial/radial.h5 spokes.h5 --method cg-sense \
    --slices 0-0
warns "their unit is said" 'up to 0.5, are taken as cycles per pixel'
warns "and what grids them" 'off the grid: 2560 samples in readouts of 64, gridding by scry itself'
works "the same from two files" "$scry" mri $radial/radial.cfl two_files.h5 --trajectory \
    $radial/radial_traj.cfl --method cg-sense
close "are one image" 1e-6 spokes.h5 two_files.h5
close "and the object" 0.07 two_files.h5 $radial/truth.cfl
works "info of spokes" $k info $radial/radial.h5
says "counts them" '40 readouts of 64 samples off the grid \(radial\), matrix 32 x 32'
works "a stack of stars" $mri $radial/stack.h5 stack.h5 --method cg-sense
works "spirals and frames" $mri $radial/frames.h5 frames_off.h5
refuses "spokes for a command of the grid" 1 'expected a cartesian one' $k maps $radial/radial.h5 \
    x.cfl
works "lowres maps" $mri scan.h5 low.h5 --maps lowres
close "are good enough" 0.12 low.h5 full.h5
works "two sets of maps" $mri scan.h5 sets.h5 --sets 2 --method cg-sense
works "maps of two sets" $k maps ksp.cfl two_sets.cfl --sets 2
works "both are used" "$scry" mri ksp.cfl two_sets.h5 --maps two_sets.cfl --method cg-sense
warns "which is said" '2 sets of maps: the image is the root sum of squares'
works "two sets of its own" $mri ksp.cfl own_sets.h5 --sets 2 --method cg-sense
close "the same" 0.01 two_sets.h5 own_sets.h5
works "draws with two sets" $mri little.h5 sets_dds.h5 --sets 2 --method dds --steps 5 \
    --samples 2 --sd sets_sd.h5
works "one estimate with them" $mri little.h5 sets_cg.h5 --sets 2 --method cg-sense
close "are near that, no image of a brain" 0.25 sets_dds.h5 sets_cg.h5
works "soft maps" $mri scan.h5 soft.h5 --soft
works "fewer coils" "$scry" mri scan.h5 few.h5 --method wavelet --coils 3
warns "compression prints its share" 'coils: 3 virtual ones of 4 hold [0-9.]+ %'
works "more coils than there are" "$scry" mri scan.h5 many.h5 --method wavelet --coils 40
warns "they are counted" 'scan.h5: --coils 40 of 4: all are used'
close "3 of 4 coils nearly do" 0.12 few.h5 full.h5
works "held out" $mri scan.h5 held.h5 --holdout 0.1 --report held.json
holds "the report judges by them" grep -q '"holdout_residual":' held.json
for end in cfl nii nii.gz hdf5; do
    works "to .$end" $mri little.h5 z.$end --method zero-filled
    works "complex to .$end" $mri little.h5 zc.$end --method zero-filled --complex
    close "of the same magnitude, .$end" 1e-5 zc.$end z.$end
done
works "no coil but one" $k simulate one.h5 --size 48x40 --coils 1 --pattern gaussian --accel 2
works "one coil" $mri one.h5 one_out.h5

# ---- several slices, threads, ranks ----
works "three slices" $k simulate three_full.h5 --size 96x80 --slices 3 --coils 4 --noise 0.01
works "undersampled" $k undersample three_full.h5 three.h5 --pattern random --accel 2.5 \
    --centre 0.15 --seed 1
unchanged_bytes() {
    works "smaller slices" $k simulate small.h5 --size 48x40 --slices 3 --coils 4 --noise 0.01 \
        --pattern random --accel 2.5 --centre 0.3
    for m in wavelet "dds --steps 4 --samples 2"; do
        works "${m%% *}, 1 thread" $mri small.h5 t1.h5 --method $m --threads 1 --force
        works "${m%% *}, 2 threads" $mri small.h5 t2.h5 --method $m --threads 2 --force
        holds "${m%% *}: the same bytes" cmp -s t1.h5 t2.h5
        if command -v mpirun >/dev/null; then
            # Open MPI keeps memory to the end, which leak checkers report
            works "${m%% *}, 2 ranks" env ASAN_OPTIONS=detect_leaks=0 \
                mpirun --allow-run-as-root --oversubscribe -n 2 $mri small.h5 r2.h5 \
                --method $m --force
            holds "${m%% *}: the same bytes" cmp -s t1.h5 r2.h5
        else
            skipped "mpirun is not installed"
        fi
    done
    # stopped once a slice is done (its journal grows), and continued
    stop_at_a_slice() {
        "$@" 2>stderr &
        local run=$!
        for _ in $(seq 600); do
            [ -s j.h5.journal ] && [ "$(stat -c %s j.h5.journal)" -gt 10000 ] && break
            kill -0 $run 2>/dev/null || break
            sleep 0.1
        done
        kill -TERM $run
        wait $run
    }
    journal="j.h5 --method dds --steps 6 --samples 2"
    works "a run that is not stopped" $mri three.h5 $journal
    mv j.h5 whole.h5
    stop_at_a_slice "$scry" mri three.h5 $journal
    holds "stopped, it ends by the signal" test $? = 143
    warns "finished slices are told" 'stopped: [12] of 3 slices are done and in j.h5'
    holds "the file of finished slices" test -s j.h5
    refuses "it is not begun anew in silence" 1 'j.h5.journal is there.*--resume' \
        $mri three.h5 $journal
    refuses "another run does not resume it" 1 'journal: is of another run .*seed 3' \
        $mri three.h5 $journal --seed 3 --resume
    works "resumed" "$scry" mri three.h5 $journal --resume --threads 2
    warns "slices finished before are told" 'j.h5.journal: [12] of 3 slices are done already'
    holds "resumed, the same bytes" cmp -s j.h5 whole.h5
    holds "its journal is gone" test ! -e j.h5.journal
}
[ -n "$brief" ] || unchanged_bytes
works "nothing to resume" "$scry" mri three.h5 journal_2.h5 --method zero-filled --resume
warns "is told" 'nothing to resume'
works "slices 1 to 2" $mri three.h5 two.cfl --slices 1-2
holds "they are two" test "$(stat -c %s two.cfl)" = $((2 * 96 * 80 * 8))
works "slice 2 of three" $mri three.h5 last.h5 --slices 2 --preview last.png

# ---- files that h5py wrote ----
works "all samples, cfl" $k convert full.h5 full.cfl
if /usr/bin/python3 -c 'import numpy, h5py' >stdout 2>stderr &&
    works "files" /usr/bin/python3 "$files" "$golden" full.cfl; then
    works "readout first, so turned" $mri full.cfl truth.h5 --method zero-filled
    for f in echo half position; do
        works "$f" $mri $f.cfl $f.h5
        close "$f is near the truth" 0.2 $f.h5 truth.h5
    done
    works "readout transformed" $mri hybrid.cfl hybrid.h5 --transformed read
    close "it is near the truth" 0.1 hybrid.h5 truth.h5
    works "maps of it" $k maps hybrid.cfl hybrid_maps.cfl --transformed read
    works "with these" $mri hybrid.cfl hybrid2.h5 --transformed read --maps hybrid_maps.cfl
    close "the same" 0.02 hybrid2.h5 hybrid.h5
    works "oversampled readout" $mri wide.cfl wide.h5 --oversampling 2
    close "is near the truth" 0.1 wide.h5 truth.h5
    for f in wide wide_echo; do
        works "maps of $f" $k maps $f.cfl ${f}_maps.cfl --oversampling 2
        works "$f with maps of a file" $mri $f.cfl ${f}_2.h5 --oversampling 2 --iterations 30 \
            --maps ${f}_maps.cfl
        works "$f with maps of its own" $mri $f.cfl ${f}_3.h5 --oversampling 2 --iterations 30
        close "$f: the same" 0.02 ${f}_2.h5 ${f}_3.h5
        close "$f is near the truth" 0.2 ${f}_2.h5 truth.h5
    done
    works "mask of points" $mri full.cfl masked.h5 --mask points.cfl
    close "as if sampled so" 0.05 masked.h5 position.h5
    works "mask of lines" $mri full.cfl lined.h5 --mask lines.cfl
    works "mask of lines, HDF5" $mri full.cfl lined2.h5 --mask lines.h5
    holds "are the same" cmp -s lined.h5 lined2.h5
    close "they are near the truth" 0.1 lined.h5 truth.h5
    works "a volume" $mri volume.cfl volume.nii --iterations 30 \
        --report volume.json
    holds "one problem for each readout position" \
        test "$(grep -c '"plane":' volume.json)" = 96
    works "its planes" /usr/bin/python3 - <<'P'
import numpy as np, struct
head = open("volume.nii", "rb").read(352)
assert struct.unpack("<8h", head[40:56])[:4] == (3, 96, 80, 12)
v = np.fromfile("volume.nii", "<f4", offset=352).reshape(12, 80, 96)
p = np.load("profile.npy")
got = v.reshape(12, -1).sum(1)
assert np.abs(got / got.max() - p / p.max()).max() < 0.05, got / got.max()
P
    works "an ISMRMRD file" $mri scanner.h5 scanner.nii
    works "its places" /usr/bin/python3 - <<'P'
import numpy as np, struct
head = open("scanner.nii", "rb").read(352)
assert struct.unpack("<8h", head[40:56])[:5] == (4, 96, 80, 3, 2), struct.unpack("<8h", head[40:56])
m = np.array(struct.unpack("<12f", head[280:328])).reshape(3, 4)
# read: LPS y, 240 mm over 96; phase: LPS x, 200 mm over 80; slices 8 mm apart along z
want = np.array([[0, -2.5, 0, -(5 - 40 * 2.5)], [-2.5, 0, 0, -(-7 - 48 * 2.5)], [0, 0, 8, 20]])
assert np.abs(m - want).max() < 1e-3, m
v = np.fromfile("scanner.nii", "<f4", offset=352).reshape(2, 3, 80, 96)
level = v.sum((2, 3))
assert np.abs(level / level[0, 0] - [1, 2, 3]).max() < 0.12, level
P
    orientation=$(dirname "$files")/orientation.py
    works "objects in four orientations, of two kinds of vendors" /usr/bin/python3 "$orientation" \
        "$golden" make
    for o in axial sagittal coronal oblique; do
        for v in siemens other; do
            works "$o, $v" $mri ${o}_$v.h5 ${o}_$v.nii --method zero-filled --maps none
        done
    done
    works "their places in the patient" /usr/bin/python3 "$orientation" "$golden" check
    works "slices unequally far apart" /usr/bin/python3 - <<'P'
import h5py
with h5py.File("axial_other.h5", "r+") as f:
    rows = f["dataset/data"][...]
    last = rows["head"]["idx"]["slice"] == 2
    rows["head"]["position"][last, 2] += 3
    f["dataset/data"][...] = rows
P
    refuses "as NIfTI" 1 'axial.nii: 3 slices that are not equally far apart' $mri axial_other.h5 \
        axial.nii --method zero-filled --maps none
    works "as HDF5" $mri axial_other.h5 axial.h5 --method zero-filled --maps none
    works "kept in another format" $k convert scanner.h5 kept.mrd
    works "the same image" $mri kept.mrd kept.nii
    holds "to the byte" cmp -s scanner.nii kept.nii
    works "noise scans are kept" $k info kept.mrd
    says "as many" 'noise scans    4096 samples a coil'
    works "of separate calibration lines" $k convert "$golden/ismrmrd/packed.h5" packed.mrd
    works "they are kept" $k info packed.mrd
    says "and told" 'calibration    lines for calibration only'
    says "so is the bandwidth of the noise" "variance of the image's 2.5 times theirs"
    works "slice 2 of it" $mri scanner.h5 scanner2.nii --slices 2
    works "its place" /usr/bin/python3 - <<'P'
import struct
head = open("scanner2.nii", "rb").read(352)
assert abs(struct.unpack("<12f", head[280:328])[11] - 36) < 1e-3
P
    works "an image larger than its matrix" $mri large.h5 large.h5.cfl --slices 0
    dims "its size" large.h5 "120 128"

    # frames that interleave their lines: each lacks a middle of its own
    works "a series" /usr/bin/python3 - <<'P'
import numpy as np
head = open("full.hdr").read().split("\n")
d = [int(v) for v in head[1].split()]
k = np.fromfile("full.cfl", "<c8").reshape(d, order="F")
s = np.zeros((*k.shape[:10], 2, *k.shape[11:]), "<c8", order="F")
for t in range(2):
    s[:, t::2, ..., t : t + 1, :, :, :, :, :] = k[:, t::2]
open("series.hdr", "w").write("# Dimensions\n" + " ".join(map(str, s.shape)) + "\n")
s.ravel(order="F").tofile("series.cfl")
P
    works "maps of all frames for each" "$scry" mri series.cfl series_out.cfl --method cg-sense
    warns "which is said" 'coil maps: all 2 frames share those of the mean of 2 frames'
    works "both frames are images" /usr/bin/python3 - <<'P'
import numpy as np, h5py
t = h5py.File("truth.h5")["reconstruction"][0]
v = np.abs(np.fromfile("series_out.cfl", "<c8")).reshape(2, *t.shape)
for f in v:
    off = np.linalg.norm(f - t) / np.linalg.norm(t)
    assert off < 0.12, off
P

    for m in temporal-tv llr; do
        works "$m joins the frames" $mri series.cfl $m.cfl --method $m --iterations 30
        works "$m: both frames are images" /usr/bin/python3 - $m <<'P'
import sys
import numpy as np, h5py
t = h5py.File("truth.h5")["reconstruction"][0]
v = np.abs(np.fromfile(sys.argv[1] + ".cfl", "<c8")).reshape(2, *t.shape)
for f in v:
    off = np.linalg.norm(f - t) / np.linalg.norm(t)
    assert off < 0.12, off
P
    done
    works "samples of 1e-25" /usr/bin/python3 -c '
import numpy as np
(np.fromfile("full.cfl", "<c8") * np.float32(1e-25)).tofile("tiny.cfl")
open("tiny.hdr", "w").write(open("full.hdr").read())'
    refuses "are too small for single precision" 1 'largest sample is .* expected 1e-16 to 1e\+16' \
        $mri tiny.cfl x.h5
    refuses "one frame has none to join" 1 'llr joins the frames of a series, there is 1 frame' \
        $mri full.cfl x.h5 --method llr
    works "slices of two frames" /usr/bin/python3 - <<'P'
import numpy as np
head = open("series.hdr").read().split("\n")
d = [int(v) for v in head[1].split()]
s = np.fromfile("series.cfl", "<c8")
d[13] = 3
open("stacks.hdr", "w").write("# Dimensions\n" + " ".join(map(str, d)) + "\n")
np.concatenate([s, 2 * s, 3 * s]).tofile("stacks.cfl")
P
    works "together" $mri stacks.cfl stacks_1.cfl --method llr --iterations 5 --threads 1
    works "2 threads" $mri stacks.cfl stacks_2.cfl --method llr --iterations 5 --threads 2
    holds "the same bytes" cmp -s stacks_1.cfl stacks_2.cfl
    if command -v mpirun >/dev/null; then
        works "2 ranks" env ASAN_OPTIONS=detect_leaks=0 mpirun --allow-run-as-root \
            --oversubscribe -n 2 $mri stacks.cfl stacks_3.cfl --method llr --iterations 5
        holds "the same bytes" cmp -s stacks_1.cfl stacks_3.cfl
    fi

    # a slice that cannot be is named, the others are written
    for f in first middle; do
        works "NaN, $f slice" bash -c "$mri nan_$f.h5 nan_$f.nii; [ \$? = 1 ]"
        warns "named, $f" "nan_$f.h5: kspace, slice [01]: 1 of 30720 samples are NaN"
        warns "the failed slice is named, $f" "1 of 3 slices failed and are NaN in nan_$f.nii"
        works "the others are there, $f" /usr/bin/python3 - $f <<'P'
import numpy as np, sys
v = np.fromfile(f"nan_{sys.argv[1]}.nii", "<f4", offset=352).reshape(3, -1)
bad = ["first", "middle"].index(sys.argv[1])
assert [bool(np.isnan(s).all()) for s in v] == [i == bad for i in range(3)]
assert not np.isnan(np.delete(v, bad, 0)).any()
P
    done
    refuses "NaN everywhere" 1 'nan_all.h5: kspace, slice 1: .* NaN' $mri nan_all.h5 x.h5
    refuses "all zeros" 1 'zeros.h5: kspace, slice 1: all samples are 0' $mri zeros.h5 x.h5
    refuses "real numbers" 1 'real.h5: kspace .*float32.*expected.*complex' $mri real.h5 x.h5
    refuses "one axis" 1 'rank.h5: kspace .*80.*expected' $mri rank.h5 x.h5
    refuses "words" 1 'words.h5: kspace .*expected' $mri words.h5 x.h5
    refuses "images" 1 'images.h5: holds images, not k-space, expected kspace' $mri images.h5 x.h5
    works "another name is a plain file" $mri renamed.h5 renamed_out.h5 --maps none \
        --method zero-filled --dataset data
    refuses "a dataset that is not there" 1 'renamed.h5:.*nothing' $mri renamed.h5 x.h5 \
        --dataset nothing
    refuses "a mask of another length" 1 'narrow.cfl: a mask of 77 x 1, expected 80 x 96' \
        $mri full.cfl x.h5 --mask narrow.cfl
    refuses "a transformed axis of nobody" 2 "transformed 'z', expected one of read" $mri full.cfl \
        x.h5 --transformed z
    refuses "a position of the readout is no readout" 1 'position.cfl: dimension 0' $mri \
        position.cfl x.h5 --oversampling 2
else
    skipped "numpy or h5py are not installed"
fi

# ---- independent tools ----
if command -v bart >/dev/null; then
    works "bart ecalib" bart ecalib -m 1 ksp theirs
    works "with its maps" $mri ksp.cfl bart_maps.h5 --maps theirs.cfl --method cg-sense \
        --lambda 0.01 --iterations 30
    works "bart pics reads ours" bart pics -S -l2 -r 0.01 -i 30 ksp sens pics
    works "ours" $mri ksp.cfl ours.cfl --maps sens.cfl --method cg-sense --lambda 0.01 \
        --iterations 30 --noise none
    close "as bart pics" 0.01 ours.cfl pics.cfl
else
    skipped "bart is not installed"
fi
generate=ismrmrd_generate_cartesian_shepp_logan
if command -v $generate >/dev/null; then
    works "$generate" $generate -o tool.h5 -m 64 -c 4 -n 0.05 -C
    works "of it an image" $mri tool.h5 tool.nii
    works "as large as it says" $k info tool.h5
    says "oversampled twice" '2 times along the readout'
else
    skipped "$generate is not installed"
fi
works "frames" $mri "$golden/ismrmrd/frames.h5" frames.cfl --method zero-filled --maps none
holds "six of them" test "$(stat -c %s frames.cfl)" = $((6 * 6 * 8 * 8))

# ---- refusals ----
head -c 20000 scan.h5 >short.h5
cp ksp.hdr short.hdr
head -c 1000 ksp.cfl >short.cfl
cp sens.hdr less.hdr
sed -i '2s/96 80 1 4/96 80 1 3/' less.hdr
head -c $((96 * 80 * 3 * 8)) sens.cfl >less.cfl
: >empty.h5
echo "not k-space" >text.h5
mkdir -p closed folder.h5
refuses "truncated HDF5" 1 'short.h5' $mri short.h5 x.h5
refuses "truncated cfl" 1 'short.cfl.*1000.*expected|short.cfl.*expected.*1000' $mri short.cfl x.h5
refuses "an empty file" 1 'empty.h5.*empty' $mri empty.h5 x.h5
refuses "text" 1 'text.h5: neither HDF5' $mri text.h5 x.h5
printf '\x93NUMPY\x01\x00v\x00' >k.npy
printf 'MATLAB 5.0 MAT-file, Platform: GLNXA64' >k.mat
{ head -c 128 /dev/zero; printf DICM; head -c 64 /dev/zero; } >k.dcm
{ printf '\0\0\0\0\2\0\0\0'; head -c 20000 /dev/zero; } >meas.dat
refuses "a NumPy array that is cut off" 1 'k.npy: does not begin as numpy' $mri k.npy x.h5
printf 'yardl\001' >stream.bin
refuses "an MRD stream" 1 'stream.bin: an MRD stream: convert it with' $mri stream.bin x.h5
works "k-space as a NumPy array" $k convert little.h5 little.npy
works "an image of it as another" $mri little.npy out.npy --method zero-filled
close "the same as of HDF5" 1e-5 out.npy z.hdf5
refuses "a MATLAB 5 file" 1 'k.mat: a MATLAB 5 file: save it with -v7.3' $mri k.mat x.h5
refuses "a DICOM file" 1 'k.dcm: a DICOM file' $mri k.dcm x.h5
refuses "raw data of a vendor" 1 'meas.dat: Siemens raw data: .*siemens_to_ismrmrd' \
    $mri meas.dat x.h5
refuses "no such file" 1 'nowhere.h5' $mri nowhere.h5 x.h5
works "one of several measurements" $mri "$golden/ismrmrd/several.h5" s.cfl --dataset dataset_1 \
    --method zero-filled --maps none
holds "the image" grep -q '^6 8 1' s.hdr
refuses "maps of fewer coils" 1 'less.cfl: maps of 3 coils, expected 4' $mri ksp.cfl x.h5 \
    --maps less.cfl
refuses "maps of another size" 1 'sens.cfl: maps of 80 x 96 \(y, x\), expected 96 x 80' \
    $mri scan.h5 x.h5 --maps sens.cfl
refuses "no such maps" 1 'nowhere' $mri scan.h5 x.h5 --maps nowhere.cfl
refuses "no such mask" 1 'nowhere.h5' $mri scan.h5 x.h5 --mask nowhere.h5
works "no centre" $k undersample full.h5 sparse.h5 --pattern regular --accel 8 --centre 0.02
refuses "no centre for maps" 1 \
    'sparse.h5: the centre of k-space is not fully sampled: found .*at least' $mri sparse.h5 x.h5
refuses "line outside the matrix" 1 'bad_line.h5' $mri "$golden/ismrmrd/bad_line.h5" x.h5
refuses "limits outside the matrix" 1 \
    'bad_limits.h5: /dataset/xml: .* from 0 to 8 .* outside the matrix' \
    $mri "$golden/ismrmrd/bad_limits.h5" x.h5
refuses "slices outside" 1 "slices '2-5', expected A-B within 0-2" $mri three.h5 x.h5 --slices 2-5
refuses "output exists" 1 'out.h5 exists; --force' $mri scan.h5 out.h5
refuses "sd exists" 1 'sd.h5 exists; --force' $mri scan.h5 x.h5 --method dds --sd sd.h5
refuses "cfl exists" 1 'out.cfl exists; --force' $mri scan.h5 out.cfl
refuses "onto itself" 2 'scan.h5 is both input and output' $mri scan.h5 scan.h5 --force
refuses "an ending of nobody" 2 'x.png: images are files that end in' $mri scan.h5 x.png
refuses "a folder that is not there" 1 'there is no folder nowhere' $mri scan.h5 nowhere/x.h5
refuses "a folder for a file" 2 "'folder.h5' is a folder" $mri scan.h5 folder.h5
refuses "no output" 2 '1 files named' $mri scan.h5
refuses "a method of nobody" 2 "'magic' is not a method" $mri scan.h5 x.h5 --method magic
refuses "an option of nobody" 2 'magic' $mri scan.h5 x.h5 --magic
refuses "sd of one estimate" 2 'sd needs 2 draws or more, wavelet has only one' $mri scan.h5 \
    x.h5 --sd s.h5
refuses "no samples" 2 'samples 0, expected 1' $mri scan.h5 x.h5 --method dds --samples 0
refuses "no prior" 1 'nobody' $mri scan.h5 x.h5 --method dds --prior nobody
refuses "a noise of nobody" 2 "noise 'pink', expected auto, scan" $mri scan.h5 x.h5 --noise pink
refuses "a noise of other coils" 1 "noise of 1 coils, expected the 4" $mri scan.h5 x.h5 \
    --noise one.cfl
refuses "noise scans that are not there" 1 'holds no noise scan' $mri scan.h5 x.h5 --noise scan
refuses "rss of a method that cannot" 1 'expected --method zero-filled' $mri scan.h5 x.h5 \
    --maps none
refuses "an oversampling below 1" 1 'oversampling 0.5 of 96' $mri scan.h5 x.h5 --oversampling 0.5
chmod a-w closed
if [ "$(id -u)" != 0 ]; then
    refuses "a folder that cannot be written" 1 'closed' $mri scan.h5 closed/x.h5
fi
refuses "a folder that nobody can write to" 1 '/proc/x.h5' $mri little.h5 /proc/x.h5 \
    --method zero-filled
works "help" "$scry" mri --help
says "help names it" 'usage: scry mri'

echo "$failures failed"
[ $failures = 0 ]

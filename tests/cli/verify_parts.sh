#!/usr/bin/env bash
# `scry verify levy` and `scry verify calibration` as a user meets them, on their quickest rows.
# usage: verify_parts.sh path/to/scry.  Prints one line a check; exit status 1 when one fails.
set -u
scry=$(realpath "$1")
source "$(dirname "$0")/checks.sh"

# says NAME PATTERN: of the output of the last command
says() { holds "$1" grep -qE -e "$2" stdout; }

works "levy" "$scry" verify levy --operator impute --method ddrm --seed 3 --quiet --threads 1 \
    --json levy.json --plot levy.png
says "Laplace increments" '^ddrm +impute +bern-lapl .* 114$'
says "the control" '^gibbs +impute +laplace '
holds "numbers are written" grep -q '"cover90"' levy.json
holds "a plot is written" test -s levy.png
cp stdout one
works "levy, other threads" "$scry" verify levy --operator impute --method ddrm --seed 3 --quiet \
    --threads 2
holds "levy does not depend on threads" cmp -s one stdout
# The control is a second run of its own reference: none of its intervals may be far off.
awk '$1 == "gibbs" { if ($7 < 0.42 || $7 > 0.58 || $8 < 0.86 || $8 > 0.94) bad = 1; n++ }
     END { exit bad || n != 4 }' one
holds "the control is calibrated" test $? = 0
refuses "levy, an operator of others" 2 'denoise, deconvolve, impute, fourier' "$scry" verify levy \
    --operator blur
refuses "levy, too many chains" 2 '--chains 5000, expected 2 to 1000 in levy' "$scry" verify levy \
    --chains 5000 --quiet

works "calibration" "$scry" verify calibration --operator fourier --method diffpir --quiet \
    --json ranks.json --plot ranks.png
says "a prior in closed form" '^diffpir +fourier +gaussian .* 456$'
says "a mixture" '^diffpir +fourier +mixture '
says "a shipped network" '^diffpir +fourier +mri .* 228$'
holds "ranks are written, ten bars that sum to ten" python3 - <<'END'
import json
for row in json.load(open("ranks.json"))["parts"][0]["rows"]:
    assert row["metrics"]["rank1"]["error"] > 0
    assert len(row["ranks"]["bars"]) == 10 and abs(sum(row["ranks"]["bars"]) - 10) < 1e-6
    assert 0 < row["ranks"]["error"] < 1
END
refuses "calibration, chains without ranks" 2 '--chains 3, expected 4 to .* in calibration' \
    "$scry" verify calibration --chains 3 --quiet
refuses "all parts, too few chains for one" 2 'in calibration' "$scry" verify --chains 3

# A network that is not there is a finding; other measurements are kept.
cp "$scry" ./elsewhere
SCRY_PRIORS=/nonexistent works "no network" ./elsewhere verify calibration --operator fourier \
    --method ddrm --quiet
says "its controls" '^ddrm +fourier +mixture .* 456$'
says "the missing network is named" "^ddrm +fourier +mri +not measured: prior 'mri'"

"$scry" verify levy --json stopped.json --plot stopped.png >stdout 2>stderr &
sleep 1
kill -INT $!
wait $!
holds "interrupt: status" test $? = 130
holds "interrupt: is said" grep -q 'scry verify: interrupted by SIGINT' stderr
holds "interrupt: nothing left" test -z "$(ls | grep stopped)"

echo "$failures failed"
[ $failures = 0 ]

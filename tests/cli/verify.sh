#!/usr/bin/env bash
# `scry verify` as a user meets it.
# usage: verify.sh path/to/scry.  Prints one line a check; exit status 1 when one fails.
set -u
scry=$(realpath "$1")
source "$(dirname "$0")/checks.sh"
v="$scry verify"
quick="--method jfps --operator mask --chains 20 --quiet"

works "help" $v --help
holds "help names the options" grep -q -e --operator stdout
works "gaussian, files" $v gaussian $quick --json a.json --plot a.png
holds "the table has both problems" [ "$(grep -c '^jfps ' stdout)" = 2 ]
holds "JSON: values have errors" python3 - <<'END'
import json
rows = json.load(open("a.json"))["parts"][0]["rows"]
assert [r["problem"] for r in rows] == ["12", "6x7"]
for r in rows:
    assert r["samples"] == 320 and r["cost"]["denoise"] == 40 and r["cost"]["vjp"] == 0
    assert r["metrics"]["cover90"]["error"] > 0
END
holds "the plot is a PNG" [ "$(head -c 4 a.png | tail -c 3)" = PNG ]
grep '^jfps ' stdout >first
OMP_NUM_THREADS=1 works "one thread" $v gaussian $quick --threads 1
grep '^jfps ' stdout >second
holds "threads do not change a number" cmp first second
works "mixture" $v mixture $quick
works "two chains have no quantiles" $v gaussian --method jfps --operator mask --chains 2 --quiet

works "options of a method" $v gaussian $quick --steps 7 --start noise --json b.json
holds "they are printed" [ "$(grep -c -e '^ *--steps 7 --start noise$' stdout)" = 2 ]
holds "and recorded" python3 - <<'END'
import json
row = json.load(open("b.json"))["parts"][0]["rows"][0]
assert row["settings"] == "--steps 7 --start noise" and row["cost"]["denoise"] == 7
assert json.load(open("a.json"))["parts"][0]["rows"][0]["settings"] == ""
END
works "a default that is given is the default" $v gaussian $quick --steps 40 --check
refuses "a check without a label" 1 "differ from the labels" $v gaussian $quick --steps 7 \
    --check
works "settings of labels" $v gaussian --method daps --accurate --operator mask --chains 2 --quiet
holds "they are those of the label" grep -q -e '^ *--variance matched$' stdout

refuses "unknown part" 2 "'nonsense' is not a part; expected one of gaussian, mixture" $v nonsense
refuses "two parts" 2 "2 parts named" $v gaussian mixture
refuses "unknown method" 2 "'nonsense' is no posterior sampler, .* expected one of diffpir" \
    $v --method nonsense
refuses "a method of another kind" 2 "'ddim' is no posterior sampler" $v --method ddim
works "a point estimate has a bias and no spread" $v gaussian --method wiener --operator mask \
    --chains 2 --quiet
holds "its sd is 0" [ "$(grep -c -E '^wiener .* 0.000\(0\) +0.000\(0\) +0.000' stdout)" = 2 ]
refuses "options of no method" 2 "expected --method NAME" $v gaussian --steps 7
refuses "an option of another method" 2 "jfps has no option lambda" $v $quick --lambda 1
refuses "an option out of range" 2 "steps is 0" $v $quick --steps 0
refuses "a word that is none" 2 "expected one of noise" $v $quick --start there
refuses "two sets of options" 2 "goes without it" $v --method daps --accurate --steps 3
refuses "no accurate settings" 2 "defaults only" $v --method dps --accurate
refuses "levy has no labels" 2 "expected gaussian or mixture" $v levy --accurate
refuses "unknown operator" 2 "'radon' is not known to gaussian; expected one of blur" \
    $v gaussian --operator radon
refuses "one chain" 2 "--chains 1, expected 2" $v --chains 1
refuses "no chain" 2 "--chains 0, expected 2" $v --chains 0
refuses "negative seed" 2 "--seed -1" $v --seed -1
refuses "an output is there" 1 "a.json exists; --force" $v gaussian $quick --json a.json
refuses "a folder that is not there" 1 "nowhere" $v gaussian $quick --json nowhere/a.json

echo "$failures failed"
[ $failures = 0 ]

#!/usr/bin/env bash
# ESPIRiT beside BART's, one thread each, on the same k-space:
#   bench_espirit.sh BUILD-FOLDER KSP.cfl [SIZE]
# SIZE: k-space is zero-padded to SIZE x SIZE first. Prints processor seconds of both (best of
# three), and how much the maps are alike. Needs `bart`.
set -euo pipefail
export OMP_NUM_THREADS=1
bench=$1/tests/bench/bench_espirit
ksp=${2%.cfl}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ $# -gt 2 ]; then
    bart resize -c 0 "$3" 1 "$3" "$ksp" "$work/ksp"
    ksp=$work/ksp
fi
best=
for _ in 1 2 3; do
    TIMEFORMAT=%U
    seconds=$({ time bart ecalib -m1 -r24 "$ksp" "$work/maps" >/dev/null 2>&1; } 2>&1)
    best=$(printf '%s\n' $best "$seconds" | sort -n | head -1)
done
echo "bart ecalib -m1 -r24: $best s"
"$bench" "$ksp" "$work/maps"

#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test three times: compiled by gcc, by gcc with
# address and undefined-behaviour sanitizers, and by clang. Goes on after a failure and says at the
# end what each run gave; exit status 1 when one failed.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export SCRY_PACKAGES="clang libomp-dev python3-numpy python3-tifffile"
export CTEST_OUTPUT_ON_FAILURE=1 CLICOLOR=0
jobs=$(nproc)
summary=
failed=0

# suite NAME "CTEST OPTIONS" CMAKE OPTIONS...
suite() {
    local name=$1 select=$2 build=$root/build log began=$SECONDS built cases
    [ "$name" = gcc ] || build=$root/build-$name
    shift 2
    echo "== $name: build"
    if ! bash "$root/apps/setup.sh" "$build" -DSCRY_WERROR=ON "$@" </dev/null; then
        summary+="$name: the build failed"$'\n'
        failed=1
        return
    fi
    built=$((SECONDS - began))
    began=$SECONDS
    echo "== $name: tests"
    # shellcheck disable=SC2086  # options are words
    ctest --test-dir "$build" -j "$jobs" $select </dev/null || failed=1
    log=$build/Testing/Temporary/LastTest.log
    cases="$(grep -c '^\[ *OK \]' "$log") cases passed, $(grep -c '^\[ *SKIPPED \]' "$log") skipped"
    summary+="$name: built in $built s, tested in $((SECONDS - began)) s, $cases"$'\n'
    summary+="$(grep -h ' skipped: ' "$log" | sort -u | sed 's/^/    /')"$'\n'
}

suite gcc ""
# The program and the installation are slow and tested above.
suite sanitize "-LE slow" -DSCRY_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
suite clang "-LE slow" -DCMAKE_C_COMPILER=clang

echo "== summary"
printf '%s' "$summary" | grep .
exit $failed

#!/usr/bin/env bash
# Installs missing packages, builds, and runs every test three times: compiled by gcc; by gcc with
# address and undefined-behaviour sanitizers, on one thread; and by clang, on two. Goes on after a
# failure and says each run's result at the end; exit status 1 when one failed.
# usage: tests/run.sh [gcc] [sanitize] [clang]   only these builds
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export SCRY_PACKAGES="clang clang-format libomp-dev dpkg-dev file groff-base mandoc python3-numpy
    python3-tifffile python3-h5py"
export CTEST_OUTPUT_ON_FAILURE=1
jobs=$(nproc)
summary=
failed=0
[ $# -gt 0 ] || set -- gcc sanitize clang

# suite NAME THREADS CMAKE OPTIONS...
suite() {
    local name=$1 threads=$2 build=$root/build began=$SECONDS built log closing
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
    log=$build/tests.log
    OMP_NUM_THREADS=$threads ctest --test-dir "$build" -j "$jobs" </dev/null | tee "$log" ||
        failed=1
    closing=$(grep 'tests passed' "$log" || echo "ctest did not finish")
    summary+="$name: built in $built s, tested in $((SECONDS - began)) s: $closing"$'\n'
    log=$build/Testing/Temporary/LastTest.log
    summary+="    $(grep -c '^\[ *OK \]' "$log") cases passed,"
    summary+=" $(grep -c '^\[ *SKIPPED \]' "$log") skipped"$'\n'
    summary+="$(grep -h '^skipped: ' "$log" | sort -u | sed 's/^/    /')"$'\n'
}

for build; do
    case $build in
    gcc) suite gcc "$jobs" ;;
    sanitize) # lines for traces, and no more
        suite sanitize 1 -DSCRY_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
            -DCMAKE_C_FLAGS_RELWITHDEBINFO="-O2 -g1 -DNDEBUG"
        ;;
    clang) suite clang 2 -DCMAKE_C_COMPILER=clang ;;
    *) echo "'$build' is not a build, expected gcc, sanitize or clang" >&2; exit 2 ;;
    esac
done

echo "== summary"
printf '%s' "$summary" | grep .
exit $failed

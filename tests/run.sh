#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test: an ordinary build, then one with address and
# undefined-behaviour sanitizers. clang compiles everything too.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export SCRY_PACKAGES="clang libomp-dev python3-numpy python3-tifffile python3-h5py"
jobs=$(nproc)

echo "== build (gcc, warnings are errors)"
bash "$root/apps/setup.sh" "$root/build" -DSCRY_WERROR=ON
echo "== tests"
ctest --test-dir "$root/build" -j "$jobs" --output-on-failure

echo "== build (gcc, address and undefined-behaviour sanitizers)"
bash "$root/apps/setup.sh" "$root/build-sanitize" -DSCRY_WERROR=ON -DSCRY_SANITIZE=ON \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo
echo "== tests under sanitizers"
# The network primitives' own just-in-time code is not instrumented; leaks of ours are still found.
ctest --test-dir "$root/build-sanitize" -j "$jobs" --output-on-failure -LE slow

echo "== build (clang)"
bash "$root/apps/setup.sh" "$root/build-clang" -DSCRY_WERROR=ON -DCMAKE_C_COMPILER=clang

echo "== summary of the ordinary build"
ctest --test-dir "$root/build" -N | tail -1

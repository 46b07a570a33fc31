#!/usr/bin/env bash
# Installs the Debian packages of scry and builds it; run by demo.sh and tests/run.sh.
# On another system it only builds, and CMake names missing libraries.
# usage: apps/setup.sh [build-folder [cmake options...]]
# $SCRY_TARGET: one target of the build in place of all
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build}
shift || true

packages="gcc cmake ninja-build pkg-config libc6-dev libfftw3-dev libgsl-dev libtiff-dev
    libdnnl-dev librandom123-dev libcjson-dev libxml2-dev libpng-dev zlib1g-dev libzstd-dev
    libblosc-dev libpopt-dev
    libhdf5-dev
    libnifti-dev libopenmpi-dev openmpi-bin libcmocka-dev
    ${SCRY_PACKAGES:-}"
missing=
if command -v dpkg-query >/dev/null; then
    for p in $packages; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' ||
            missing="$missing $p"
    done
fi
if [ -n "$missing" ]; then
    echo "installing:$missing"
    as_root=
    if [ "$(id -u)" != 0 ]; then
        as_root=sudo
        command -v sudo >/dev/null || {
            echo "run as root: apt-get install$missing" >&2
            exit 1
        }
    fi
    # shellcheck disable=SC2086  # packages are words
    {
        $as_root apt-get update -qq </dev/null
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends $missing </dev/null >/dev/null
    }
fi

# A folder that was configured before keeps its generator.
generator=
[ -e "$build/CMakeCache.txt" ] || ! command -v ninja >/dev/null || generator="-G Ninja"
log=$(mktemp)
trap 'kill "${watch:-}" 2>/dev/null; rm -f "$log"' EXIT
# A line with the count of steps now and then, where there is much to build.
progress() {
    local count before=
    while sleep 10 >/dev/null 2>&1 </dev/null; do
        count=$(grep -oE '^\[ *[0-9]+(/[0-9]+|%)\]' "$log" | tail -1)
        [ "$count" = "$before" ] || echo "building ${build##*/} $count"
        before=$count
    done
}
progress &
watch=$!
# shellcheck disable=SC2086
if ! { cmake -S "$root" -B "$build" $generator "$@" &&
    cmake --build "$build" --parallel "$(nproc)" ${SCRY_TARGET:+--target $SCRY_TARGET}
} >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    echo "the build in $build failed" >&2
    exit 1
fi

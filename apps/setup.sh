#!/usr/bin/env bash
# Installs what scry is built from (Debian packages) and builds it. Sourced or run by demo.sh and
# tests/run.sh.   usage: apps/setup.sh [build-folder [cmake options...]]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${1:-$root/build}
shift || true

packages="gcc cmake ninja-build pkg-config libc6-dev libfftw3-dev libgsl-dev libtiff-dev libdnnl-dev
          librandom123-dev libcjson-dev libxml2-dev libpng-dev libpopt-dev libcmocka-dev ${SCRY_PACKAGES:-}"
missing=
for p in $packages; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
if [ -n "$missing" ]; then
    echo "installing:$missing"
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { cmake -S "$root" -B "$build" -G Ninja "$@" && cmake --build "$build"; } >"$log" 2>&1; then
    cat "$log" >&2
    echo "the build in $build failed" >&2
    exit 1
fi

#!/usr/bin/env bash
# Installs a build into a folder of its own and uses it as a stranger would: every public header
# alone, a program built through find_package(scry), the same through pkg-config, and the installed
# `scry` with the installed priors.   usage: install.sh build-folder C-compiler
set -euo pipefail
build=$(realpath "$1")
compiler=$2
here=$(realpath "$(dirname "$0")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
prefix=$root/usr
include=$prefix/include/scry
cmake --install "$build" --prefix "$prefix" >/dev/null

count=0
for header in $(cd "$include" && find . -name '*.h' | sort); do
    # twice: the guard works. C11 without extensions: nothing is taken for granted.
    printf '#include "%s"\n#include "%s"\n' "${header#./}" "${header#./}" >"$root/alone.c"
    "$compiler" -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$include" \
        "$root/alone.c"
    count=$((count + 1))
done
[ "$count" -gt 20 ]
echo "$count public headers, each compiles alone"
[ -z "$(find "$include" -name '*_impl.h')" ]

# with the build tool that is known to be there
generator=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$build/CMakeCache.txt")
cmake -S "$here" -B "$root/cmake" -G "$generator" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$compiler" \
    >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
cmake --build "$root/cmake" >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
"$root/cmake/consumer" >"$root/said.cmake"
echo "find_package(scry): $(cat "$root/said.cmake")"

export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name scry.pc)")
# shellcheck disable=SC2046  # flags are words
"$compiler" -std=c11 "$here/consumer.c" -o "$root/consumer" \
    $(pkg-config --cflags --libs --static scry)
"$root/consumer" >"$root/said.pkgconfig"
echo "pkg-config scry: $(cat "$root/said.pkgconfig")"

cd "$root"
scry=$prefix/bin/scry
[[ "$("$scry" --version)" == *"$(pkg-config --modversion scry)"* ]]
[ -e "$prefix/share/scry/priors/microscopy/config.json" ]
"$scry" sample --prior microscopy --size 16x16 --samples 1 --steps 2 --seed 1 --quiet out.tif
"$scry" info out.tif | grep -q '16'
echo "the installed scry samples from the installed prior"

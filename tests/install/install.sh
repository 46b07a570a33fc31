#!/usr/bin/env bash
# Installs a build into a folder of its own, moves that folder, and uses it as a stranger would:
# every header alone, in C11 and in C++17, a program and the examples built through
# find_package(scry) and through pkg-config, against libscry.so and libscry.a, and the installed
# `scry`; all of them with the installed priors.
# usage: install.sh build-folder C-compiler
set -euo pipefail
build=$(realpath "$1")
compiler=$2
here=$(realpath "$(dirname "$0")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cmake --install "$build" --prefix "$root/first" >/dev/null
mv "$root/first" "$root/usr"
prefix=$root/usr
include=$prefix/include
library=$(dirname "$(find "$prefix" -name 'libscry.so.0')")
examples=$prefix/share/doc/scry/examples
unset SCRY_PRIORS

# ---- headers ----
c=("$compiler" -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$include")
cxx=$(command -v g++ || command -v clang++ || true)
[ -n "$cxx" ] || echo "skipped: no C++ compiler"
count=0
for header in "$include"/scry/*.h; do
    # twice: the guard works. C11 without extensions: nothing is taken for granted.
    printf '#include <scry/%s>\n#include <scry/%s>\n' "${header##*/}" "${header##*/}" \
        >"$root/alone.c"
    "${c[@]}" "$root/alone.c"
    if [ -n "$cxx" ]; then
        "$cxx" -x c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$include" \
            "$root/alone.c"
    fi
    count=$((count + 1))
done
[ "$count" -gt 20 ]
echo "$count public headers, each compiles alone"
others='gsl|cJSON|cjson|fftw|tiff|hdf5|dnnl|png|libxml'
if grep -nE "#include *[<\"]($others)" "$include"/scry/*.h; then
    echo "a public header shows a third-party library"
    exit 1
fi

# ---- symbols ----
nm -D --defined-only "$library/libscry.so" | awk '$2 ~ /^[TW]$/ {print $3}' | sort >"$root/symbols"
functions=$(wc -l <"$root/symbols")
echo "$functions public functions"
[ "$functions" -gt 100 ] && [ "$functions" -lt 200 ]
if grep -v '^scry_[a-z]' "$root/symbols"; then
    echo "these are not of the public names"
    exit 1
fi
# functions of the headers can be linked, and nothing else can
cat "$include"/scry/*.h | sed -E ':a;s@/\*([^*]|\*[^/])*\*/@@g;/\/\*/{N;ba}' |
    grep -oE '\bscry_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u >"$root/declared"
if comm -23 "$root/symbols" "$root/declared" | grep .; then
    echo "these are exported, and no header declares them"
    exit 1
fi
cat "$include"/scry/*.h | grep -v typedef | grep -oE '^ *[^ *][^(]*[ *]scry_[a-z0-9_]+\(' |
    sed 's/.*[ *]\(scry_[a-z0-9_]*\)(/\1/' | sort -u >"$root/promised"
if comm -13 "$root/symbols" "$root/promised" | grep .; then
    echo "these are declared, and the library does not export them"
    exit 1
fi
readelf -d "$library/libscry.so" | grep -q 'SONAME.*libscry\.so\.0'

# ---- nothing of the machine that built it ----
if grep -rnE "$build|$root/first|/usr/lib|/usr/include" "$prefix"/lib*/{,*/}{cmake,pkgconfig} \
    "$prefix"/lib*/cmake 2>/dev/null; then
    echo "paths of the build machine in package files"
    exit 1
fi

# ---- C++ links the functions that C exports ----
if [ -n "$cxx" ]; then
    printf '#include <scry/scry.h>\nint main() { return !*scry_status_name(SCRY_OK); }\n' \
        >"$root/links.cc"
    "$cxx" -std=c++17 "$root/links.cc" -o "$root/links" -I "$include" -L "$library" -lscry
    LD_LIBRARY_PATH=$library "$root/links"
fi

# ---- find_package, with the build tool that is known to be there ----
generator=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$build/CMakeCache.txt")
cmake -S "$here" -B "$root/cmake" -G "$generator" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$compiler" -DEXAMPLES="$examples" \
    >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
cmake --build "$root/cmake" >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
for program in consumer consumer_static; do
    "$root/cmake/$program" >"$root/said"
    echo "find_package(scry), $program: $(cat "$root/said")"
done
# An example, and the check of its last line: its result is better than its input.
run_example() {
    (cd "$root" && "$2/$1") >"$root/said" || { cat "$root/said"; echo "$1 failed"; exit 1; }
    tail -1 "$root/said" | awk "$3" || { cat "$root/said"; echo "$1 says the wrong thing"; exit 1; }
    echo "$1: $(tail -1 "$root/said")"
}
run_examples() {
    [ "$(ls "$examples" | wc -l)" = 5 ]
    run_example own_operator "$1" '{exit !($3 + 0 < 1e-5 && $8 > $5 + 1)}'
    run_example own_prior "$1" '{exit !($NF < 0.08)}'
    run_example own_method "$1" '{exit !($2 > 35.5)}'
    run_example deblur "$1" '{exit !($5 > $2 + 2 && $NF > 1 && $NF < 200)}'
    run_example mri "$1" '{exit !($NF < ($8 + 0) / 3)}'
}
run_examples "$root/cmake"

# ---- pkg-config ----
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name scry.pc)")
# of those that link libscry.so, no package of its libraries is asked for
PKG_CONFIG_LIBDIR=$PKG_CONFIG_PATH pkg-config --cflags --libs scry >/dev/null
# shellcheck disable=SC2046  # flags are words
"$compiler" -std=c11 "$here/consumer.c" -o "$root/consumer" $(pkg-config --cflags --libs scry)
LD_LIBRARY_PATH=$library "$root/consumer" >"$root/said"
echo "pkg-config scry: $(cat "$root/said")"
mkdir "$root/examples"
for example in "$examples"/*.c; do
    name=${example##*/}
    # shellcheck disable=SC2046
    "$compiler" -std=c11 -Wall -Wextra -Wpedantic -Werror "$example" \
        -o "$root/examples/${name%.c}" $(pkg-config --cflags --libs scry) -lm
done
LD_LIBRARY_PATH=$library run_examples "$root/examples"
# libscry.a, beside libscry.so
# shellcheck disable=SC2046
"$compiler" -std=c11 "$here/consumer.c" -o "$root/consumer" \
    $(pkg-config --cflags --libs scry-static)
if readelf -d "$root/consumer" | grep libscry; then
    echo "scry-static links libscry.so"
    exit 1
fi
"$root/consumer" >"$root/said"
echo "pkg-config scry-static: $(cat "$root/said")"

# ---- the program ----
cd "$root"
scry=$prefix/bin/scry
[[ "$("$scry" --version)" == *"$(pkg-config --modversion scry)"* ]]
[ -e "$prefix/share/scry/priors/microscopy/config.json" ]
"$scry" sample --prior microscopy --size 16x16 --samples 1 --steps 2 --seed 1 --quiet out.tif
"$scry" info out.tif | grep -q '16'
echo "the installed scry samples from the installed prior"

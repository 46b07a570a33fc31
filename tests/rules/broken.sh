#!/usr/bin/env bash
# rules.sh must notice: each breach, alone in a small tree, has to fail and be named.
set -uo pipefail
rules=$(realpath "$(dirname "$0")/rules.sh")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree" || exit 2
failures=0

# breach REASON FILE TEXT
breach() {
    local reason=$1 file=$2 text=$3
    mkdir -p "$(dirname "$file")"
    printf '%b\n' "$text" >"$file"
    if bash "$rules" . >said; then
        echo "FAILED: $reason: not noticed"
        failures=$((failures + 1))
    elif ! grep -qE "^$file:.*$reason" said || ! grep -q ' 1 breaches$' said; then
        echo "FAILED: $reason: said $(cat said)"
        failures=$((failures + 1))
    fi
    rm "$file"
}

mkdir -p lib operators priors datasets solvers apps/recon tests .ci
touch CMakeLists.txt
for room in lib operators priors datasets solvers apps/recon; do
    echo "/* nothing */" >$room/${room##*/}.h
done
bash "$rules" . || { echo "FAILED: an empty house has breaches"; exit 1; }

breach "lib may not" lib/a.c '#include "operators/op.h"'
breach "priors may not" priors/network/a.c '#include "operators/op.h"'
breach "operators may not" operators/a.c '#include "priors/prior.h"'
breach "datasets may not" datasets/a.c '#include "priors/prior.h"'
breach "solvers may not" solvers/posterior/a.c '#include "operators/blur.h"'
breach "solvers may not" solvers/a.c '#include "priors/network/unet.h"'
breach "solvers may not" solvers/a.c '#include "apps/cli/cli.h"'
breach "apps/recon may not" apps/recon/a.c '#include "apps/cli/cli.h"'
breach "apps/recon may not" apps/recon/image/a.c '#include "apps/verify/verify.h"'
breach "apps/recon may not" apps/recon/mri/a.c '#include "datasets/phantom.h"'
breach "apps/verify may not" apps/verify/a.c '#include "apps/cli/cli.h"'
breach "internal" apps/cli/a.c '#include "apps/recon/a_impl.h"'
breach "internal" apps/a.c '#include "solvers/a_impl.h"'
breach "belongs behind lib/fft" lib/a.c '#include <fftw3.h>'
breach "belongs behind priors/network/dnnl" priors/network/a.c '#include <dnnl.h>'
breach "belongs behind" operators/a_impl.h '#include <gsl/gsl_math.h>'
breach "more than six" apps/a.h 'int scry_a_create(int, int, int, int, int, int, int);'
breach "a bare name" lib/a.c 'static int dispatch(void)'
echo 'static int a_sum(void)' | tee lib/a.c >lib/b.c
breach "in three files" lib/c.c 'static int a_sum(void)'
rm lib/a.c lib/b.c
breach "longer than 100" tests/a.c "$(printf 'x%.0s' $(seq 101))"
breach "tab" apps/a.sh 'if\ttrue'
breach "blanks" apps/a.sh 'x=1 '
breach "longer than 700" tests/a.sh "$(printf '\\n%.0s' $(seq 701))"
if command -v clang-format >/dev/null; then
    cp "$(dirname "$rules")/../../.clang-format" .
    breach "not as clang-format" lib/a.c 'int  x;'
fi
mkdir apps/package
printf 'set(SCRY_PUBLIC_HEADERS\n    lib/lib.h:all.h)\n' >apps/package/headers.cmake
printf 'SCRY_BEGIN\n' >lib/lib.h
breach "not installed" apps/a.h 'SCRY_BEGIN'
breach "no SCRY_BEGIN" lib/lib.h ''
echo "/* nothing */" >lib/lib.h
rm -r apps/package
breach "American" solvers/a.c '/* the behavior */'
breach "American" lib/a.c 'int color;'
breach "outside" apps/a.c '"../shared/data"'
touch lib/unlisted.h
if bash "$rules" . >said || ! grep -q '^lib/lib.h:1: -- does not list lib/unlisted.h' said; then
    echo "FAILED: an unlisted header: said $(cat said)"
    failures=$((failures + 1))
fi

echo "$failures failed"
[ $failures = 0 ]

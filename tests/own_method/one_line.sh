#!/usr/bin/env bash
# one_line.sh SCRY: the program with one more source and one more line in solvers/methods_impl.h.
# The command line, the help, the list of methods and the report know the method and its option.
set -u
scry=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0

says() { # WHAT PATTERN COMMAND...: it prints the pattern
    local what=$1 pattern=$2 said
    shift 2
    said=$("$@" 2>&1)
    if grep -qE -- "$pattern" <<<"$said"; then
        echo "ok: $what"
    else
        echo "FAILED: $what: said '$said', expected /$pattern/"
        failed=1
    fi
}

says "methods" '--relaxation +step.*\[1; 0.001 to 2; or --r\]' "$scry" methods landweber
says "help" 'landweber: step, in units of' "$scry" deblur --help
"$scry" simulate --phantom cells --size 32x32 truth.tif --quiet || failed=1
run=("$scry" deblur truth.tif out.tif --psf gaussian:sigma=1 --sigma 0.1 --quiet --force
     --method landweber)
says "options of the method" '^$' "${run[@]}" --relaxation 0.5 --report report.json
says "report" '"relaxation":[[:space:]]*0.5' cat report.json
says "alias" '^$' "${run[@]}" --r 0.25 --report report.json
says "report of the alias" '"relaxation":[[:space:]]*0.25' cat report.json
says "range" 'relaxation is 3, expected a number from 0.001 to 2' "${run[@]}" --relaxation 3
says "its options" 'landweber has no option steps; it takes iterations, relaxation' \
    "${run[@]}" --steps 3
says "not for others" 'tv has no option relaxation' "$scry" deblur truth.tif out.tif \
    --psf gaussian:sigma=1 --method tv --relaxation 1
exit $failed

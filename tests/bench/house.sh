#!/usr/bin/env bash
# The size and the shape of the source, for one or more revisions side by side: a Markdown table.
# usage: house.sh [REVISION ...]   (HEAD without any). Needs git, universal-ctags and clang-format.
set -euo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- HEAD
layout=$PWD/.clang-format
trees=$(mktemp -d)
trap 'rm -rf "$trees"' EXIT
folders="lib operators priors solvers datasets apps tests"
rooms="lib operators priors solvers datasets apps apps/recon apps/verify apps/cli tests"

# The C sources of the tree in $PWD, below FOLDER.
sources() { find "$@" -name '*.[ch]' -not -path '*/corpus/*' 2>/dev/null | sort; }
lines() { cat $(sources "$@") /dev/null | wc -l; }

# A function that strangers may call: declared in an installed header before its SCRY_END, or, while
# there was no list of those, in any header that is not internal.
public_headers() {
    if [ -f apps/package/headers.cmake ]; then
        sed -n '/SCRY_PUBLIC_HEADERS$/,/)/p' apps/package/headers.cmake |
            grep -oE '[a-z0-9_/]+/[a-z0-9_]+\.h'
    else
        sources lib operators priors solvers datasets | grep '\.h$' | grep -v '_impl\.h$'
    fi
}
public() {
    local header cut
    cut=$(mktemp -d)
    for header in $(public_headers); do
        sed '/^SCRY_END$/q' "$header" >"$cut/${header//\//.}"
    done
    ctags --kinds-C=p -x --_xformat=%N "$cut"/*.h | grep '^scry_' | sort -u | wc -l
    rm -r "$cut"
}
# Lines of every function, longest first.
functions() {
    sources $folders | ctags -L - --kinds-C=f --fields=+ne -f - --sort=no |
        sed -nE 's/.*line:([0-9]+).*end:([0-9]+).*/\1 \2/p' | awk '{ print $2 - $1 + 1 }' | sort -rn
}
misplaced() { # places that clang-format would change, by today's layout
    cp "$layout" .clang-format
    clang-format --dry-run $(sources $folders) 2>&1 |
        grep -c 'code should be clang-formatted' || true
}

number=0
for revision in "$@"; do
    tree=$trees/$((number += 1))
    mkdir "$tree"
    git archive "$revision" | tar -x -C "$tree"
    (
        cd "$tree"
        echo "$(git -C "$OLDPWD" rev-parse --short "$revision")"
        for room in $rooms; do lines $room; done
        public
        functions >functions.txt
        wc -l <functions.txt
        sed -n "$(($(wc -l <functions.txt) / 2 + 1))p" functions.txt
        awk '$1 > 60' functions.txt | wc -l
        wc -l $(sources $folders) | awk '$1 > 500 && $2 != "total"' | wc -l
        misplaced
        cat $(sources tests) | grep -c 'cmocka_unit_test'
        find tests -name 'test_*.c' | wc -l
    ) >"$tree.column"
done
{
    echo "at revision"
    for room in $rooms; do echo "lines of C in \`$room\`"; done
    printf '%s\n' 'public functions' 'functions' 'their median length' \
        'functions over 60 lines' 'files over 500 lines' 'places that clang-format would change' \
        'unit tests' 'test programs'
} >"$trees/names"
paste -d '|' "$trees/names" $(seq -f "$trees/%g.column" $#) |
    sed -E '1s/^\|*//; s/\|/ | /g; s/^/| /; s/$/ |/' |
    awk -v n=$# 'NR == 1 { print; printf "|---|"; for (i = 0; i < n; i++) printf "---|"; print ""
                           next } { print }'

#!/usr/bin/env bash
# The rules of the house that no compiler checks: which room may include which, where third-party
# libraries stay, and how long files and lines are. Prints each breach as file:line: reason.
# usage: rules.sh [source-folder]; exit status 1 when a rule is broken.
set -uo pipefail
export LC_ALL=C.UTF-8
cd "${1:-$(dirname "$0")/../..}" || exit 2
rooms="lib operators priors datasets solvers apps"
folders=
for folder in $rooms tests .ci; do
    [ -d "$folder" ] && folders="$folders $folder"
done
breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT

# Text that people write; weights and fuzz corpora are not.
sources=$(find $folders CMakeLists.txt -type f -not -path '*/corpus/*' \
    \( -path '.ci/*' -o -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.txt' \) | sort)
code=$(find $folders -name '*.[ch]' -not -path 'tests/*' | sort)

# Arrows: ROOM may include headers that match PATTERN, next to its own.
arrow() {
    local room=$1 allowed=$2
    [ -d "$room" ] || return 0
    grep -rnE '^ *# *include "' "$room" --include='*.[ch]' |
        grep -vE "^[^:]*:[0-9]*: *# *include \"($room/|$allowed)" |
        sed "s|\$| -- $room may not include this|"
}
vtables='(operators/(op|op_sampled|cg|update|likelihood)\.h'
vtables="$vtables|priors/(prior|gaussian|wavelet|schedule|gaussian_gap)\.h)\""
{
    arrow lib 'nothing else'
    arrow operators 'lib/'
    arrow priors 'lib/'
    arrow datasets 'lib/|operators/'
    arrow solvers "lib/|$vtables"
    arrow apps 'lib/|operators/|priors/|datasets/|solvers/'
    arrow apps/recon 'lib/|operators/|priors/|solvers/'
    arrow apps/verify 'apps/recon/|lib/|operators/|priors/|datasets/|solvers/'
    # Internal headers are for their own room and for tests.
    for room in $rooms; do
        grep -rnE '^ *# *include "[^"]*_impl\.h"' "$room" --include='*.[ch]' 2>/dev/null |
            grep -vE "include \"$room/" | sed 's|$| -- internal to another room|'
    done
    [ ! -d apps ] || grep -rnE '^ *# *include "apps/recon/[^"]*_impl\.h"' apps --include='*.[ch]' |
        grep -v '^apps/recon/' | sed 's|$| -- internal to another room|'
} >>"$breaches"

# The top level is the rooms and a few files, whatever git tracks; a file of an experiment is not.
git ls-files 2>/dev/null | grep -vE '/|^\.' |
    grep -vxE 'CMakeLists\.txt|README\.md|CHANGELOG\.md|LICENSE' |
    sed 's|$|:1: -- does not belong at the top level|' >>"$breaches"

# A third-party header (PATTERN, between the angle brackets) stays in the files that match HOME.
home() {
    local header=$1 home=$2
    grep -nE "^ *# *include <$header>" $code /dev/null | grep -vE "^($home):" |
        sed "s#\$# -- belongs behind $home#"
}
{
    home 'fftw3\.h' 'lib/fft(_filter|_impl)?\.[ch]'
    home 'tiff(io)?\.h' 'lib/io/tiff/[a-z_]*\.[ch]'
    home 'libxml/.*' '(lib/io/tiff/ome[a-z_]*|lib/io/kspace/[a-z_]*)\.[ch]'
    home 'hdf5.*' 'lib/io/(hdf5[a-z_]*|kspace/[a-z_]*)\.[ch]'
    home '(nifti/)?nifti.*' 'lib/io/nifti\.c'
    home 'mpi\.h' 'apps/cli/processes\.c'
    home 'cjson/.*' 'lib/io/json\.c'
    home 'png\.h' 'lib/io/png\.c'
    home 'zlib\.h' 'lib/io/(npy|zarr/codec)\.c'
    home '(blosc|zstd)\.h' 'lib/io/zarr/codec\.c'
    home 'Random123/.*' 'lib/rng\.c'
    home 'dnnl.*' 'priors/network/dnnl(_train)?\.c'
    home 'popt\.h' 'apps/cli/cli\.c'
    # GSL is welcome in sources; only the random generator shows one of its types.
    home 'gsl/.*' '(lib/rng_gsl\.h|[a-z0-9_/]*\.c)'
} >>"$breaches"

# Each room has a contents page that names all its public headers.
{
    for room in lib operators priors datasets solvers apps/recon; do
        [ -d "$room" ] || continue
        page=$room/${room##*/}.h
        [ -f "$page" ] || { echo "$page:1: -- the contents page is missing"; continue; }
        for header in $(find "$room" -name '*.h' -not -name '*_impl.h' -not -path "$page"); do
            grep -qF "#include \"$header\"" "$page" || echo "$page:1: -- does not list $header"
        done
    done
} >>"$breaches"

# Headers that are installed frame their declarations, which are exported; others do not.
if [ -f apps/package/headers.cmake ]; then
    installed=$(sed -n '/SCRY_PUBLIC_HEADERS$/,/)/p' apps/package/headers.cmake |
        grep -oE '[a-z0-9_/]+/[a-z0-9_]+\.h' | grep -vx lib/api.h | sort)
    framed=$(grep -lE '^SCRY_BEGIN$' $(find $rooms -name '*.h') /dev/null | sort)
    comm -23 <(echo "$installed") <(echo "$framed") | grep . |
        sed 's|$|:1: -- is installed and has no SCRY_BEGIN|' >>"$breaches"
    comm -13 <(echo "$installed") <(echo "$framed") | grep . |
        sed 's|$|:1: -- has SCRY_BEGIN and is not installed|' >>"$breaches"
fi

# Functions that make an object take at most six arguments: more are named, in a struct.
makes='create|make|open|load|init|problem|condition'
for header in $(find $rooms -name '*.h'); do
    tr '\n' ' ' <"$header" | grep -oE "scryi?_[a-z_]+_($makes)[a-z_]*\([^;()]*\);" |
        awk -F, -v header="$header" 'NF > 6 {
            sub(/\(.*/, ""); print header ":1: -- " $0 " takes more than six arguments" }'
done >>"$breaches"

# File-local functions carry their module's name: none is a bare word or stands in three files.
locals=$(grep -nE '^static [^=;(]*[ *][a-z0-9_]+\(' $code /dev/null | grep -v '^apps/examples/' |
    sed -E 's/^([^:]*):([0-9]+):static [^=;(]*[ *]([a-z0-9_]+)\(.*/\3 \1 \2/' | sort -u -k1,2)
echo "$locals" | awk 'NF == 3 {
    if ($1 !~ /_/) print $2 ":" $3 ": " $1 " -- a bare name for a local function"
    else if (++files[$1] == 3) print $2 ":" $3 ": " $1 " -- a local name in three files"
}' >>"$breaches"
grep -nE '^.{101}' $sources /dev/null | cut -c1-60 |
    sed 's|$|... -- longer than 100 columns|' >>"$breaches"
grep -nP '\t' $sources /dev/null | sed 's|$| -- has a tab|' >>"$breaches"
grep -nE ' +$' $sources /dev/null | sed 's|$|<- ends in blanks|' >>"$breaches"
# Layout is clang-format's (.clang-format), so that nobody argues and merges stay small.
if command -v clang-format >/dev/null; then
    clang-format --dry-run $code $(find tests -name '*.[ch]') 2>&1 |
        grep 'code should be clang-formatted' | cut -d: -f1,2 |
        sed 's/$/: -- not as clang-format lays it out/' >>"$breaches"
fi
wc -l $sources /dev/null | awk '$1 > 700 && $2 != "total" {
    print $2 ":" $1 ": -- longer than 700 lines" }' >>"$breaches"
# British spelling, but for names of others: commands of BART and numpy, words of CSS, ISMRMRD's
# and our former "center".
american='(behavi|col|fav|lab|neighb|hon)or(s|ed|ing|hood|hoods)?|center(s|ed|ing)?|gray(s|scale)?'
american="$american|artifacts?|judgment|analyz(e|ed|es|ing)|(normal|initial|optim|minim|maxim|real"
american="$american|regular|general|factor|organ|recogn|summar|digit|discret|linear|parallel|vector"
american="$american|penal|standard|symmetr|quant|character|serial|magnet|polar)iz"
american="$american(e|es|ed|ers?|ing|ation)"
pages=$(find . -name '*.md' -not -path './build*' -not -path '*/golden/*')
grep -nowiE "$american" $(echo "$sources" | grep -vE '\.py$|/golden/|rules/') $pages |
    grep -vE '^(lib/io/kspace/|tests/(test_mrd|fuzz/fuzz_fast|cli/kspace)).*:center$' |
    grep -vE '^apps/recon/report/page\.c:.*:(color|center)$' |
    grep -vE '^lib/io/zarr/describe\.c:.*:color$' |
    grep -vE '^(apps/cli/kspace_sampling\.c:.*:center|tests/test_tiff_read.c:.*:Gray)$' |
    sed 's|$| -- American spelling|' >>"$breaches"
# The project stands alone: only tests and CI may look for the data beside it.
grep -nE '\.\./shared|SCRY_SHARED|/work/' $sources /dev/null | grep -vE '^(tests|\.ci)/' |
    sed 's|$| -- names data outside of the project|' >>"$breaches"

cat "$breaches"
count=$(wc -l <"$breaches")
echo "$(echo "$sources" | wc -l) files, $count breaches"
[ "$count" = 0 ]

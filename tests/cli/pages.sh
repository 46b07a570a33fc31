#!/usr/bin/env bash
# The manual pages and the completion of bash that the build made: they agree with --help, tools
# for manuals find nothing wrong, and completion offers the words that the parser takes.
# usage: pages.sh path/to/scry path/to/pages.  One line a check; exit status 1 when one fails.
set -u
scry=$(realpath "$1")
pages=$(realpath "$2")
source "$(dirname "$0")/checks.sh"
man1=$pages/man/man1

# same NAME file file: files of words, in any order
same() {
    holds "$1" diff <(tr ' ' '\n' <"$2" | grep . | sort -u) <(tr ' ' '\n' <"$3" | grep . | sort -u)
}
# offers NAME "words" COMMAND LINE...: the words offered for the last word of the line
complete_line() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _scry
    printf '%s\n' "${COMPREPLY[@]}" >offered
}
offers() {
    local name=$1
    tr ' ' '\n' <<<"$2" >expected
    shift 2
    complete_line "$@"
    same "$name" expected offered
}
includes() { # completion offers at least these
    local name=$1 words=$2 word
    shift 2
    complete_line "$@"
    for word in $words; do holds "$name: $word" grep -qxe "$word" offered; done
}
compopt() { :; } # which only works while a person types

# ---- completion ----
PATH=$(dirname "$scry"):$PATH
holds "the completion is a script" bash -n "$pages/completions/scry"
source "$pages/completions/scry"
"$scry" --help | sed -n 's/^  \([a-z]*\)  *.*/\1/p' >commands
{ cat commands; echo --help; echo --version; } >expected_first
complete_line scry ''
same "commands" expected_first offered
offers "the start of a command" "deblur denoise" scry de
offers "subcommands" "convert" scry kspace c
touch cells.tif cells.h5

# --help, completion and the page list the same options
commands=$(grep -v -x kspace commands)
for command in $commands "kspace info" "kspace convert" "kspace undersample" "kspace simulate" \
    "kspace maps"; do
    page=$man1/scry-${command// /-}.1
    # shellcheck disable=SC2086  # two words
    "$scry" $command --help | sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p' >options
    # shellcheck disable=SC2086
    complete_line scry $command --
    # aliases are offered, and listed with their options
    # shellcheck disable=SC2086
    "$scry" $command --help | tr -s ' \n' ' ' | grep -oE ', or --[a-z0-9-]+' |
        sed 's/, or //' >aliases
    cat options aliases >expected
    same "completion of $command" expected offered
    grep -oE '^\\fB(\\-)+[a-z0-9\\-]*\\fR' "$page" | sed 's/\\fB//; s/\\fR//; s/\\-/-/g' >listed
    same "page of $command" options listed
done

offers "words of an option" "open joined periodic" scry deblur in.tif --boundary ''
offers "the start of a word" "periodic" scry deblur --boundary pe
offers "after =" "deflate" scry deblur --compress = d
offers "after = alone" "none deflate lzw" scry deblur --compress =
includes "words of an option of methods" "discrepancy holdout frc" scry deblur --stop ''
offers "those of the method that is chosen" "biggs" scry deblur --method richardson-lucy \
    --acceleration b
complete_line scry deblur --method=tv --
holds "options of the method that is chosen" grep -qxe --tolerance offered
complete_line scry deblur --method = tv --
holds "and of no other" bash -c '! grep -qxe --fresh-noise offered'
complete_line scry deblur --
holds "which are there before one is chosen" grep -qxe --fresh-noise offered
includes "methods" "auto mmps tv richardson-lucy" scry deblur --method ''
offers "samplers" "ddpm ddim" scry sample --sampler dd
includes "methods as arguments" "mmps heun" scry methods ''
offers "parts" "gaussian mixture levy calibration" scry verify ''
includes "priors" "microscopy mri" scry deblur --prior ''
mkdir -p priors/mine
: >priors/mine/config.json
SCRY_PRIORS=$PWD/priors includes "priors of the user" "mine microscopy" scry mri --prior ''
includes "psf models, and files" "gaussian gibson-lanni cells.tif" scry deblur --psf ''
offers "files" "cells.tif cells.h5" scry compare cel
offers "files of an option" "cells.tif" scry deblur --mask cells.t
offers "words or files" "espirit" scry mri --maps es
offers "a number is the user's" "" scry deblur --seed ''

# ---- manual pages ----
{ sed 's/^/scry-/' commands; "$scry" kspace --help | sed -n 's/^  \([a-z]*\) .*/scry-kspace-\1/p'
    echo scry; } >expected
ls "$man1" | sed 's/\.1$//' >listed
same "a page for each command" expected listed
for word in $(<commands); do
    holds "scry(1) lists $word" grep -q "^\\.B $word$" "$man1/scry.1"
done
"$scry" methods | sed -n 's/^\([a-z0-9+-]*\)  (.*/\1/p' >expected
sed -n 's/^\.SS \(.*\)/\1/p' "$pages/man/man7/scry-methods.7" | sed 's/\\-/-/g' >listed
same "scry-methods(7) has every method" expected listed
"$scry" methods | sed -n 's/^    \(--[a-z0-9-]*\) .*/\1/p' | sort -u >expected
grep -oE '^\\fB(\\-)+[a-z0-9\\-]*\\fR' "$pages/man/man7/scry-methods.7" |
    sed 's/\\fB//; s/\\fR//; s/\\-/-/g' >listed
same "and every option" expected listed
holds "the version" grep -q "\"$("$scry" --version | sed -n '1s/,.*//p')\"" "$man1/scry.1"
if command -v mandoc >/dev/null; then
    works "mandoc" mandoc -T lint -W all "$pages"/man/man?/*
    holds "mandoc has no remark" test ! -s stdout
else
    echo "skipped: mandoc is not installed"
fi
if command -v groff >/dev/null; then
    for page in "$pages"/man/man?/*; do
        works "groff, ${page##*/}" groff -man -Tutf8 -ww "$page"
        holds "groff has no remark" test ! -s stderr
    done
else
    echo "skipped: groff is not installed"
fi

# ---- how the build asks for them ----
mkdir one two closed
SOURCE_DATE_EPOCH=1000000000 works "pages" "$scry" --pages one
SOURCE_DATE_EPOCH=1000000000 works "pages again" "$scry" --pages two
holds "have the same bytes" diff -r one two
holds "and the day that was asked for" grep -q '^\.TH SCRY 1 2001-09-09' one/man/man1/scry.1
refuses "no folder" 2 'takes one folder' "$scry" --pages
refuses "a folder that is not there" 1 'nowhere/man: No such file' "$scry" --pages nowhere

echo "$failures failed"
[ $failures = 0 ]

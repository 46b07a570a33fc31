# Shared by the tests of the program: a folder of their own and checks that print one line each.
# Sourced before anything is written; afterwards `failures` says how many failed.
here=$(mktemp -d)
trap 'chmod -R u+w "$here"; rm -rf "$here"' EXIT
cd "$here" || exit 1
failures=0

say() {
    [ "$1" = ok ] || failures=$((failures + 1))
    echo "$1: $2"
}
# works NAME command...: status 0
works() {
    local name=$1
    shift
    if "$@" >stdout 2>stderr; then say ok "$name"; else
        say FAILED "$name: status $?"
        tail -3 stderr
    fi
}
# the files of the folder and their times, but for the two files above
contents() {
    find . -mindepth 1 ! -path ./stdout ! -path ./stderr \
        \( -type d -printf '%p\n' -o -printf '%p %y %i %s %T@\n' \) | sort
}
# refuses NAME STATUS PATTERN command...: this status, these words on stderr, nothing new in the
# folder
refuses() {
    local name=$1 status=$2 pattern=$3 before after got
    shift 3
    before=$(contents)
    timeout 60 "$@" >stdout 2>stderr
    got=$?
    after=$(contents)
    if [ $got -ne "$status" ]; then
        say FAILED "$name: status $got, expected $status"
        tail -3 stderr
    elif ! grep -qiE -e "$pattern" stderr; then
        say FAILED "$name: said '$(tail -1 stderr)', expected /$pattern/"
    elif [ "$before" != "$after" ]; then
        say FAILED "$name: files appeared or changed"
    else
        say ok "$name"
    fi
}
holds() { # holds NAME test-words...
    local name=$1
    shift
    if "$@"; then say ok "$name"; else say FAILED "$name: $*"; fi
}

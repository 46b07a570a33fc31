#!/usr/bin/env bash
# The claims of the README on a bare Debian 12, each in a root of its own that debootstrap makes:
#   demo     bash apps/demo.sh, and the package that its build gives
#   tests    bash tests/run.sh, or only the builds that $SCRY_SUITES names
#   package  the .deb of `demo` installed where nothing else is: program, pages, library
# Run by hand, as root; half an hour on two processors, 4 GB of disk.
# usage: bare.sh [folder [step...]]   the folder keeps log, package, and the roots of failed steps
# The mirror and the settings of apt are those of this machine; $SCRY_MIRROR overrules the former.
set -euo pipefail
tree=$(realpath "$(dirname "$0")/../..")
folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
folder=$(realpath "$folder")
shift || true
steps=("$@")
[ $# -gt 0 ] || steps=(demo tests package)
release=bookworm

[ "$(id -u)" = 0 ] || { echo "run as root: debootstrap and chroot need it" >&2; exit 1; }
for tool in debootstrap unshare chroot; do
    command -v $tool >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
done
exec > >(tee -a "$folder/log") 2>&1

# Lines for sources.list: where this machine takes the release from, its updates included.
sources() {
    local origin='$(CODENAME) $(COMPONENT) $(REPO_URI)' suite component uri
    if [ -n "${SCRY_MIRROR:-}" ]; then
        echo "deb $SCRY_MIRROR $release main"
        return
    fi
    apt-get indextargets --format "$origin" 'Created-By: Packages' 'Origin: Debian' |
        while read -r suite component uri; do
            case $suite in
            "$release" | "$release"-updates | "$release"-security)
                echo "deb ${uri%/} $suite $component"
                ;;
            esac
        done | sort -u
}

# new_root NAME: a copy of the minimal system, which is made once
new_root() {
    local base=$folder/base mirror
    if [ ! -e "$base/made" ]; then
        mirror=$(sources | awk -v release=$release '$3 == release {print $2; exit}')
        [ -n "$mirror" ] || { echo "apt has no source of $release; set SCRY_MIRROR" >&2; exit 1; }
        rm -rf "$base"
        debootstrap --variant=minbase $release "$base" "$mirror" >"$folder/debootstrap.log"
        sources >"$base/etc/apt/sources.list"
        apt-config dump | grep -E '^Acquire::(https?|ftp|Check)' \
            >"$base/etc/apt/apt.conf.d/50machine" || true
        touch "$base/made"
    fi
    rm -rf "${folder:?}/$1"
    cp -a "$base" "$folder/$1"
    cp -L /etc/resolv.conf /etc/hosts "$folder/$1/etc/"
}

# inside NAME command: runs the command in that root, with processes and devices
inside() {
    local root=$folder/$1
    shift
    unshare --mount --pid --fork --kill-child bash -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && cd / &&
        exec chroot "$1" /usr/bin/env -i HOME=/root TERM=dumb SCRY_SUITES="$3" \
            PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -euc "$2"' \
        inside "$root" "$*" "${SCRY_SUITES:-}" </dev/null
}

# The tree as it is, without build folders and without its history.
copy_tree() {
    mkdir "$folder/$1/scry"
    tar -C "$tree" --exclude='./build*' --exclude=./out --exclude=./.git -cf - . |
        tar -C "$folder/$1/scry" --no-same-owner -xf -
}

demo() {
    new_root demo
    copy_tree demo
    inside demo 'cd /scry && bash apps/demo.sh && test -s out/demo/demo.png'
    inside demo 'cd /scry && apt-get install -y -qq --no-install-recommends dpkg-dev file \
        >/dev/null && cmake --build build &&
        cpack --config build/CPackConfig.cmake -G DEB -B package'
    cp "$folder"/demo/scry/package/scry_*.deb "$folder/"
}

tests() {
    new_root tests
    copy_tree tests
    inside tests 'cd /scry && bash tests/run.sh $SCRY_SUITES'
}

package() {
    local deb
    deb=$(ls -t "$folder"/scry_*.deb | head -1)
    new_root package
    cp "$deb" "$folder/package/scry.deb"
    cp "$tree/tests/install/consumer.c" "$tree/tests/install/package.sh" "$folder/package/"
    inside package 'bash package.sh scry.deb'
}

sources
for step in "${steps[@]}"; do
    case $step in demo | tests | package) ;; *)
        echo "'$step' is not a step, expected demo, tests or package" >&2
        exit 2
        ;;
    esac
done
for step in "${steps[@]}"; do
    began=$SECONDS
    echo "== $step: $(date -u '+%F %T')"
    # not in a condition, where bash would go on after a command that fails
    "$step"
    echo "== $step: passed in $((SECONDS - began)) s"
    rm -rf "${folder:?}/$step"
done
echo "log        $folder/log"

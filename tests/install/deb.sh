#!/usr/bin/env bash
# The Debian package that cpack makes of a build: its dependencies, its files, and that the
# program in it runs from where it was unpacked.   usage: deb.sh build-folder
set -euo pipefail
build=$(realpath "$1")
for tool in dpkg-shlibdeps file; do
    if ! command -v $tool >/dev/null; then
        echo "skipped: $tool is not installed (packages dpkg-dev, file)"
        exit 77
    fi
done
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cpack --config "$build/CPackConfig.cmake" -G DEB -B "$root/made" >"$root/log" 2>&1 || {
    cat "$root/log"
    exit 1
}
deb=$(echo "$root"/made/scry_*.deb)
field() { dpkg-deb -f "$deb" "$1"; }
[ "$(field Package)" = scry ]
[ "$(field Architecture)" = "$(dpkg --print-architecture)" ]
for package in libc6 libfftw3-single3 libgsl libtiff libpng libhdf5 libdnnl libxml2 libcjson \
    libniftiio zlib1g libzstd libblosc; do
    grep -q "\b$package" <<<"$(field Depends)" || { echo "does not depend on $package"; exit 1; }
done
if field Depends | tr ',' '\n' | grep -E -- '-dev\b|libasan|libubsan'; then
    echo "depends on packages that only builds need"
    exit 1
fi

dpkg-deb -x "$deb" "$root/at"
cd "$root/at/usr"
for file in bin/scry include/scry/scry.h share/scry/priors/microscopy/config.json \
    share/man/man1/scry.1.gz share/man/man1/scry-deblur.1.gz share/man/man7/scry-methods.7.gz \
    share/bash-completion/completions/scry share/doc/scry/copyright share/doc/scry/changelog.gz; do
    [ -s "$file" ] || { echo "$file is not in the package"; exit 1; }
done
for name in libscry.so libscry.so.0 libscry.a scry.pc scry-static.pc scryConfig.cmake; do
    [ -n "$(find lib* -name "$name")" ] || { echo "$name is not in the package"; exit 1; }
done
gzip -dc share/man/man1/scry-deblur.1.gz | grep -q '^\.SH OPTIONS'
if find . ! -type l -perm /022 | grep . || find . -type f ! -perm -444 | grep .; then
    echo "files that others may write, or not read"
    exit 1
fi
if grep -rlF "$build" . || grep -rlF "$root" .; then
    echo "paths of the machine that built it"
    exit 1
fi
[[ "$(bin/scry --version)" == "scry $(field Version),"* ]]
env -u SCRY_PRIORS bin/scry info microscopy | grep -q UNet2DModel
echo "$(du -h "$deb" | cut -f1) ${deb##*/}: $(find . -type f | wc -l) files"

#!/usr/bin/env bash
# A machine that has nothing of scry: installs its Debian package, restores an image as an ordinary
# user, builds a program against the library, and removes the package. bare.sh runs it in a root of
# its own, since it changes the system.   usage: package.sh scry.deb
set -euo pipefail
deb=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
export DEBIAN_FRONTEND=noninteractive
install="apt-get install -y -qq --no-install-recommends"
apt-get update -qq
$install "$deb" >/dev/null
echo "$(dpkg-query -W -f '${Package} ${Version}: ${db:Status-Status}' scry)"

work=$(mktemp -d)
cp "$here/consumer.c" "$work"
chmod -R a+rwX "$work"
as_user() {
    (cd "$work" && setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$work" "$@")
}
as_user scry --version
as_user scry simulate --phantom cells --size 96x96 --seed 1 truth.tif
as_user scry simulate truth.tif camera.tif --psf gaussian:sigma=1.5 --photons 60 --gain 0.5 \
    --offset 100 --seed 1
as_user scry deblur camera.tif out.tif --psf gaussian:sigma=1.5 --gain 0.5 --offset 100 \
    --read-noise 1.5 --samples 2 --type float32 --preview out.png
as_user scry compare out.tif truth.tif --map '(x-100)*0.5/60' --tol 0.5
as_user scry kspace simulate full.h5 --size 64x64 --coils 4
as_user scry mri full.h5 image.nii --method cg-sense --maps lowres
as_user bash -c 'source /usr/share/bash-completion/completions/scry
    COMP_WORDS=(scry deblur --prior micro) COMP_CWORD=3; compopt() { :; }; _scry
    [ "${COMPREPLY[*]}" = microscopy ]'
[ -s /usr/share/man/man1/scry-deblur.1.gz ]
echo "the program, its priors, its pages and its completion are there"

$install gcc libc6-dev pkg-config >/dev/null
# shellcheck disable=SC2016  # expands inside
as_user bash -c 'cc -std=c11 consumer.c -o consumer $(pkg-config --cflags --libs scry)'
as_user ./consumer
echo "a program finds headers and library through pkg-config"

dpkg -L scry >"$work/files"
apt-get remove -y -qq scry >/dev/null
while read -r file; do
    if [ ! -d "$file" ] && [ -e "$file" ]; then
        echo "left behind: $file"
        exit 1
    fi
done <"$work/files"
echo "nothing of $(wc -l <"$work/files") files and folders is left behind"

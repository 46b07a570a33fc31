#!/usr/bin/env bash
# A phantom of 40 x 40 pixels seen by three coils, undersampled and noisy, and its reconstructions
# by BART 0.8 (Debian package bart), left in the unit that pics scales the data to:
#   k, s      k-space and coil maps, 1 x 40 x 40 x 3
#   l2        pics -l2 -r0.01 -i30
#   wavelet   pics -RW:3:0:0.005 -i300 -n, without shifts; BART mirrors its borders, which are dark
#   scale     the unit, as pics -d5 prints it
set -eu
cd "$(dirname "$0")"
t=$(mktemp -d)
trap 'rm -r "$t"' EXIT
bart phantom -x 40 -s 3 -k "$t/full"
bart phantom -x 40 -S 3 "$t/maps"
bart poisson -Y 40 -Z 40 -y 1.5 -z 1.5 -C 12 -s 7 "$t/zyx"
bart transpose 0 1 "$t/zyx" "$t/yx0"
bart transpose 1 2 "$t/yx0" "$t/mask"
bart noise -s 3 -n 4000 "$t/full" "$t/noisy"
bart fmac "$t/noisy" "$t/mask" k
bart normalize 8 "$t/maps" s
bart pics -l2 -r0.01 -i30 k s l2
bart pics -RW:3:0:0.005 -i300 -n k s wavelet
bart pics -d5 -l2 -r0.01 -i1 k s "$t/one" | sed -n 's/^Scaling: \([0-9.]*\) .*/\1/p' > scale
chmod 644 ./*.cfl ./*.hdr
sed -i "s,$t/,,g" ./*.hdr

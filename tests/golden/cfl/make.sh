#!/usr/bin/env bash
# Files as BART 0.8 (Debian package bart) writes them. counted: 3 x 4 x 1 x 2, its value at
# (read i, ph1 j, coil k) is i + 10 j + 100 k, so that a swapped axis shows.
set -eu
cd "$(dirname "$0")"
t=$(mktemp -d)
trap 'rm -r "$t"' EXIT
bart index 0 3 "$t/i"
bart repmat 1 4 "$t/i" "$t/i4"
bart repmat 3 2 "$t/i4" "$t/ii"
bart index 1 4 "$t/j"
bart repmat 0 3 "$t/j" "$t/j3"
bart repmat 3 2 "$t/j3" "$t/jj"
bart index 3 2 "$t/k"
bart repmat 0 3 "$t/k" "$t/k3"
bart repmat 1 4 "$t/k3" "$t/kk"
bart saxpy 10 "$t/jj" "$t/ii" "$t/ij"
bart saxpy 100 "$t/kk" "$t/ij" counted
chmod 644 counted.cfl counted.hdr # 0600 by BART
sed -i "s,$t/,,g" counted.hdr

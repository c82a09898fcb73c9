#!/usr/bin/env bash
# at-rest.sh SYMBOLS PID [SECONDS]: names the managed methods that a native host runs through at rest, for samples/Native/at-rest.txt, and ends the host.
# SYMBOLS is what the build puts beside its binary: artifacts/bin/Ztunnel/release_linux-x64/native/ztunnel.dbg. x64, with binutils, a C compiler and leave to trace.
# The file is the union of a ztunnel's and a waypoint's (over a folder of manifests), from two seconds after they were ready:
#
#   { at-rest.sh ztunnel.dbg PID; at-rest.sh waypoint.dbg PID; } | LC_ALL=C sort -u
set -euo pipefail
symbols=$1 pid=$2 seconds=${3:-25}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cc -O2 -o "$work/steps" "$here/steps.c"
"$work/steps" "$pid" "$seconds" | sed 's/$/ ~/' >"$work/steps.txt"
nm -S --defined-only "$symbols" | awk 'NF == 4 { print $1, $4, $2 }' >"$work/symbols.txt"
read -r from length < <(readelf -SW "$symbols" | awk '{ for (i = 1; i <= NF; i++) if ($i == "__managedcode") print $(i + 2), $(i + 4) }')

# Both lists together in order of their addresses, "~" behind any name: each step belongs to the symbol before it.
awk '
  function number(hex,   i, n) { for (i = 1; i <= length(hex); i++) n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1; return n }
  { printf "%015d %s %d\n", number($1), $2, number($3) }
' "$work/symbols.txt" "$work/steps.txt" | LC_ALL=C sort |
  awk -v low="$((16#$from))" -v high="$((16#$from + 16#$length))" '
    $2 != "~" { at = $1; name = $2; size = $3; next }
    $1 >= low && $1 < high && $1 - at < size && !told[name]++ { print name }
  ' | LC_ALL=C sort

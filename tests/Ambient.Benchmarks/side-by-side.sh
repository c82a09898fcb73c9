#!/usr/bin/env bash
# Our proxies against others, side by side in one run. Needs root (network namespaces); installs what it
# compares with and measures with. `side-by-side.sh --help` lists sections and options.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
export PATH=$PATH:/usr/sbin:/sbin DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

fail() { printf 'bench: %s\n' "$*" >&2; exit 1; }

missing=()
for pair in ip=iproute2 iptables=iptables nft=nftables nginx=nginx haproxy=haproxy wrk=wrk ab=apache2-utils iperf3=iperf3 curl=curl h2load=nghttp2-client; do
  command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || fail "missing: ${missing[*]}. To get them: sudo apt-get install ${missing[*]}"
  echo "bench: installing ${missing[*]}"
  log=$(mktemp)
  # The packages' own services are not ours to start: policy-rc.d is asked before any of them does.
  policy=/usr/sbin/policy-rc.d made=
  if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; made=1; fi
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; [ -z "$made" ] || rm -f $policy; fail "apt-get could not install ${missing[*]}"; }
  [ -z "$made" ] || rm -f $policy
  rm -f "$log"
fi
[ "$(id -u)" -eq 0 ] || fail "network namespaces need root: sudo ./build.sh bench $*"

dotnet build "$here/Ambient.Benchmarks.csproj" -c Release -v quiet -clp:ErrorsOnly -tl:off >&2
exec "$root/artifacts/bin/Ambient.Benchmarks/release/Ambient.Benchmarks" side-by-side --root "$root" "$@"

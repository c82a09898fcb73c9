#!/usr/bin/env bash
# Everything a person or a machine does with this repository. `./build.sh help` lists it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
artifacts=$root/artifacts
started=$SECONDS

usage() {
  cat <<'TEXT'
usage: ./build.sh VERB [arguments]

  demo [--keep]     the Bookinfo walkthrough: ten steps with real processes, TLS and policies;
                    --keep holds the mesh up afterwards so that you can try things yourself;
                    --netns gives each pod a network namespace and captures its traffic (root, Linux)
  test [arguments]  builds and runs every test project; ends with "N passed, N failed, N skipped"
                    (arguments go to `dotnet test`, for example: --filter Category=Golden); without arguments up to
                    three tests that failed run once more, alone, and are named as unsteady when they pass then
  fuzz [SECONDS]    the fuzz and property tests, each for that long (30) and from new seeds; a failure names
                    its seed, and AMBIENT_FUZZ_SEED=N ./build.sh fuzz runs that round alone
  hosts [NAME...]   native binaries: artifacts/hosts/ztunnel and artifacts/hosts/waypoint
  pack              the four packages, with symbols: artifacts/packages
  docs              writes docs/reference-cases.md from what the tests say of themselves, and the table of kinds in
                    docs/compatibility.md from the tables that manifests are read by
  bench [arguments] side by side with other proxies (root, Linux); installs what it compares with
  attack [SECONDS [NUMBER...]]
                    attacks a native ztunnel (1 to 5), gateway and waypoint (6 to 17), each for that long (20), and prints
                    the host's memory and processor and a neighbour's latency with their bounds; NUMBER picks attacks
  help              this text

Needs the .NET SDK (global.json says which). What else a verb needs it installs with apt-get when
it runs as root on Debian or Ubuntu; otherwise it says what is missing and how to get it.
TEXT
}

if [ -t 1 ]; then arrow=$'\033[1m==>\033[0m'; else arrow='==>'; fi
say()  { printf '%s %s\n' "$arrow" "$*"; }
fail() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

# ---- What a verb needs --------------------------------------------------------------------------

need_dotnet() {
  command -v dotnet >/dev/null || fail "the .NET SDK 10 is missing. Get it: https://dotnet.microsoft.com/download/dotnet/10.0 or
  curl -fsSL https://dot.net/v1/dotnet-install.sh | bash -s -- --channel 10.0, then put ~/.dotnet on PATH"
  dotnet --version >/dev/null 2>&1 || fail "the .NET SDK that global.json asks for is missing:
$(dotnet --version 2>&1 || true)"
}

# install OPTIONAL|REQUIRED PURPOSE PACKAGE...: installs with apt-get as root; else says what to type.
install() {
  local level=$1 purpose=$2; shift 2
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "installing for $purpose: $*"
    local log; log=$(mktemp)
    if { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; } >"$log" 2>&1; then
      rm -f "$log"
      return 0
    fi
    tail -n 20 "$log" >&2; rm -f "$log"
  fi
  local how="apt-get install $*"
  [ "$(id -u)" -eq 0 ] || how="sudo $how"
  command -v apt-get >/dev/null || how="install these (their Debian names) with your package manager: $*"
  if [ "$level" = REQUIRED ]; then
    fail "$purpose: missing $*. To get it: $how"
  fi
  say "without $* some of $purpose is skipped, each saying why. To get it: $how"
}

# need LEVEL PURPOSE COMMAND=PACKAGE...: makes sure that commands exist.
need() {
  local level=$1 purpose=$2 missing=() pair; shift 2
  for pair in "$@"; do
    # sbin holds ip and iptables, and is not on every PATH.
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} -eq 0 ] || install "$level" "$purpose" "${missing[@]}"
}

need_native_toolchain() {
  command -v clang >/dev/null || command -v gcc >/dev/null || install REQUIRED "native compilation" clang zlib1g-dev libc6-dev
  local compiler; compiler=$(command -v clang || command -v gcc)
  echo 'int main(void){return 0;}' | "$compiler" -x c - -lz -o /dev/null 2>/dev/null ||
    install REQUIRED "native compilation" zlib1g-dev libc6-dev
}

runtime_identifier() {
  local os=linux
  if ldd --version 2>&1 | grep -qi musl; then os=linux-musl; fi
  case "$(uname -m)" in
    x86_64)  echo "$os-x64" ;;
    aarch64) echo "$os-arm64" ;;
    *) fail "no native build for $(uname -m): x86_64 and aarch64 are known" ;;
  esac
}

# One hash of everything that the named files and folders hold, so that unchanged means untouched.
fingerprint() {
  { dotnet --version; find "$@" -type f \( -name '*.cs' -o -name '*.csproj' -o -name '*.props' -o -name '*.targets' \
      -o -name '*.json' -o -name '*.config' -o -name '*.txt' -o -name '*.xml' \) -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; } |
    sha256sum | cut -d' ' -f1
}

# Builds a project or solution and prints errors only; `dotnet build` would add a summary whatever it is told.
build() { # project, further arguments
  dotnet msbuild "$@" -restore -nologo -v:quiet -tl:off -clp:'ErrorsOnly;NoSummary'
}

# ---- Verbs --------------------------------------------------------------------------------------

publish_host() { # project folder, binary name, runtime identifier, most megabytes
  local project=$1 name=$2 rid=$3 most=$4
  local inputs=(src "$project" samples/Native Directory.Build.props Directory.Packages.props global.json)
  local stamp=$artifacts/hosts/.$name.stamp now
  now=$(fingerprint "${inputs[@]}")
  if [ -x "$artifacts/hosts/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then
    say "artifacts/hosts/$name is up to date"
    return
  fi
  say "compiling $name ahead of time for $rid (a minute or two)"
  local log=$artifacts/hosts/$name.log from=$SECONDS
  mkdir -p "$artifacts/hosts"
  if ! dotnet publish "$project" -c Release -r "$rid" -v minimal -tl:off -p:TrimmerSingleWarn=false >"$log" 2>&1; then
    grep -E 'error|warning' "$log" | sort -u | head -n 40 >&2 || tail -n 40 "$log" >&2
    fail "$name did not compile; the whole log: $log"
  fi
  if grep -E 'warning (IL|CS|CA|NETSDK|MSB|NU)[0-9]+' "$log" | sort -u >&2; then
    fail "$name compiled with warnings, and none is allowed: a trim or AOT warning is a crash that waits. Log: $log"
  fi
  local published
  published=$(find "$artifacts/publish" -path "*/release_$rid/$name" -type f -print -quit)
  [ -n "$published" ] || fail "no binary called $name under artifacts/publish; log: $log"
  # A node pays for each page of it that is used, and for all data of types, which the runtime lays out at the start.
  local size=$(($(stat -c %s "$published") / 1048576))
  [ "$size" -le "$most" ] || fail "$name has $size MB, and at most $most are allowed. To see what has grown: IlcGenerateMstatFile=true ./build.sh hosts $name
  writes $name.mstat under artifacts/obj; what a ztunnel must not carry, ReachTests says. Where the growth is meant, raise the bound in verb_hosts"
  # A running host keeps its file: replace the name, not the content.
  cp "$published" "$artifacts/hosts/.$name.new"
  mv -f "$artifacts/hosts/.$name.new" "$artifacts/hosts/$name"
  echo "$now" >"$stamp"
  say "artifacts/hosts/$name: $size MB (at most $most) in $((SECONDS - from)) s"
}

verb_hosts() {
  need_dotnet
  need_native_toolchain
  local rid name; rid=$(runtime_identifier)
  [ $# -gt 0 ] || set -- ztunnel waypoint
  for name in "$@"; do
    case "$name" in
      ztunnel)  publish_host samples/Ztunnel ztunnel "$rid" 18 ;;
      waypoint) publish_host samples/Waypoint waypoint "$rid" 26 ;;
      *) fail "no host called $name: ztunnel and waypoint are known" ;;
    esac
  done
}

verb_demo() {
  case " $* " in
    *" --netns "*)
      [ "$(id -u)" -eq 0 ] || fail "--netns gives every pod a network namespace of its own, and making those takes root:
  sudo ./build.sh demo --netns. Without --netns nobody needs root."
      need REQUIRED "demo --netns" nft=nftables ip=iproute2 curl=curl ;;
  esac
  verb_hosts
  local inputs=(src samples/Bookinfo Directory.Build.props Directory.Packages.props global.json) now
  local stamp=$artifacts/bin/.bookinfo.stamp walkthrough=$artifacts/bin/Walkthrough/release/walkthrough.dll
  now=$(fingerprint "${inputs[@]}")
  if [ ! -f "$walkthrough" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$now" ]; then
    say "building Bookinfo and the walkthrough"
    local project
    for project in samples/Bookinfo/Apps samples/Bookinfo/Walkthrough; do
      build "$project" -p:Configuration=Release || fail "$project does not build"
    done
    echo "$now" >"$stamp"
  fi
  say "ready after $((SECONDS - started)) s; the walkthrough begins"
  exec dotnet "$walkthrough" --root "$root" "$@"
}

verb_test() {
  need_dotnet
  need OPTIONAL "the tests" node=nodejs ip=iproute2 iptables=iptables nft=nftables curl=curl nghttp=nghttp2-client nghttpd=nghttp2-server openssl=openssl nc=netcat-openbsd gnutls-cli=gnutls-bin go=golang-go
  say "building the solution"
  build Ambient.sln || fail "the solution does not build"

  local results=$artifacts/test-results project name crashed=0 unsteady=()
  rm -rf "$results"; mkdir -p "$results"
  for project in ${projects:-tests/*.Tests/*.Tests.csproj}; do
    name=$(basename "$project" .csproj)
    test_project "$name" "$project" "$@"
    # TLS once more over SslStream, which hosts fall back to: what chooses both engines by itself has run, but most tests take the default.
    [ $# -eq 0 ] || continue
    case "$name" in
      Ambient.Hbone.Tests) AMBIENT_TLS=managed test_project "$name.managed" "$project" --filter 'Category!=Fuzz' ;;
      Ambient.Node.Tests) AMBIENT_TLS=managed test_project "$name.managed" "$project" --filter 'FullyQualifiedName~DoubleHbone' ;;
      Ambient.EndToEnd.Tests)
        AMBIENT_TLS=managed test_project "$name.managed" "$project" --filter \
          'FullyQualifiedName~.Wire.|FullyQualifiedName~.ForeignPeers.|FullyQualifiedName~RevocationTests|FullyQualifiedName~RecordedPairTests' ;;
    esac
  done

  local passed failed skipped
  passed=$(outcomes Passed "$results"/*.trx)
  failed=$(($(outcomes Failed "$results"/*.trx) + crashed))
  skipped=$(outcomes NotExecuted "$results"/*.trx)
  # A machine that is busy with other things fails a test now and then; what fails alone as well, when the machine has come to rest, fails.
  if [ $# -eq 0 ] && [ "$crashed" -eq 0 ] && [ "$failed" -ge 1 ] && [ "$failed" -le 3 ]; then
    run_failed_again
    passed=$((passed + ${#unsteady[@]}))
    failed=$((failed - ${#unsteady[@]}))
  fi
  if [ ${#unsteady[@]} -gt 0 ]; then
    say "unsteady (failed once, passed alone):"
    printf '%s\n' "${unsteady[@]}" | name_results
  fi
  if [ "$failed" -gt 0 ]; then
    say "failed:"
    results_of Failed "$results"/*.trx | { grep -vxF -f <(printf '%s\n' "${unsteady[@]}") || true; } | name_results
  fi
  say "all of it took $((SECONDS - started)) s; details: $results"
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# Runs what failed once more, one test method after the other, as part of verb_test, whose variables it shares. What passes is put into unsteady.
run_failed_again() {
  local run method name line again=$results/again number=0
  while IFS=$'\t' read -r -u 3 run method; do
    say "once more, alone: $method"
    number=$((number + 1))
    name=${run%.managed}
    local environment=(env)
    [ "$name" = "$run" ] || environment+=(AMBIENT_TLS=managed)
    # All of a theory, by its method's name: its arguments may have characters that mean something to a filter.
    "${environment[@]}" dotnet test "tests/$name" --no-build --logger "trx;LogFileName=$number.trx" --results-directory "$again" \
      --blame-hang --blame-hang-timeout 300s --blame-hang-dump-type none -v quiet --nologo --filter "FullyQualifiedName=$method" || continue
    [ -f "$again/$number.trx" ] || continue
    while IFS= read -r line; do
      if results_of Passed "$again/$number.trx" | cut -f2- | grep -xF -e "${line#*$'\t'}" >/dev/null; then
        unsteady+=("$line")
      fi
    done < <(results_of Failed "$results/$run.trx" | awk -F'\t' -v method="$method" '$2 == method')
  done 3< <(results_of Failed "$results"/*.trx | cut -f1,2 | sort -u)
}

# results_of OUTCOME FILE...: a line for each test in trx files with that outcome: the run, the method's full name, and the test's name, as XML has it.
results_of() {
  local outcome=$1; shift
  awk -v RS='<' -v outcome="$outcome" '
    function attribute(name) {
      return match($0, " " name "=\"[^\"]*\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : ""
    }
    /^UnitTestResult / && attribute("outcome") == outcome { results[FILENAME, attribute("testId")] = attribute("testName") }
    /^UnitTest / { id = attribute("id") }
    /^TestMethod / && (FILENAME, id) in results {
      run = FILENAME
      gsub(/^.*\/|\.trx$/, "", run)
      print run "\t" attribute("className") "." attribute("name") "\t" results[FILENAME, id]
    }
  ' "$@"
}

# Tests for a person to read, from lines of results_of.
name_results() {
  awk -F'\t' '{ print "    " $3 ($1 ~ /\.managed$/ ? " (AMBIENT_TLS=managed)" : "") }' | sed 's/&quot;/"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g' | sort
}

# test_project NAME PROJECT ARGUMENT...: one run of a test project, as part of verb_test, whose variables it shares.
test_project() {
  local name=$1 project=$2 from=$SECONDS status=0; shift 2
  say "$name"
  dotnet test "$project" --no-build --logger "trx;LogFileName=$name.trx" --results-directory "$results" \
    --blame-hang --blame-hang-timeout "$((300 + ${AMBIENT_FUZZ_SECONDS:-0}))s" --blame-hang-dump-type none -v quiet --nologo "$@" || status=$?
  if [ ! -f "$results/$name.trx" ]; then
    say "$name left no results: counted as one failure"
    crashed=$((crashed + 1))
  # What ended before its last test leaves a sequence: the order of tests up to there. A failed test may be in the results all the same.
  elif [ $status -ne 0 ] && { [ "$(outcomes Failed "$results/$name.trx")" -eq 0 ] || grep -q 'Sequence_[0-9a-f]*\.xml' "$results/$name.trx"; }; then
    say "$name ended early (exit code $status): counted as one failure"
    crashed=$((crashed + 1))
  fi
  say "$name took $((SECONDS - from)) s"
}

# How many results in trx files have an outcome.
outcomes() {
  local outcome=$1; shift
  { cat -- "$@" 2>/dev/null || true; } | { grep -o '<UnitTestResult [^>]*outcome="'"$outcome"'"' || true; } | wc -l
}

verb_fuzz() {
  local seconds=${1:-30}
  [[ $seconds =~ ^[1-9][0-9]{0,4}$ ]] || fail "fuzz: \"$seconds\" is no number of seconds"
  export AMBIENT_FUZZ_SECONDS=$seconds
  local projects; projects=$(grep -rl --include='*.cs' '"Category", "Fuzz"' tests | cut -d/ -f1-2 | sort -u | sed -E 's|.*/(.*)|&/\1.csproj|')
  verb_test --filter Category=Fuzz
}

verb_pack() {
  need_dotnet
  local out=$artifacts/packages project name
  rm -rf "$out"; mkdir -p "$out"
  for project in src/*/*.csproj; do
    name=$(basename "$project" .csproj)
    say "packing $name"
    dotnet pack "$project" -c Release -o "$out" -v quiet -tl:off -clp:'ErrorsOnly;NoSummary' || fail "$name does not pack"
    compgen -G "$out/$name.[0-9]*.nupkg" >/dev/null || fail "$name left no package in $out"
    compgen -G "$out/$name.[0-9]*.snupkg" >/dev/null || fail "$name left no symbol package in $out"
  done
  ls -1 "$out"
}

verb_docs() {
  need_dotnet
  local project=tests/Ambient.EndToEnd.Tests
  build "$project" || fail "$project does not build"
  AMBIENT_WRITE_DOCS=1 dotnet test "$project" --no-build -v quiet --nologo --filter 'FullyQualifiedName~ReferenceCasesTests|FullyQualifiedName~CompatibilityTableTests'
}

verb_bench() {
  verb_hosts
  [ -f tests/Ambient.Benchmarks/side-by-side.sh ] || fail "tests/Ambient.Benchmarks/side-by-side.sh is missing"
  exec bash tests/Ambient.Benchmarks/side-by-side.sh "$@"
}

verb_attack() {
  verb_hosts ztunnel waypoint
  local seconds=${1:-20}; [ $# -eq 0 ] || shift
  [[ $seconds =~ ^[1-9][0-9]{0,3}$ ]] || fail "attack: \"$seconds\" is not a number of seconds"
  need REQUIRED "attack" taskset=util-linux
  build tests/Ambient.Attack -p:Configuration=Release || fail "tests/Ambient.Attack does not build"
  local command=(dotnet "$artifacts/bin/Ambient.Attack/release/Ambient.Attack.dll" "$artifacts/hosts/ztunnel" "$seconds" "$@")
  # A network of its own, where that is allowed: the ports are those of a real ztunnel.
  if [ "$(id -u)" -eq 0 ] && unshare --net true 2>/dev/null; then
    command=(unshare --net bash -c 'ip link set lo up && exec "$@"' attack "${command[@]}")
  fi
  "${command[@]}"
}

verb=${1:-help}
[ $# -eq 0 ] || shift
case "$verb" in
  demo | test | fuzz | hosts | pack | docs | bench | attack) "verb_$verb" "$@" ;;
  help | -h | --help) usage ;;
  *) usage >&2; fail "unknown verb: $verb" ;;
esac

#!/usr/bin/env bash
# From a fresh checkout on Debian 12 to a running varve, or to its tests:
#   ./quickstart.sh                     installs what is missing, builds in ./build, starts varved,
#                                       shows its cold tier
#   ./quickstart.sh run OPTION...       the same, varved with these options
#   ./quickstart.sh show [OPTION...]    ... without looking whether all is installed and built
#   ./quickstart.sh test [--no-peers]   the same, with the tests; without peers their tests skip
#   ./quickstart.sh packages GROUP...   only installs Debian packages: base peers ci fresh
# Whatever is there already is left as it is. The cold tier is a directory, ./varve-cold, unless VARVE_STORE
# names another store: VARVE_STORE=s3://BUCKET/PREFIX or hdfs://HOST:PORT/DIRECTORY, as tier.store.url. What
# that needs besides are options: VARVE_STORE=s3://cold/x ./quickstart.sh run -o tier.s3.endpoint=http://HOST:PORT
# VARVE_BUILD=DIRECTORY: where it is built, and where varved's process number and log go, instead of ./build.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
top=$PWD
build=${VARVE_BUILD:-build}
store=${VARVE_STORE:-file://$top/varve-cold}

declare -A group_packages=(
  [base]="gcc make libc6-dev autoconf automake libtool pkg-config perl zlib1g-dev libzstd-dev
    liblz4-dev libsnappy-dev liburing-dev libisal-dev librdkafka-dev
    libcurl4-openssl-dev libssl-dev libxml2-dev libjansson-dev"
  [peers]="maven default-jre-headless ca-certificates kcat python3-venv golang-go cargo-web g++
    curl openssl"
  [ci]="clang libclang-rt-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross git shellcheck mandoc xz-utils"
  [fresh]="debootstrap git"
)

say() { printf '\n== %s\n' "$*"; }
die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# The packages of some groups that are not installed, one per line.
missing() {
  local group p
  for group; do
    for p in ${group_packages[$group]}; do
      # "ok installed"; a package that is only known, or was removed, says something else
      [[ $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) == *' ok installed' ]] || echo "$p"
    done
  done
}

packages() {
  local group want
  for group; do
    [ -n "${group_packages[$group]:-}" ] || die "no package group \"$group\": base peers ci fresh"
  done
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is not a Debian system. varve needs, by the names that Debian 12 gives them:"
    for group; do
      # shellcheck disable=SC2086  # one space between words
      echo "  "${group_packages[$group]}
    done
    die "Install them, then: autoreconf -fi && mkdir -p build && cd build && ../configure && make check"
  fi
  mapfile -t want < <(missing "$@")
  [ ${#want[@]} -gt 0 ] || return 0

  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "As root, please: apt-get install ${want[*]}"
    sudo=(sudo)
  fi
  say "Debian packages: ${want[*]}"
  quietly "apt-get update" "${sudo[@]}" apt-get -q update
  quietly "apt-get install" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y --no-install-recommends install "${want[@]}"
}

# quietly WHAT COMMAND...   its output is shown only when it fails
quietly() {
  local what=$1 start=$SECONDS log
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1 </dev/null; then
    echo "$what: done, $((SECONDS - start)) s"
    rm -f "$log"
  else
    tail -n 60 "$log" >&2
    rm -f "$log"
    die "$what failed: $*"
  fi
}

build() {
  say "Build in $build"
  if [ ! -e configure ] || [ ! -e Makefile.in ] || [ configure.ac -nt configure ]; then
    quietly autoreconf autoreconf -fi
  fi
  mkdir -p "$build"
  [ -e "$build/Makefile" ] || (cd "$build" && quietly configure "$top/configure")
  quietly make make -C "$build" -j"$(nproc)"
}

# Does a varved of ours serve already?
is_running() {
  [ -e "$build/varved.pid" ] && kill -0 "$(cat "$build/varved.pid")" 2>/dev/null
}

# start_server OPTION...   as it is without any setting but these, and with a cold tier; it stays when this script ends.
start_server() {
  local i log=$build/varved.log
  : >"$log" # what the last one said isn't taken for this one's word
  setsid nohup "$build/server/main/varved" -o remote.log.storage.system.enable=true \
    -o "tier.store.url=$store" "$@" >"$log" 2>&1 </dev/null &
  echo $! >"$build/varved.pid"
  for ((i = 0; i < 600; i++)); do
    ! grep -q '^ready ' "$log" || break
    is_running || die "varved did not start: $(tail -n 1 "$log")"
    sleep 0.1
  done
  grep '^ready ' "$log" || die "varved does not get ready; $log tells more"
}

stop_server() {
  local i
  kill "$(cat "$build/varved.pid")"
  for ((i = 0; i < 600; i++)); do
    is_running || return 0
    sleep 0.1
  done
  die "varved does not stop"
}

# read_rate TOPIC   how fast it is read, as varve bench says it
read_rate() {
  "$build/server/tool/varve" bench consume -t "$1" | sed -n 's/^consumed: //p'
}

# checksum TOPIC   of all its records
checksum() {
  "$build/server/tool/varve" consume "$1" | sha256sum | cut -d' ' -f1
}

# is_cold TOPIC   has all of it left this disk?
is_cold() {
  local status
  status=$("$build/server/tool/varve" tier status "$1" --json)
  [[ $status == *'"here_bytes":0,'*'"both_bytes":0,'* ]]
}

# show_cold_tier OPTION...   Records go to the store and leave this disk, and are read from there as they were.
show_cold_tier() {
  local varve=$build/server/tool/varve topic=quickstart-cold i hot cold before after
  say "The cold tier: $store"
  "$varve" topic rm -y --if-exists $topic
  "$varve" topic create $topic -c remote.storage.enable=true -c segment.bytes=8388608
  "$varve" bench produce -t $topic --bytes 67108864 --batch-bytes 65536
  hot=$(read_rate $topic)
  before=$(checksum $topic)
  "$varve" tier offload $topic
  "$varve" config set topic $topic local.retention.ms=0
  for ((i = 0; i < 600; i++)); do
    ! is_cold $topic || break
    sleep 0.1
  done
  is_cold $topic || die "$topic does not leave this disk: $("$varve" tier explain $topic)"
  echo "varved starts anew: nothing of it is in memory"
  stop_server
  start_server "$@"
  cold=$(read_rate $topic)
  after=$(checksum $topic)
  [ "$before" = "$after" ] || die "$topic has other records when it is read from $store"
  "$varve" tier status $topic
  echo "read from memory: $hot"
  echo "from $store: $cold, and the same records"
}

# run_server OPTION...   The main job: a server on the embedded default, a record through it, and its cold tier.
run_server() {
  local varve=$build/server/tool/varve
  say "varved"
  if is_running; then
    echo "runs already, process $(cat "$build/varved.pid")"
  else
    start_server "$@"
  fi
  say "A record in, a record out"
  "$varve" topic create --if-not-exists quickstart
  date -u '+hello at %FT%TZ' | "$varve" produce quickstart
  "$varve" consume quickstart --from -1
  show_cold_tier "$@"
  cat <<TEXT

varved serves 127.0.0.1:9092; its data is in ./varve-data, what topics with remote.storage.enable move
away in $store. Any Kafka client can use it.
What to try next, with PATH=\$PATH:$(readlink -f "$build")/server/tool:
  varve topic ls                    varve produce quickstart        varve consume quickstart --follow
  varve group ls                    varve bench produce             man man/varve.1
  varve tier status                 varve tier explain quickstart-cold
  varve tier ls -o tier.store.url=$store${*:+ $*}
  man man/varve-tiering.7           a tutorial: policies, S3, HDFS, a server made anew from its store
  less $build/varved.log             what it has to say
  kill \$(cat $build/varved.pid)      stops it; ./quickstart.sh starts it again
  ./quickstart.sh test              the tests
TEXT
}

case ${1:-run} in
run)
  [ $# = 0 ] || shift
  packages base
  build
  run_server "$@"
  ;;
show)
  shift
  run_server "$@"
  ;;
test)
  case ${2:-} in
  "")
    packages base peers
    say "Peers"
    t/peers/install.sh kafka clients stores
    echo "peers: in place"
    ;;
  --no-peers) packages base ;;
  *) die "usage: ./quickstart.sh test [--no-peers]" ;;
  esac
  build
  say "Tests"
  make -s -C "$build" -j"$(nproc)" check
  ;;
packages)
  shift
  packages "$@"
  ;;
*)
  sed -n '2,13s/^# \{0,1\}//p' "$0"
  [[ $1 == -h || $1 == --help ]]
  ;;
esac

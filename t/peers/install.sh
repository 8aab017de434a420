#!/usr/bin/env bash
# install.sh [PEER...]   installs peers below ${VARVE_PEERS:-~/.cache/varve-peers}, `kafka` unless told:
#   kafka           bin/kafka-dump-log, Kafka's DumpLogSegments
#   kafka-broker    the same and a broker: bin/start, bin/stop, bin/kafka-producer-perf-test
# Each in a folder named after its version, with a link to it; what is there is not done again.
# Needs the Debian packages of `./quickstart.sh packages peers`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
peers=${VARVE_PEERS:-${HOME:-/root}/.cache/varve-peers}

# The version of a peer, of its folders, is all that decides how it turns out.
key() {
  (cd "$here" && find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | sha256sum |
    cut -c1-12
}

# from_maven PEER FOLDER...   what the folders hold, the later over the earlier, and the jars that
# their pom.xml names for this peer
from_maven() {
  local peer=$1 version dir tmp folder
  shift
  version=$(key "$@")
  dir=$peers/$peer-$version
  if [ -e "$dir" ]; then
    [ "$(readlink "$peers/$peer")" = "$peer-$version" ] || ln -sfn "$peer-$version" "$peers/$peer"
    return
  fi
  echo "$peer (Maven)"
  tmp=$(mktemp -d "$peers/tmp.XXXXXX")
  # shellcheck disable=SC2064  # its value now
  trap "rm -rf '$tmp'" EXIT
  for folder; do
    cp -R "$here/$folder/." "$tmp"
    chmod -R u+w "$tmp"
  done
  (cd "$tmp" && mvn -B -q -Dpeer="$peer" dependency:copy-dependencies) >"$tmp/log" 2>&1 || {
    cat "$tmp/log" >&2
    return 1
  }
  rm "$tmp/log"
  chmod 755 "$tmp"
  mv "$tmp" "$dir"
  ln -sfn "$peer-$version" "$peers/$peer"
  trap - EXIT
}

mkdir -p "$peers"
[ $# -gt 0 ] || set -- kafka
for peer; do
  case $peer in
  kafka) from_maven kafka kafka ;;
  kafka-broker) from_maven kafka-broker kafka kafka-broker ;;
  *)
    echo "no peer \"$peer\": kafka kafka-broker" >&2
    exit 2
    ;;
  esac
done

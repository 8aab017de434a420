#!/usr/bin/env bash
# Installs the peers that tests talk to, below ${VARVE_PEERS:-~/.cache/varve-peers}:
#   kafka/bin/kafka-dump-log    Kafka's DumpLogSegments
# Each in a folder named after its version, with a link to it; what is there is not done again.
# Needs the Debian packages of `./quickstart.sh packages peers`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
peers=${VARVE_PEERS:-${HOME:-/root}/.cache/varve-peers}

# The version of a peer is all that decides how it turns out.
key() {
  (cd "$here/$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | sha256sum |
    cut -c1-12
}

kafka() {
  local version dir tmp
  version=$(key kafka)
  dir=$peers/kafka-$version
  if [ -e "$dir/bin/kafka-dump-log" ]; then
    [ "$(readlink "$peers/kafka")" = "kafka-$version" ] || ln -sfn "kafka-$version" "$peers/kafka"
    return
  fi
  echo "Kafka's tools (Maven)"
  tmp=$(mktemp -d "$peers/tmp.XXXXXX")
  # shellcheck disable=SC2064  # its value now
  trap "rm -rf '$tmp'" EXIT
  cp -R "$here/kafka/." "$tmp"
  chmod -R u+w "$tmp"
  (cd "$tmp" && mvn -B -q dependency:copy-dependencies) >"$tmp/log" 2>&1 || {
    cat "$tmp/log" >&2
    return 1
  }
  rm "$tmp/log"
  mkdir "$tmp/bin"
  while read -r name class; do
    cat >"$tmp/bin/$name" <<W
#!/bin/sh
exec "\$(dirname "\$(readlink -f "\$0")")/../run-class" $class "\$@"
W
    chmod +x "$tmp/bin/$name"
  done <<'L'
kafka-dump-log org.apache.kafka.tools.DumpLogSegments
L
  chmod 755 "$tmp"
  rm -rf "$dir"
  mv "$tmp" "$dir"
  ln -sfn "kafka-$version" "$peers/kafka"
  trap - EXIT
}

mkdir -p "$peers"
kafka

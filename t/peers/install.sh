#!/usr/bin/env bash
# install.sh [PEER...]   installs peers below ${VARVE_PEERS:-~/.cache/varve-peers}, `kafka` unless told:
#   kafka           bin/kafka-dump-log, Kafka's DumpLogSegments
#   kafka-broker    the same, a broker and Kafka's programs: bin/start, bin/stop, bin/tool
#   kafka-tiered    a broker whose cold segments go to a directory: bin/start-tiered
#   librdkafka      bin/test-runner, librdkafka's own tests; compiled, five minutes of one core
#   python          bin/python with confluent-kafka and kafka-python
#   franz           bin/franz, a program of ours on franz-go
#   sarama          bin/sarama, another on sarama
#   clients         the five above
#   versitygw       an S3 server: bin/start, bin/stop; compiled, two minutes of one core
#   radosgw         another one, Ceph's, from Debian's packages
#   hdfs            HDFS's name node and data node: bin/start, bin/stop, bin/tool; started once
#   toxiproxy       a proxy that misbehaves as told: bin/start, bin/stop
#   stores          the four above
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

# made PEER COMMAND FOLDER...   a folder with what the folders hold, the later over the earlier, in
# which the command was run
made() {
  local peer=$1 command=$2 version dir tmp folder start=$SECONDS
  shift 2
  version=$(key "$@")
  dir=$peers/$peer-$version
  if [ -e "$dir" ]; then
    [ "$(readlink "$peers/$peer")" = "$peer-$version" ] || ln -sfn "$peer-$version" "$peers/$peer"
    return
  fi
  echo "$peer"
  tmp=$PEERS_TMP/$peer
  mkdir "$tmp"
  for folder; do
    cp -R "$here/$folder/." "$tmp"
    chmod -R u+w "$tmp"
  done
  (cd "$tmp" && $command) >"$tmp/log" 2>&1 || {
    tail -n 60 "$tmp/log" >&2
    return 1
  }
  rm "$tmp/log"
  mv "$tmp" "$dir"
  ln -sfn "$peer-$version" "$peers/$peer"
  echo "$peer: $((SECONDS - start)) s, $(du -sh "$dir" | cut -f1)"
}

one() {
  case $1 in
  kafka | kafka-broker)
    local folders=(kafka)
    [ "$1" = kafka ] || folders+=(kafka-broker)
    made "$1" "mvn -B -q -Dpeer=$1 dependency:copy-dependencies" "${folders[@]}"
    ;;
  kafka-tiered)
    made kafka-tiered "mvn -B -q -f tiered.xml -Dpeer=kafka-broker dependency:copy-dependencies" \
      kafka kafka-broker kafka-tiered
    ;;
  librdkafka | python) made "$1" ./build "$1" ;;
  franz | sarama) made "$1" ./build go behaviours "$1" ;;
  versitygw | toxiproxy) made "$1" ./build go daemon "$1" ;;
  radosgw) made "$1" ./build daemon "$1" ;;
  hdfs) made hdfs ./build daemon hdfs ;;
  clients)
    local peer
    for peer in kafka-broker python franz sarama librdkafka; do one "$peer"; done
    ;;
  stores)
    local peer
    for peer in versitygw radosgw hdfs toxiproxy; do one "$peer"; done
    ;;
  *)
    echo "no peer \"$1\": kafka kafka-broker kafka-tiered librdkafka python franz sarama clients" \
      "versitygw radosgw hdfs toxiproxy stores" >&2
    exit 2
    ;;
  esac
}

mkdir -p "$peers"
PEERS_TMP=$(mktemp -d "$peers/tmp.XXXXXX") # where they are made; go/newer has some of it, too
export PEERS_TMP
trap 'rm -rf "$PEERS_TMP"' EXIT
[ $# -gt 0 ] || set -- kafka
for peer; do one "$peer"; done

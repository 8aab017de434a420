#!/bin/sh
# kafka.sh --dir=DIR --name=NAME --batch=BYTES --bytes=BYTES [--record=BYTES] [--sync]
# kafka.sh --check
#
# One measurement of run.sh, printed as b_engine does it: how fast a Kafka of one node takes so many
# bytes from Kafka's own producer-perf-test.  README.md says what that can be compared with.
#   --sync   Kafka syncs each batch            --check   only says whether Kafka is here
set -eu

peer=${VARVE_PEERS:-${HOME:-/root}/.cache/varve-peers}/kafka-broker
dir='' name=kafka batch='' bytes='' record=1024 options='' check=''
for a; do
    case $a in
    --dir=*) dir=${a#*=}/kafka ;;
    --name=*) name=${a#*=} ;;
    --batch=*) batch=${a#*=} ;;
    --bytes=*) bytes=${a#*=} ;;
    --record=*) record=${a#*=} ;;
    --sync) options=log.flush.interval.messages=1 ;;
    --check) check=1 ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
die() {
    echo "$*" >&2
    exit 1
}
command -v java >/dev/null || die "Kafka wants a Java runtime: ./quickstart.sh packages peers"
[ -x "$peer/bin/start" ] || die "no Kafka broker in $peer: t/peers/install.sh kafka-broker"
[ -z "$check" ] || exit 0

producer=''
end() {
    [ -z "$producer" ] || kill "$producer" 2>/dev/null || :
    "$peer/bin/stop" "$dir"
    rm -rf "$dir"
}
mkdir -p "$dir"
trap end EXIT
trap 'exit 130' INT TERM

# CPU seconds, user and system, of a process; of this shell's children that have ended, between two
# outputs of `times`, which a subshell could not make
cpu_of() {
    sed 's/.*) //' "/proc/$1/stat" | awk -v hz="$(getconf CLK_TCK)" '{ print ($12 + $13) / hz }'
}
cpu_between() {
    awk -F '[ms ]+' 'FNR == 2 { was = now; now = 60 * ($1 + $3) + $2 + $4 } END { print now - was }' \
        "$@"
}

# The tool wants lines of text; making letters itself would cost it more than sending them.
head -c "$((record * 768))" /dev/urandom | base64 -w "$record" >"$dir/records"
# shellcheck disable=SC2086  # none or one
address=$("$peer/bin/start" "$dir" $options)
broker=$(cat "$dir/pid")
records=$(echo "$bytes $record" | awk '{ printf "%d", $1 / $2 }')
before=$(cpu_of "$broker")
times >"$dir/before"
KAFKA_LOG_LEVEL=error KAFKA_HEAP_OPTS=-Xmx512m "$peer/bin/kafka-producer-perf-test" --topic bench \
    --bootstrap-server "$address" --payload-file "$dir/records" --num-records "$records" \
    --warmup-records $((records / 8)) --throughput -1 \
    --command-property acks=1 enable.idempotence=false batch.size="$batch" >"$dir/out" &
producer=$!
wait "$producer" || die "producer-perf-test failed"
producer=''
times >"$dir/after"
cpu="$(cpu_of "$broker") $before $(cpu_between "$dir/before" "$dir/after")"

stored=$(find "$dir/data/bench-0" -name '*.log' -exec cat {} + | wc -c)
[ "$stored" -ge $((records * record)) ] || die "Kafka holds $stored bytes of $records records"
awk -v name="$name" -v records="$records" -v stored="$stored" -v cpu="$cpu" '
    function out(metric, value, unit) { printf "%s\t%s\t%.6g\t%s\n", name, metric, value, unit }
    / steady state records sent, / { rate = $6 }
    END {
        if (rate == 0)
            exit 1
        split(cpu, c)
        gb = stored / 1e9
        broker = (c[1] - c[2]) / gb
        producer = c[3] / gb
        out("rate", rate * stored / records / 1e6, "MB/s")
        out("records", rate, "/s")
        out("cpu", broker + producer, "s/GB")
        out("cpu_broker", broker, "s/GB")
        out("cpu_producer", producer, "s/GB")
        out("bytes", stored, "B")
    }' "$dir/out" || die "producer-perf-test gave no figure"

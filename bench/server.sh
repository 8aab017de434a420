#!/bin/sh
# server.sh [--quick] [--json] [--reps=N] [--only=WORDS] [--dir=DIR]   varved beside Apache Kafka
#
# Each case is measured for varved and for Kafka in turn, with `varve bench` as the client of both:
# the server on one core, the client on the other, a fresh data directory and a warm-up for each.
# The table has minimum, median and maximum over the repetitions, of figures and of the ratios within
# one.  `limit` cases are what the machine could do then.  README.md says what the cases are.
# Kafka comes from t/peers/install.sh kafka-broker; without it varved is measured alone.
#   --quick   small, once: seconds for each case     --only    cases whose name has one of these words
set -eu

varved=${VARVED:-server/main/varved} varve=${VARVE:-server/tool/varve} engine=${B_ENGINE:-bench/b_engine}
peer=${VARVE_PEERS:-${HOME:-/root}/.cache/varve-peers}/kafka-broker
quick='' json='' reps='' only='' dir=${TMPDIR:-/tmp}/varve-bench.$$
for a; do
    case $a in
    --quick) quick=1 ;;
    --json) json=1 ;;
    --reps=*) reps=${a#*=} ;;
    --only=*) only=${a#*=} ;;
    --dir=*) dir=${a#*=} ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
need "$varved" "$varve" "$engine"
if [ "$quick" ]; then
    reps=${reps:-1} seconds=3 warm=2 many=1000 data=0.25 read=0.25
else
    reps=${reps:-3} seconds=15 warm=8 many=10000 data=10 read=4
fi
mkdir -p "$dir"
all=$dir/all.tsv server='' old=0
: >"$all"
# shellcheck disable=SC3045  # dash and bash have them
ulimit -n "$(ulimit -Hn)"

# ---- servers

die() {
    echo "$name, $kind: $*" >&2
    tail -n 20 "$dir/log" >&2
    table '' # what was measured before
    exit 1
}

run_varved() {
    at=127.0.0.1:$(free_port)
    since=$(date +%s%N)
    taskset -c 0 "$varved" -o listeners="PLAINTEXT://$at" -o log.dirs="$dir/data" -o admin.listeners= \
        -o num.network.threads=1 -o max.connections.per.ip=100000 -o "$1" >"$dir/log" 2>&1 &
    server=$!
}

# The file `pid` is there when Kafka runs; before that its directory was prepared.  bin/start would wait
# until it serves, but no longer than two minutes.
run_kafka() {
    rm -f "$dir/data/pid"
    KAFKA_HEAP_OPTS='-Xms2g -Xmx2g' taskset -c 0 "$peer/bin/start" "$dir/data" \
        offsets.topic.replication.factor=1 num.partitions=1 "$@" >"$dir/log" 2>&1 &
    until [ -s "$dir/data/pid" ]; do
        kill -0 $! 2>/dev/null || die 'Kafka does not start'
        sleep 0.01
    done
    kill $!
    wait $! 2>/dev/null || true
    since=$(stat -c %.9Y "$dir/data/pid" | tr -d .)
    server=$(cat "$dir/data/pid")
    at=$(sed -n 's|^listeners=PLAINTEXT://\([^,]*\),.*|\1|p' "$dir/data/server.properties")
}

# On the data that is there; $server is its process, $since when that began, $at its address, where it
# may not answer yet.
launch() {
    case $kind in
    varved) run_varved flush.policy=sync ;;
    lossy) run_varved flush.policy=interval ;;
    kafka) run_kafka ;;
    synced) run_kafka log.flush.interval.messages=1 ;;
    esac
}

kill_server() {
    [ "$server" ] || return 0
    kill -9 "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    while kill -0 "$server" 2>/dev/null; do sleep 0.01; done
    server=
}
trap 'kill_server; wait; rm -rf "$dir"' EXIT
trap 'table ""; exit 130' INT TERM

# New files are slow on ext4 for a while after many were deleted: that is done at the end.
put_aside() {
    find "$dir/data" -type f -size +0 -exec truncate -s 0 {} +
    old=$((old + 1))
    mv "$dir/data" "$dir/old.$old"
}

# ---- figures

bench() { taskset -c 1 "$varve" bench "$@" -b "$at" --json || die "varve bench $1 failed"; }
quietly() { bench "$@" >/dev/null; }
answers() { quietly start --seconds 120; }

# measure BENCH-ARGS...   the figures of one run, among those of the case
measure() {
    bench "$@" --pid "$server" >"$dir/run"
    perl -MJSON::PP -0777 -ne '
        my %broker = (broker_cpu_us_per_gb => ["cpu", 1e6, "s/GB"],
            broker_cpu_us_per_second => ["cpu", 1e6, "cores"],
            broker_resident_bytes => ["memory", 1e6, "MB"]);
        my $r = decode_json($_);
        for (sort keys %$r) {
            next if /_(?:p90|max)_us$|_records_per_second$/;
            my ($figure, $by, $unit) = $broker{$_} ? @{$broker{$_}}
                : /^(.*)_bytes_per_second$/ ? ($1, 1e6, "MB/s")
                : /^(.*)_requests$/ ? ($1, 1, "")
                : /^(.*)_us$/ ? ($1, 1e3, "ms") : next;
            printf "%s\t%s\t%.6g\t%s\n", $ENV{kind}, $figure, $r->{$_} / $by, $unit;
        }' "$dir/run" >>"$dir/case.tsv"
}

# A case's figures, the servers one below the other, and what they are to each other.
gather() {
    awk -F '\t' -v OFS='\t' -v name="$name" '
        function ratio(f, a, b) {
            if (unit[f] != "" && (a, f) in v && (b, f) in v && v[b, f] > 0)
                print name, f " " a "/" b, v[a, f] / v[b, f], ""
        }
        !($2 in unit) { figure[++n] = $2; unit[$2] = $4 }
        { v[$1, $2] = $3 }
        END {
            m = split("varved synced lossy kafka", kind, " ")
            for (i = 1; i <= n; i++) {
                f = figure[i]
                for (k = 1; k <= m; k++)
                    if ((kind[k], f) in v)
                        print name, f " " kind[k], v[kind[k], f], unit[f]
                ratio(f, "varved", "synced")
                ratio(f, "varved", "kafka")
                ratio(f, "lossy", "kafka")
            }
        }' "$dir/case.tsv" >>"$all"
}

# each KINDS NAME COMMAND...   the case for each server, one after the other
each() {
    kinds=$1 name=$2
    shift 2
    wanted "$name" || return 0
    : >"$dir/case.tsv"
    for kind in $kinds; do
        case $kind in kafka | synced) [ -x "$peer/bin/start" ] || continue ;; esac
        export kind
        say "$name, $kind"
        settle
        launch
        "$@"
        kill_server
        put_aside
    done
    gather
}
four() { each 'varved synced lossy kafka' "$@"; }
pair() { each 'varved kafka' "$@"; }

# ---- cases

for_a_while() {
    answers
    measure "$@" --seconds "$seconds" --warm-up "$warm"
}

# A server that isn't warm falls behind, and would be measured while it catches up: before requests come
# at a fixed rate, such requests come one after another, and are read.
paced() {
    answers
    quietly produce --batch-bytes 1 --seconds "$warm" --warm-up 0
    quietly consume
    measure "$@" --seconds "$seconds" --warm-up "$warm"
}

# Making the topic and each partition's first batch is not what goes on: of what both runs tell, the
# second one's stays.
over_many() {
    answers
    measure produce --partitions "$many" --bytes $((many * 16384))
    measure produce --seconds "$seconds" --warm-up "$warm"
}

bytes() { awk -v gib="$1" 'BEGIN { printf "%d", gib * 1024 * 1024 * 1024 }'; }

# The first time is the warm-up.
catch_up() {
    answers
    quietly produce --bytes "$(bytes "$read")" --batch-bytes 1000000
    quietly consume
    measure consume
}

started() { measure start --since "$since" --seconds 120; }

# What a killed process leaves: all of its data is in the page cache, and the disk is at rest.
into_page_cache() {
    sync
    find "$dir/data" -type f \( -name '*.log' -o -name '*.wal' \) -exec cat {} + >/dev/null
}

restarted() {
    answers
    quietly produce --partitions "$many" --bytes "$(bytes "$data")" --batch-bytes 1000000 --in-flight 20
    kill_server
    into_page_cache
    launch
    measure start -t varve-bench --since "$since" --seconds 1800
}

# limit COMMAND BYTES
limit() {
    wanted "limit, $1 of $2" || return 0
    say "limit, $1"
    settle
    "$engine" "$1" --pin --name="limit, $1 of $2" --batch="$2" --seconds=$((seconds / 3)) \
        --dir="$dir/limit" >>"$all"
}

for rep in $(seq "$reps"); do
    for bytes in 16384 1048576; do
        limit loopback $bytes
        limit sendfile $bytes
        limit sync $bytes
    done
    four 'produce 100 B in 16 KiB' for_a_while produce --record-bytes 100
    four 'produce 1 KiB in 16 KiB' for_a_while produce
    four 'produce 1 KiB in 1 MiB' for_a_while produce --batch-bytes 1000000
    four 'produce 1 KiB in 16 KiB, 16 connections' for_a_while produce --connections 16 --partitions 16
    four "produce 1 KiB in 16 KiB, $many partitions" over_many
    four 'latency 1 KiB unbatched, 20000/s' paced latency --rate 20000
    four 'latency 1 KiB unbatched, 5000/s' paced latency --rate 5000
    four "latency 1 KiB unbatched, 5000/s beside $many idle" paced latency --rate 5000 --idle "$many"
    four 'end to end 1 KiB, 5000/s' paced fanout --rate 5000
    for n in 1 16; do
        four "fan-out 1 KiB in 16 KiB, 5000/s, $n consumer(s)" \
            paced fanout --rate 5000 --batch-bytes 16384 --consumers $n
    done
    four 'catch-up from page cache' catch_up
    pair 'start without data' started
    pair "restart after kill -9, $data GiB in $many partitions" restarted
    pair 'idle, 1 connection' paced latency --rate 1
    pair "idle, $many connections" paced latency --rate 1 --idle "$many"
done
table ''

#!/bin/sh
# server.sh [--quick] [--json] [--reps=N] [--only=WORDS] [--dir=DIR]   varved beside Apache Kafka
#
# Each case is measured for varved and for Kafka in turn, with `varve bench` as the client of both:
# the server on one core, the client on the other, a fresh data directory and a warm-up for each.
# The table has minimum, median and maximum over the repetitions, and the median of the ratios within
# one.  `limit` lines are what the machine could do then.  README.md says what the cases are.
# Kafka comes from t/peers/install.sh kafka-broker; without it varved is measured alone.
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
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
for p in "$varved" "$varve" "$engine"; do
    [ -x "$p" ] || { echo "$p is missing: make, and run this in the build directory" >&2; exit 2; }
done
if [ "$quick" ]; then reps=${reps:-1} seconds=3 warm=2; else reps=${reps:-3} seconds=15 warm=8; fi
mkdir -p "$dir"
all=$dir/all.tsv pid='' node=''
: >"$all"

stop() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        pid=
    fi
    if [ -n "$node" ]; then
        "$peer/bin/stop" "$node" || true
        node=
    fi
    rm -rf "$dir/data"
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

wanted() {
    [ -z "$only" ] && return 0
    for w in $only; do case $1 in *"$w"*) return 0 ;; esac done
    return 1
}
say() { [ ! -t 2 ] || printf '\r\033[K%s %s' "$rep/$reps" "$1" >&2; }
line() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$all"; }

# start KIND: varved, lossy (varved that doesn't sync), kafka, synced (Kafka that does); $pid and $at
start() {
    rm -rf "$dir/data"
    case $1 in
    varved | lossy)
        policy=sync
        [ "$1" = varved ] || policy=interval
        taskset -c 0 "$varved" -o listeners=PLAINTEXT://127.0.0.1:0 -o log.dirs="$dir/data" \
            -o admin.listeners= -o flush.policy=$policy -o num.network.threads=1 \
            >"$dir/ready" 2>"$dir/log" &
        pid=$!
        until grep -q '^ready ' "$dir/ready"; do
            kill -0 $pid 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
            sleep 0.05
        done
        at=$(sed -n 's|^ready PLAINTEXT://||p' "$dir/ready")
        server=$pid
        ;;
    kafka | synced)
        node=$dir/data
        set -- "$1" offsets.topic.replication.factor=1 num.partitions=1
        [ "$1" = kafka ] || set -- "$@" log.flush.interval.messages=1
        shift
        at=$(KAFKA_HEAP_OPTS='-Xms2g -Xmx2g' taskset -c 0 "$peer/bin/start" "$node" "$@")
        server=$(cat "$node/pid")
        ;;
    esac
}

# User and system time of the server so far, in ms.
cpu_ms() {
    awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) * 1000 / hz) }' "/proc/$server/stat"
}
rss_mb() { awk '/^VmRSS/ { print $2 / 1024 }' "/proc/$server/status"; }

# measure NAME KIND BENCH-ARGS...   the figures of one run, by the names that `varve bench` gives them
measure() {
    name=$1 kind=$2
    shift 2
    before=$(cpu_ms)
    taskset -c 1 "$varve" bench "$@" -b "$at" --json >"$dir/run" || { cat "$dir/log" >&2; exit 1; }
    after=$(cpu_ms)
    perl -MJSON::PP -0777 -ne '
        my $r = decode_json($_);
        for my $k (sort keys %$r) {
            next unless $k =~ /_(?:us|second)$/;
            my $v = $r->{$k};
            my $u = "us";
            ($v, $u) = ($v / 1e6, "MB/s") if $k =~ /bytes_per_second/;
            $u = "/s" if $k =~ /records_per_second/;
            print "$k\t$v\t$u\n";
        }' "$dir/run" | while IFS='	' read -r figure value unit; do
        line "$name" "$kind $figure" "$value" "$unit"
    done
    line "$name" "$kind cpu" "$(echo "$before $after $seconds $warm" | awk '{ print ($2 - $1) / 1000 / ($3 + $4) }')" "cores"
    line "$name" "$kind memory" "$(rss_mb)" "MB"
}

# kinds NAME FUNCTION...   the case for each server, one after the other
kinds() {
    name=$1
    wanted "$name" || return 0
    shift
    for kind in varved synced lossy kafka; do
        case $kind in kafka | synced) [ -x "$peer/bin/start" ] || continue ;; esac
        say "$name, $kind"
        "$engine" settle --dir="$dir/settle" >/dev/null
        start $kind
        "$@"
        stop
    done
}

produce() { measure "$name" "$kind" produce --seconds "$seconds" --warm-up "$warm" "$@"; }
latency() { measure "$name" "$kind" latency --seconds "$seconds" --warm-up "$warm" "$@"; }
fanout() { measure "$name" "$kind" fanout --seconds "$seconds" --warm-up "$warm" "$@"; }
catch_up() {
    "$varve" bench produce -b "$at" --seconds "$seconds" --warm-up 0 --batch-bytes 1000000 --json >/dev/null
    measure "$name" "$kind" consume
}
table() {
    awk -F '\t' -v json="$json" '
    {
        k = $1 FS $2
        if (!(k in n)) order[++keys] = k
        v[k, ++n[k]] = $3
        unit[k] = $4
    }
    END {
        if (!json)
            printf "%-40s %-40s %10s %10s %10s\n", "case", "figure", "min", "median", "max"
        for (i = 1; i <= keys; i++) {
            k = order[i]; m = n[k]
            for (a = 1; a <= m; a++) s[a] = v[k, a] + 0
            for (a = 2; a <= m; a++)
                for (c = a; c > 1 && s[c - 1] > s[c]; c--) { t = s[c]; s[c] = s[c - 1]; s[c - 1] = t }
            split(k, part, FS)
            mid = m % 2 ? s[(m + 1) / 2] : (s[m / 2] + s[m / 2 + 1]) / 2
            if (json)
                printf "{\"case\":\"%s\",\"figure\":\"%s\",\"min\":%g,\"median\":%g,\"max\":%g,\"unit\":\"%s\"}\n",
                    part[1], part[2], s[1], mid, s[m], unit[k]
            else
                printf "%-40s %-40s %10.4g %10.4g %10.4g %s\n", part[1], part[2], s[1], mid, s[m], unit[k]
        }
    }' "$all"
}

for rep in $(seq "$reps"); do
    kinds 'produce 100 B in 16 KiB' produce --record-bytes 100
    kinds 'produce 1 KiB in 16 KiB' produce --record-bytes 1024
    kinds 'produce 1 KiB in 1 MiB' produce --record-bytes 1024 --batch-bytes 1000000
    kinds 'produce 1 KiB in 16 KiB, 16 connections' produce --record-bytes 1024 --connections 16 --partitions 16
    kinds 'latency 1 KiB unbatched, 20000/s' latency --rate 20000
    kinds 'latency 1 KiB unbatched, 5000/s' latency --rate 5000
    kinds 'end to end 1 KiB, 5000/s' fanout --rate 5000
    kinds 'fan-out 1 KiB in 16 KiB, 16 consumers' fanout --rate 5000 --batch-bytes 16384 --consumers 16
    kinds 'catch-up from page cache' catch_up
done
[ ! -t 2 ] || printf '\r\033[K' >&2
table

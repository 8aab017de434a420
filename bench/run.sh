#!/bin/sh
# run.sh [--quick] [--json] [--all] [--reps=N] [--only=WORDS] [--dir=DIR]   the engine's benchmarks
#
# Each repetition measures every case once, the engine and its limit one after the other, so that a
# change of the machine's speed meets both; the table has minimum, median and maximum of the
# repetitions and the median of the ratios within one.  README.md says what the cases are.
#   --quick   a small run, under two minutes       --only    cases whose name has one of these words;
#   --all     every figure, not the chief ones               "kafka" runs when it is named only
#   --json    every figure, one object per line
set -eu

engine=${B_ENGINE:-bench/b_engine}
kafka=$(dirname "$0")/kafka.sh
quick='' json='' every='' reps='' only='' dir=${TMPDIR:-/tmp}/varve-bench.$$
for a; do
    case $a in
    --quick) quick=1 ;;
    --json) json=1 every=1 ;;
    --all) every=1 ;;
    --reps=*) reps=${a#*=} ;;
    --only=*) only=${a#*=} ;;
    --dir=*) dir=${a#*=} ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
need "$engine"
if [ "$quick" ]; then
    reps=${reps:-1} seconds=1 most=3 lat=2 gibs='0.1' rgib=0.25 wal='--wal-mb=96'
else
    reps=${reps:-5} seconds=3 most=30 lat=10 gibs='0 1 10' rgib=2 wal=''
fi
chief='rate records cpu group stalled limit limit_cpu ratio load p50 p99 p99.9 max limit_p50 limit_p99'
chief="$chief limit_p99.9 limit_sync_p99 bare_sync_p99 ratio_p99 ratio_p99.9 refused stall memcpy crc"
chief="$chief wal_write segment_write open first_append rss_idle per_partition"
chief="$chief per_partition_reopened reopen engine_ratio"
[ -z "$every" ] || chief=''
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
# Interrupted, it shows what there is.
trap 'table "$chief"; exit 130' INT TERM
all=$dir/all.tsv run=$dir/run.tsv
: >"$all"

# b NAME COMMAND OPTION...   one measurement, appended to the figures
b() {
    name=$1; shift
    "$engine" "$@" --name="$name" --dir="$work" >"$run"
    cat "$run" >>"$all"
}
figure() { awk -F '\t' -v m="$1" '$2 == m { print $3 }' "$run"; }
# share NAME FIGURE A B   A / B
share() { line "$1" "$2" "$(echo "$3 $4" | awk '{ print ($2 > 0 ? $1 / $2 : 0) }')" ''; }

# append POLICY RECORD BATCH PARTS
append() {
    c="append $1 $2 B, batch $3, $4 part(s)"
    wanted "$c" || return 0
    say "$c"
    # Files that were just deleted make new ones slow on ext4: this directory is kept.
    work=$dir/append.$4.$1
    settle
    # shellcheck disable=SC2086
    b "$c" append --policy="$1" --record="$2" --batch="$3" --parts="$4" --seconds=$seconds \
        --max-seconds=$most $wal
    rate=$(figure rate) records=$(figure records) bytes=$(figure bytes) chunk=$(figure batch)
    group=$(figure group) groups=$(figure groups)
    [ "$4" -gt 1000 ] || rm -rf "$work"
    work=$dir/limit
    settle
    b "$c" append-limit --policy="$1" --bytes="$bytes" --chunk="$chunk" --group="$group" \
        --groups="$groups"
    share "$c" ratio "$rate" "$(figure limit)"
}

floor() {
    wanted floor || return 0
    say floor
    work=$dir/limit
    settle
    b "floor 16 KiB" floor --batch=16384 --seconds=$seconds
}

# latency NAME RECORD BATCH RATE
latency() {
    wanted "$1" || return 0
    say "$1"
    work=$dir/latency
    settle
    b "$1" latency --record="$2" --batch="$3" --rate="$4" --seconds=$lat \
        --checkpoint-ms=$((lat * 200)) --parts=10
    p99=$(figure p99) p999=$(figure p99.9) ckpt=$(figure checkpoint_max) quiet=$(figure quiet_max)
    gr=$(figure group_rate) group=$(figure group)
    rm -rf "$work"
    work=$dir/limit
    settle
    b "$1" latency-limit --rate="$gr" --group="$group" --seconds=$lat
    share "$1" ratio_p99 "$p99" "$(figure limit_p99)"
    share "$1" ratio_p99.9 "$p999" "$(figure limit_p99.9)"
    line "$1" stall "$(echo "$ckpt $quiet $(figure limit_sync_p99)" |
        awk '{ print ($1 - $2) / $3 }')" "x p99 sync"
}

# Only when asked for: it wants what a run of the engine doesn't.
wanted_kafka() { [ -n "$only" ] && wanted kafka; }

# kafkas BATCH   the engine and its limit, then as many bytes to Kafka without and with syncing
kafkas() {
    wanted_kafka || return 0
    words=$only only=''
    append sync 1024 "$1" 1
    only=$words
    for sync in '' --sync; do
        c="kafka ${sync:+synced }1024 B, batch $1"
        say "$c"
        settle
        "$kafka" --name="$c" --dir="$dir" --batch="$1" --bytes="$bytes" $sync >"$run"
        cat "$run" >>"$all"
        share "$c" engine_ratio "$records" "$(figure records)"
    done
}

# What 10 partitions sustained last: the machine's speed drifts.
sustained() {
    awk -F '\t' -v c='append sync 1024 B, batch 16384, 10 part(s)' '
        $1 == c && $2 == "rate" { rate = $3 }
        $1 == c && $2 == "batch" { batch = $3 }
        END { print (batch > 0 ? rate * 1e6 / batch : 0) }' "$all"
}

latencies() {
    wanted latency || return 0
    latency 'latency 100 B unbatched, 20000/s' 100 0 20000
    if [ "$(sustained)" = 0 ]; then
        words=$only only=''
        append sync 1024 16384 10
        only=$words
    fi
    max=$(sustained)
    for pc in 50 70 90; do
        rate=$(echo "$max $pc" | awk '{ print $1 * $2 / 100 }')
        latency "latency 1 KiB in 16 KiB, $pc %" 1024 16384 "$rate"
    done
}

tails() {
    wanted tail || return 0
    for rate in 0 5000; do
        say tail
        work=$dir/tail
        c='tail at full speed'
        [ $rate = 0 ] || c="tail $rate batches/s"
        b "$c" tail --rate=$rate --seconds=$lat
        rm -rf "$work"
    done
}

reads() {
    wanted read || return 0
    work=$dir/read
    [ -d "$work" ] || b fill fill --gib=$rgib --policy=none
    for m in cache send disk; do
        say "read $m"
        b "read $m" read --mode=$m --pin
        rate=$(figure rate)
        b "read $m" read --mode=$m-limit --pin
        share "read $m" ratio "$rate" "$(figure limit)"
    done
}

recovers() {
    wanted recover || return 0
    for parts in 1 10000; do
        for g in $gibs; do
            c="recover $g GiB, $parts parts"
            say "$c"
            work=$dir/recover
            b "$c" recover --gib="$g" --parts=$parts
            share "$c" ratio "$(figure open)" "$(figure limit)"
            rm -rf "$work"
        done
    done
}

idle() {
    wanted idle || return 0
    say idle
    work=$dir/idle
    b idle idle
}

if wanted_kafka; then "$kafka" --check; fi
rep=1
while [ "$rep" -le "$reps" ]; do
    line machine load "$(cut -d ' ' -f 1 /proc/loadavg)" ''
    floor
    for policy in sync none; do
        append $policy 1024 16384 1
        append $policy 1024 1048576 1
        append $policy 100 16384 1
        append $policy 100 0 1
        append $policy 1024 16384 10
        [ "$quick" ] || append $policy 1024 16384 100
        if [ -z "$quick" ] || [ $policy = sync ]; then
            append $policy 1024 16384 10000
        fi
    done
    latencies
    tails
    reads
    recovers
    idle
    kafkas 16384
    kafkas 1048576
    rep=$((rep + 1))
done
table "$chief"

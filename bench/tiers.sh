#!/bin/sh
# tiers.sh [--quick] [--json] [--svg=FILE] [--reps=N] [--only=WORDS] [--dir=DIR]   hot against cold
#
# `varve bench tiers` on varved with each kind of store, each beside what the store gives to others just
# then; and varved beside Apache Kafka with tiered storage, both with files as their store, in turns, with
# one client.  The table has minimum, median and maximum over the repetitions, of figures and of the ratios
# within one.  README.md says what the cases are.
# Stores and Kafka are peers: t/peers/install.sh versitygw hdfs toxiproxy kafka-tiered; what isn't there is
# left out.
#   --quick   small, once: three minutes             --only    cases whose name has one of these words
#   --svg     a drawing of the rates, too
set -eu

varved=${VARVED:-server/main/varved} varve=${VARVE:-server/tool/varve} engine=${B_ENGINE:-bench/b_engine}
peers=${VARVE_PEERS:-${HOME:-/root}/.cache/varve-peers}
quick='' json='' svg='' reps='' only='' dir=${TMPDIR:-/tmp}/varve-bench.$$
for a; do
    case $a in
    --quick) quick=1 ;;
    --json) json=1 ;;
    --svg=*) svg=${a#*=} ;;
    --reps=*) reps=${a#*=} ;;
    --only=*) only=${a#*=} ;;
    --dir=*) dir=${a#*=} ;;
    *) sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
need "$varved" "$varve" "$engine"
mib=1048576 consumers=4
if [ "$quick" ]; then
    reps=${reps:-1} seconds=1 bytes=$((128 * mib)) rate=1000
else
    reps=${reps:-3} seconds=5 bytes=$((1024 * mib)) rate=2000
fi
mkdir -p "$dir"
all=$dir/all.tsv server='' peer='' name='' kind=''
: >"$all"

# ---- servers

die() {
    echo "$name: $*" >&2
    [ ! -s "$dir/log" ] || tail -n 20 "$dir/log" >&2
    results # what was measured before
    exit 1
}
results() {
    table ''
    [ -z "$svg" ] || "$(dirname "$0")/bars" "$all" >"$svg"
}
has() { [ -x "$peers/$1/bin/$2" ]; }

# run_varved STORE-URL OPTIONS...
run_varved() {
    url=$1
    shift
    at=127.0.0.1:$(free_port)
    taskset -c 0 "$varved" -o listeners="PLAINTEXT://$at" -o log.dirs="$dir/data" -o admin.listeners= \
        -o remote.log.storage.system.enable=true -o tier.store.url="$url" "$@" >"$dir/log" 2>&1 &
    server=$!
    "$varve" bench start -b "$at" --seconds 60 >/dev/null || die 'varved does not start'
}
kill_server() {
    [ "$server" ] || return 0
    kill -9 "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    while kill -0 "$server" 2>/dev/null; do sleep 0.01; done
    server=
}
# A store is elsewhere: it takes nothing of the server's disk and processor, where there is memory for it.
away=$dir
if [ -w /dev/shm ] && [ "$(($(df --output=avail -k /dev/shm | tail -n 1) * 1024))" -gt $((4 * bytes)) ]; then
    away=$(mktemp -d /dev/shm/varve-bench.XXXXXX)
fi
# start_peer PEER   in $away/PEER; what it prints
start_peer() { taskset -c 1 nice -n 10 "$peers/$1/bin/start" "$away/$1"; }
stop_peers() {
    for p in $peer; do
        "$peers/$p/bin/stop" "$away/$p" || true
        rm -rf "${away:?}/$p"
    done
    peer=
}
trap 'kill_server; stop_peers; wait; rm -rf "$dir" "$away"' EXIT
trap 'results; exit 130' INT TERM

# ---- figures

# take   lines of `varve bench tiers --json` become figures
take() {
    perl -MJSON::PP -ne '
        BEGIN { $store = $ENV{name} }
        my $r = decode_json($_);
        my $case = $r->{case};
        my $cpu = sub { $r->{bytes} > 0 && defined $r->{broker_cpu_us} ? $r->{broker_cpu_us} * 1e3 / $r->{bytes} : undef };
        my $put = sub {
            my ($case, $figure, $v, $unit) = @_;
            printf "%s\t%s\t%.6g\t%s\n", "$store: $case", $figure, $v, $unit if defined $v;
        };
        my $gib = ($r->{bytes} || 1) / 1073741824;
        if ($case eq "load") {
            my $b = $r->{beside};
            $b .= " before it" if $b eq "nothing" && !$seen++;
            for my $what ("produce", "tail") {
                $put->("load beside $b", "$what p50", $r->{"${what}_p50_us"} / 1e3, "ms");
                $put->("load beside $b", "$what p99", $r->{"${what}_p99_us"} / 1e3, "ms");
                $put->("load beside $b", "$what p99 ratio", $r->{"${what}_p99_permille"} / 1e3, "");
            }
            $put->("load beside $b", "read", $r->{beside_bytes_per_second} / 1e6, "MB/s")
                if $r->{beside_bytes_per_second};
        } elsif ($case =~ /^offload/) {
            $case =~ tr/_/ /;
            $put->($case, "rate", $r->{bytes_per_second} / 1e6, "MB/s");
            $put->($case, "cpu", $cpu->(), "s/GB") if $case eq "offload"; # without that of the load
            my $puts = 0;
            $puts += $r->{"store_$_"} // 0 for qw(put begin part end abort list sweep);
            $put->($case, "PUT class", $puts / $gib, "/GiB");
            $put->($case, "GET class", (($r->{store_get} // 0) + ($r->{store_verify} // 0)) / $gib, "/GiB");
        } elsif ($case eq "produce") {
            $put->($case, "rate", $r->{bytes_per_second} / 1e6, "MB/s");
        } else {
            $case .= ", $r->{consumers}";
            $put->($case, "first", $r->{first_record_us} / 1e3, "ms");
            $put->($case, "rate", $r->{steady_bytes_per_second} / 1e6, "MB/s");
            $put->($case, "cpu", $cpu->(), "s/GB");
            next if $case !~ /^cold/;
            $put->($case, "GET", ($r->{store_get} // 0) / $gib, "/GiB");
            $put->($case, "read of the store", $r->{store_read_bytes} / $r->{bytes}, "of it");
        }' "$dir/run" >>"$all"
}
# The newest figure of a case.
figure() { awk -F '\t' -v c="$1" -v f="$2" '$1 == c && $2 == f { v = $3 } END { print v + 0 }' "$all"; }
now() { date +%s%N; }
# rate BYTES SINCE   in MB/s
rate() { awk -v n="$1" -v ns="$(($(now) - $2))" 'BEGIN { printf "%.6g", n * 1000 / ns }'; }
# against NAME LIMIT   the figures of a limit, and of one consumer against it
against() {
    line "$1: limit" rate "$2" MB/s
    line "$1: cold, empty caches, 1" 'rate / limit' \
        "$(awk -v a="$(figure "$1: cold, empty caches, 1" rate)" -v b="$2" 'BEGIN { print (b > 0 ? a / b : 0) }')" ''
}

# tiers NAME   of the server that runs
tiers() {
    export name
    taskset -c 1 "$varve" bench tiers -b "$at" --json --bytes "$bytes" --consumers "$consumers" \
        --seconds "$seconds" --rate "$rate" --pid "$server" >"$dir/run" || die 'varve bench tiers failed'
    take
}

# ---- limits: what the store gives to somebody else

# Files in the page cache would be another limit.
drop_pages() { find "$1" -type f -exec dd of=/dev/null iflag=nocache count=0 status=none if={} \; ; }
objects() { find "$1" -path '*/d/*' -type f -size +64k; }
bytes_of() { objects "$1" | xargs stat -c %s | awk '{ n += $1 } END { print n + 0 }'; }

# The same files, from the disk, past the page cache.
limit_of_files() {
    n=$(bytes_of "$1")
    drop_pages "$1"
    since=$(now)
    objects "$1" | while read -r f; do
        dd if="$f" of=/dev/null bs=8M iflag=direct status=none
    done
    against "$name" "$(rate "$n" "$since")"
}

# pieces_of DIRECTORY   each object in pieces of 8 MiB: name, position, bytes
pieces_of() {
    objects "$1" | while read -r f; do
        size=$(stat -c %s "$f")
        at_byte=0
        while [ "$at_byte" -lt "$size" ]; do
            piece=$((size - at_byte < 8 * mib ? size - at_byte : 8 * mib))
            echo "${f#"$1"/} $at_byte $piece"
            at_byte=$((at_byte + piece))
        done
    done
}

# as_fast CONFIG   by curl on the core that varved had, with as many at a time as varved reads ahead
as_fast() {
    n=$(awk '{ n += $3 } END { print n + 0 }' "$dir/pieces")
    since=$(now)
    taskset -c 0 curl -sS --fail --parallel --parallel-immediate --parallel-max 4 --config "$1" 2>"$dir/log" ||
        die 'curl gets nothing'
    against "$name" "$(rate "$n" "$since")"
}

limit_of_s3() {
    pieces_of "$away/versitygw/data/bench" >"$dir/pieces"
    awk -v endpoint="$1" -v header="$nothing" '{
        if (NR > 1) print "next"
        print "url = \"" endpoint "/bench/" $1 "\""
        print "range = \"" $2 "-" $2 + $3 - 1 "\""
        print "user = \"testkey:testsecret123\""
        print "header = \"" header "\""
        print "aws-sigv4 = \"aws:amz:us-east-1:s3\""
        print "output = \"/dev/null\""
    }' "$dir/pieces" >"$dir/curl"
    as_fast "$dir/curl"
}

# Names are the name node's to tell.
limit_of_hdfs() {
    perl -MHTTP::Tiny -MJSON::PP -e '
        my ($web, $most) = @ARGV;
        sub walk {
            my ($path) = @_;
            my $r = HTTP::Tiny->new->get("http://$web/webhdfs/v1$path?op=LISTSTATUS&user.name=hdfs");
            for my $f (@{decode_json($r->{content})->{FileStatuses}{FileStatus}}) {
                my $name = "$path/$f->{pathSuffix}";
                if ($f->{type} eq "DIRECTORY") { walk($name); next }
                next if $name !~ m{/d/} || $f->{length} < 65536;
                for (my $at = 0; $at < $f->{length}; $at += $most) {
                    my $n = $f->{length} - $at < $most ? $f->{length} - $at : $most;
                    print "$name $at $n\n";
                }
            }
        }
        walk("/cold")' "$1" $((8 * mib)) >"$dir/pieces"
    awk -v web="$1" '{
        if (NR > 1) print "next"
        print "location"
        print "url = \"http://" web "/webhdfs/v1" $1 "?op=OPEN&user.name=hdfs&offset=" $2 "&length=" $3 "\""
        print "output = \"/dev/null\""
    }' "$dir/pieces" >"$dir/curl"
    as_fast "$dir/curl"
}

# ---- stores

with_files() {
    run_varved "file://$dir/cold"
    tiers
    limit_of_files "$dir/cold"
}

# What curl 7.88 doesn't say by itself: the hash of a request's body, which is empty.
nothing='x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

# start_s3 sets $endpoint, of versitygw with a bucket.
start_s3() {
    endpoint=$(start_peer versitygw)
    peer="$peer versitygw"
    curl -sS --fail -X PUT --user testkey:testsecret123 --aws-sigv4 aws:amz:us-east-1:s3 \
        -H "$nothing" "$endpoint/bench" || die 'no bucket can be made'
    export AWS_ACCESS_KEY_ID=testkey AWS_SECRET_ACCESS_KEY=testsecret123
}
with_s3() {
    start_s3
    run_varved s3://bench/cold -o tier.s3.endpoint="$endpoint"
    tiers
    limit_of_s3 "$endpoint"
}
# with_s3_capped MB/S   what each connection gives at most: 90 is what those to Amazon give
with_s3_capped() {
    start_s3
    api=$(start_peer toxiproxy)
    peer="$peer toxiproxy"
    capped=http://127.0.0.1:$(free_port)
    curl -sS --fail -o /dev/null "$api/proxies" \
        -d "{\"name\":\"s3\",\"listen\":\"${capped#*//}\",\"upstream\":\"${endpoint#*//}\",\"enabled\":true}"
    curl -sS --fail -o /dev/null "$api/proxies/s3/toxics" \
        -d "{\"name\":\"cap\",\"type\":\"bandwidth\",\"stream\":\"downstream\",\"attributes\":{\"rate\":${1}000}}"
    run_varved s3://bench/cold -o tier.s3.endpoint="$capped"
    tiers
    limit_of_s3 "$capped"
}
with_hdfs() {
    web=$(start_peer hdfs)
    peer="$peer hdfs"
    run_varved "hdfs://$web/cold" -o tier.hdfs.user=hdfs
    tiers
    limit_of_hdfs "$web"
}

# store NAME COMMAND PEERS...   unless they aren't there
store() {
    name=$1 command=$2
    shift 2
    wanted "$name" || return 0
    for p; do
        has "$p" start || { say "$name: no $p"; return 0; }
    done
    say "$name"
    settle
    $command
    kill_server
    stop_peers
    rm -rf "$dir/data" "$dir/cold"
}

# ---- beside Kafka

run_kafka() {
    KAFKA_HEAP_OPTS='-Xms2g -Xmx2g' taskset -c 0 "$peers/kafka-tiered/bin/start-tiered" "$dir/data" \
        num.partitions=1 log.retention.check.interval.ms=500 log.initial.task.delay.ms=500 \
        remote.log.manager.task.interval.ms=500 >"$dir/log" 2>&1 || die 'Kafka does not start'
    server=$(cat "$dir/data/pid")
    at=$(sed -n 's|^listeners=PLAINTEXT://\([^,]*\),.*|\1|p' "$dir/data/server.properties")
}
launch() {
    if [ "$kind" = kafka ]; then
        run_kafka
    else
        run_varved "file://$dir/cold" -o checkpoint.interval.ms=500
    fi
}
bench() { taskset -c 1 "$varve" bench "$@" -b "$at" --json || die "$kind: varve bench $1 failed"; }

# What the servers still have of the topic's records on their own disks.
local_bytes() {
    if [ "$kind" = kafka ]; then where=$dir/data/data; else where=$dir/data/log; fi
    find "$where" -name '*.log' -path '*log*' -type f 2>/dev/null | grep -v -e __ -e bench-load |
        xargs -r stat -c %s 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'
}
cold_files() {
    if [ "$kind" = kafka ]; then echo "$dir/data/cold"; else echo "$dir/cold"; fi
}
# An open segment stays on Kafka's disk: it is closed by a record that comes too late for it.
make_cold() {
    "$varve" topic create bench-cold -b "$at" --partitions "$consumers" -c remote.storage.enable=true \
        -c segment.bytes=$((bytes / consumers / 4 < 64 * mib ? bytes / consumers / 4 : 64 * mib)) \
        -c segment.ms=3000 -c local.retention.ms=1000 -c file.delete.delay.ms=0 >/dev/null || die 'no topic'
    "$varve" topic create bench-load -b "$at" >/dev/null || die 'no topic'
    bench produce -t bench-cold --bytes "$bytes" --batch-bytes 65536 >"$dir/run"
    sleep 4
    bench produce -t bench-cold --bytes 4000 --batch-bytes 1000 >/dev/null
    for i in $(seq 600); do
        [ "$(local_bytes)" -gt $mib ] || break
        [ "$i" -lt 600 ] || die "$kind: segments don't leave"
        sleep 0.5
    done
}

# put FIGURES   of a run, by the kind of server
put() {
    perl -MJSON::PP -0777 -e '
        my ($case, $kind, %unit) = (shift, shift, broker_cpu_us_per_gb => ["cpu", 1e6, "s/GB"],
            consumed_bytes_per_second => ["rate", 1e6, "MB/s"], acknowledged_p50_us => ["p50", 1e3, "ms"],
            acknowledged_p99_us => ["p99", 1e3, "ms"]);
        my $r = decode_json(<STDIN>);
        for (sort keys %unit) {
            next unless defined $r->{$_};
            my ($figure, $by, $unit) = @{$unit{$_}};
            printf "%s\t%s\t%.6g\t%s\n", $case, "$figure $kind", $r->{$_} / $by, $unit;
        }' "$1" "$kind" <"$dir/run" >>"$all"
}

# Neither has anything of it in memory of its own, both have the store's files in the page cache.
read_cold() {
    if [ "$kind" = varved ]; then
        kill_server
        launch
    fi
    find "$(cold_files)" -type f -exec cat {} + >/dev/null
    bench consume -t bench-cold --connections "$1" --pid "$server" >"$dir/run"
    put "$name: cold, $1 consumer(s)"
}

latency() {
    bench latency -t bench-load --rate "$rate" --seconds $((seconds * 2)) --warm-up 2 --pid "$server" >"$dir/run"
    put "$name: load $1"
}

beside_readers() {
    latency alone
    touch "$dir/reading"
    while [ -e "$dir/reading" ]; do
        taskset -c 1 nice -n 10 "$varve" bench consume -t bench-cold --connections "$consumers" -b "$at" >/dev/null 2>&1 || true
    done &
    readers=$!
    latency 'beside cold readers'
    rm "$dir/reading"
    wait $readers || true
    a=$(figure "$name: load alone" "p99 $kind") b=$(figure "$name: load beside cold readers" "p99 $kind")
    line "$name: load beside cold readers" "p99 ratio $kind" \
        "$(awk -v a="$a" -v b="$b" 'BEGIN { print (a > 0 ? b / a : 0) }')" ''
}

# How many times as fast varved is, and how much of Kafka's processor time it takes.
ratios() {
    for c in 'cold, 1 consumer(s)' "cold, $consumers consumer(s)"; do
        for f in rate cpu; do
            a=$(figure "$name: $c" "$f varved") b=$(figure "$name: $c" "$f kafka")
            [ "$b" = 0 ] || line "$name: $c" "$f varved/kafka" "$(awk -v a="$a" -v b="$b" 'BEGIN { print a / b }')" ''
        done
    done
}

kafka() {
    name='files, beside Kafka'
    wanted "$name" || return 0
    for kind in varved kafka; do
        [ $kind = varved ] || has kafka-tiered start-tiered || continue
        say "$name: $kind"
        settle
        launch
        make_cold
        bench consume -t bench-cold --connections "$consumers" >/dev/null # warm
        read_cold 1
        read_cold "$consumers"
        beside_readers
        kill_server
        rm -rf "$dir/data" "$dir/cold"
    done
    ratios
}

for rep in $(seq "$reps"); do
    store files with_files
    store S3 with_s3 versitygw
    for cap in 90 40; do
        store "S3, $cap MB/s a connection" "with_s3_capped $cap" versitygw toxiproxy
    done
    store HDFS with_hdfs hdfs
    kafka
done
results

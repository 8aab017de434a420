#!/bin/sh
# The commands of varve that talk to a Kafka: what they refuse without one, and what they do with one.
# The broker is VARVE_TEST_BOOTSTRAP, or a varved of our own.
# shellcheck disable=SC2154  # what tool.sh sets
# shellcheck source=t/lib/tool.sh
. "${srcdir:=.}/t/lib/tool.sh"
node=
unset VARVE_BOOTSTRAP NO_COLOR
trap '[ -z "$node" ] || { kill "$node"; wait "$node"; }' EXIT

input() { printf "$1" >"$dir/in"; }
went_well() { [ $rc = 0 ] && [ ! -s "$dir/err" ]; }
lines() { [ "$(wc -l <"$dir/out")" = "$1" ]; }

# ---- without a broker: help, wrong usage
run
ok "no argument: an overview of all commands, 64" eval '[ $rc = 64 ] && grep -q "varve produce" "$dir/err"'
for c in topic group config; do
    run $c --help
    ok "$c --help tells its subcommands" eval 'went_well && says "^usage: varve $c ls"'
    run $c
    ok "$c alone: 64" refused 64 "varve $c --help"
    run $c frob
    ok "$c with an unknown subcommand: 64" refused 64 '"frob"'
done
for c in "topic create" "topic ls" "topic describe" "topic alter" "topic rm" produce consume "group ls" \
    "group describe" "group reset" "group rm" "config ls" "config get" "config set" "config unset"; do
    run $c --help
    ok "$c --help" eval 'went_well && says "^usage: varve $c" && says "--bootstrap"'
    run $c --frob
    ok "$c with an unknown option: 64" refused 64 "\"--frob\".*varve $c --help"
done
# Each line: the arguments, a bar, what is said.
while IFS='|' read -r args what; do
    run $args
    ok "$args: 64" refused 64 "$what"
done <<'X'
topic create|a topic's name is missing
topic create x --partitions 0|--partitions wants
topic create x -n two|--partitions wants a whole number from 0 on, not "two"
topic create x -c novalue|-c wants key=value
topic ls x|"x" is too much
topic alter x|nothing to change
topic rm x|give --yes
topic describe x --timeout 0|--timeout wants
produce|a topic's name is missing
produce x --codec brotli|--codec wants
produce x --format xml|--format wants
produce x --acks 2|--acks wants
produce x --acks 1 --idempotent yes|needs --acks all
produce x -H novalue|KEY=VALUE
produce x -p nix=1|-p nix
consume|a topic's name is missing
consume x --from yesterday|--from wants
consume x --from 5 --to 3|lies behind --to
consume x --follow --to end|--follow has no end
consume x --group|its value is missing
bench|bench wants a subcommand
consume x --group g --from 7|varve group reset
consume x --group g --partition 1|--group decides
consume x --format %q|behind % one of
consume x --format %s --json|--format has it all
group reset g|one of --to-earliest
group reset g --to-earliest --to-latest|one of --to-earliest
group reset g --to-time noon|--to-time wants
group rm g|give --yes
config ls|"topic NAME" or "broker NUMBER"
config ls user x|not "user"
config get broker x y|has a number
config set topic x retention.ms|isn't KEY=VALUE
config unset topic x a=b|has a value
X
run topic ls -b 127.0.0.1:1
ok "no broker there: 75, with the address and the reason" refused 75 'at 127.0.0.1:1: Connection refused'
run bench produce -b 127.0.0.1:1
ok "the bench says the same" refused 75 'at 127.0.0.1:1: Connection refused'
VARVE_BOOTSTRAP=127.0.0.1:2 run group ls
ok "VARVE_BOOTSTRAP names it, too" refused 75 'at 127.0.0.1:2: '

# ---- the broker
if [ -n "${VARVE_TEST_BOOTSTRAP:-}" ]; then
    VARVE_BOOTSTRAP=$VARVE_TEST_BOOTSTRAP
else
    server/main/varved -o listeners=PLAINTEXT://127.0.0.1:0 -o log.dirs="$dir/data" -o admin.listeners= \
        -o group.initial.rebalance.delay.ms=0 >"$dir/ready" 2>"$dir/log" &
    node=$!
    until_so grep -q '^ready ' "$dir/ready" || { echo "Bail out! varved does not start: $dir/log"; exit 1; }
    VARVE_BOOTSTRAP=$(sed -n 's|^ready PLAINTEXT://||p' "$dir/ready")
fi
export VARVE_BOOTSTRAP
# Names of our own: the broker may have been used before.
t=cli-$$ u=cli-$$-2 g=group-$$

# ---- topics
run topic create $t -n 3 -c retention.ms=1000000
ok "topic create" eval 'went_well && says "topic $t: created"'
run topic create $t
ok "again: it exists" refused 1 "\"$t\" exists already"
run topic create $t --if-not-exists
ok "--if-not-exists" eval 'went_well && says "exists already"'
run topic create "$t" "$u" --json
ok "of two, the one that can be is created" eval '[ $rc = 1 ] && json_lines && says "\"topic\":\"$u\",\"result\":\"created\""'
run topic create 'bad name'
ok "a bad name: 64, with the broker's reason" refused 64 'bad name'
run topic create $t-x -c nix=1
ok "a bad setting: 64" refused 64 'nix'
run topic ls
ok "topic ls" says "^$t  *3  *1  *0$"
run topic ls --json --all
ok "in JSON" eval 'json_lines && says "\"topic\":\"$t\",\"partitions\":3"'
run topic describe $t
ok "topic describe: partitions with offsets" says '^ *2  *[0-9]*  .*  0    0        0$'
ok "and settings that differ" says '^retention.ms  *1000000  topic$'
ok "no others" eval '! says "^cleanup.policy"'
run topic describe $t --all --json
ok "--all, in JSON" eval 'json_lines && says "\"key\":\"cleanup.policy\""'
run topic describe $t-nix
ok "a topic that isn't there: 66" refused 66 "\"$t-nix\" does not exist"
run topic ls
ok "asking for it has not made it" eval '! says "$t-nix"'
run topic alter $t -c segment.bytes=2000000 -n 4
ok "topic alter" went_well
run config ls topic $t
ok "keeps other settings" eval 'says "^retention.ms  *1000000" && says "^segment.bytes  *2000000"'
run topic alter $t --unset retention.ms
run config get topic $t retention.ms segment.bytes
ok "--unset takes one back" eval 'went_well && [ "$(tr "\n" " " <"$dir/out")" = "604800000 2000000 " ]'
run topic alter $t -n 2
ok "fewer partitions: 64" refused 64 'topic'
run config set topic $t max.message.bytes=5000 retention.bytes=77
run config set topic $t retention.bytes=78
run config get topic $t max.message.bytes retention.bytes --json
ok "config set" eval 'json_lines && says "\"value\":\"5000\"" && says "\"value\":\"78\""'
run config unset topic $t nix
ok "an unknown setting: 66" refused 66 '"nix"'
run config get topic $t nix
ok "get of one, too" refused 66 '"nix"'
run config set topic $t retention.ms=soon
ok "a value that is none: 64" refused 64 'soon'
run config ls broker
ok "config ls broker" eval 'went_well && [ -s "$dir/out" ]'
run config get broker 7777 log.dirs
ok "one that isn't there, at once: 66" refused 66 'there is no broker 7777'

# ---- produce and consume
input 'k1\tone\nk2\t\nk3\tthree\n'
run produce $t --partition 0 -k '\t' -H color=red -H empty= --empty-is-null
ok "produce" eval 'went_well && says "^topic $t: 3 records, 14 B$"'
run consume $t
ok "consume ends at the end" eval 'went_well && lines 3 && says "^three$"'
run consume $t --json --count 2
ok "--count, --json" eval 'json_lines && lines 2'
ok "key, value and headers" says '"key":"k1","value":"one","headers":\[{"key":"color","value":"red"},{"key":"empty","value":""}\]'
ok "null is null" says '"key":"k2","value":null'
run consume $t -k -H --offsets
ok "columns" [ "$(head -n 1 "$dir/out")" = "$(printf '0\t0\tk1\tcolor=red,empty=\tone')" ]
run consume $t --format '%t %p %o %k=%s %K %S %h%%\n'
ok "--format" [ "$(sed -n 2p "$dir/out")" = "$t 0 1 k2= 2 -1 color=red,empty=%" ]
for range in "--from 1:2" "--from -1:1" "--to 0:1" "--from 1 --to 1:1" "--to -1:2" "--from end:0" "--from -1h:3" \
    "--from 2100-01-01:0" "--to -1h:0" "--from @0 --to 2100-01-01:3" "--from 99:0" "--from start --to end:3"; do
    run consume $t ${range%:*}
    ok "consume ${range%:*}" eval 'went_well && lines ${range##*:}'
done
run consume $t --partition 0 --partition 3
ok "--partition" lines 3
run consume $t --partition 9
ok "one that isn't there: 66" refused 66 'partitions 0 to 3'
run consume $t-nix
ok "a topic that isn't there: 66" refused 66 "$t-nix"
run consume $t $u
ok "several topics" lines 3
for codec in none gzip snappy lz4 zstd; do
    input 'of the one codec\n'
    run produce $u --codec $codec
    ok "--codec $codec" went_well
done
for how in "--acks 1" "--acks 0" "--idempotent no" "-p linger.ms=0"; do
    input 'of the one codec\n'
    run produce $u $how
    ok "produce $how" went_well
done
run consume $u
ok "all of them are there" eval 'lines 9 && [ "$(uniq "$dir/out" | wc -l)" = 1 ]'
echo 'a file' >"$dir/f1" && printf 'and one\nwithout an end' >"$dir/f2"
run produce $u "$dir/f1" "$dir/f2" --json
ok "files, and the count in JSON" eval 'json_lines && says "\"records\":3,.*\"failed\":0"'
run consume $u --from -99h --format '%s;'
ok "a last line without a line feed is a line" says ';without an end;'
run produce $u "$dir/f3"
ok "a file that isn't there: 66" refused 66 'f3'

# All bytes, empty and null, there and back.
perl -e 'for (0 .. 255) { my ($k, $v) = (chr($_) . "\0\n\t", join("", map { chr } 0 .. $_));
        print pack("N/a* N/a*", $k, $v) } print pack("NNNN", 2 ** 32 - 1, 0, 0, 2 ** 32 - 1)' >"$dir/raw"
cp "$dir/raw" "$dir/in"
run topic create $u-raw $u-json -n 1
cp "$dir/raw" "$dir/in"
run produce $u-raw --format raw
ok "raw: 258 records" says ': 258 records'
run consume $u-raw --format '%N%k%R%s'
ok "come back byte for byte" cmp -s "$dir/out" "$dir/raw"
run consume $u-raw --json
cp "$dir/out" "$dir/in" && cp "$dir/out" "$dir/json"
run produce $u-json --format json
ok "JSON: what consume prints" says ': 258 records'
run consume $u-json --format '%N%k%R%s'
ok "comes back byte for byte" cmp -s "$dir/out" "$dir/raw"
run consume $u-json --json
ok "with its times" eval 'sed "s/$u-json/$u-raw/" "$dir/out" | cmp -s - "$dir/json"'
head -c 1000 "$dir/raw" >"$dir/in"
run produce $u-raw --format raw
ok "raw that ends amid a record: 65" refused 65 'ends amid a record'

# Records that can't be sent: told one by one, the others are sent.
input 'a:b\nno separator\nc:d\n'
run produce $u -k :
ok "a line without the separator: 65, with its number" refused 65 'record 2: standard input, line 2'
ok "the others are sent" says ': 2 records, 4 B; 1 failed'
input '{"value":"x"}\n\n{"value":\n{"value":"y"}\n'
run produce $u --format json
ok "bad JSON: 65" refused 65 'line 3: not a record in JSON, byte 10'
perl -e 'print "x" x 6000, "\n"' >"$dir/in"
run produce $t
ok "what the broker refuses: 1" refused 1 'record 1: topic.*too large'
{ perl -e 'print "x" x 1500000, "\n"'; echo y; } >"$dir/in"
run produce $t
ok "what is too long for us" refused 1 'record 1: standard input, line 1: .*message.max.bytes'
mkfifo "$dir/fifo"
"$varve" produce $u --json <"$dir/fifo" >"$dir/out" 2>"$dir/err" &
producer=$!
{ echo before the end; until_so eval '"$varve" consume $u --from -1 | grep -q "before the end"'; kill -INT $producer
    until_so grep -q produced "$dir/out"; } >"$dir/fifo"
wait $producer
rc=$?
ok "Ctrl-C ends produce, with its count: 130" eval '[ $rc = 130 ] && says "\"records\":1,.*\"unconfirmed\":0"'
input 'x\n'
run produce $t --partition 9
ok "a partition that isn't there: 66" refused 66 'partitions 0 to 3'
"$varve" consume $u-raw 2>"$dir/err" | head -n 1 >"$dir/out"
ok "a reader that goes away is no failure" [ ! -s "$dir/err" ]

# ---- groups
run consume $u-raw -g $g --count 100 --format '%o\n'
ok "consume in a group" eval 'went_well && lines 100'
run group describe $g
ok "its place, and lag" says "^$u-raw  *0  *100  *2[0-9][0-9]  *1[0-9][0-9] "
run consume $u-raw -g $g --count 1 --format '%o\n'
ok "it goes on there" says '^100$'
run group ls
ok "group ls" says "^$g  *empty"
run group ls --json
ok "in JSON" json_lines
run group describe $g --json
ok "describe, too" eval 'json_lines && says "\"committed\":101,"'
run group describe $g-nix
ok "a group that isn't there: 66" refused 66 "$g-nix"

# committed OFFSET: so far is the group
committed() { "$varve" group describe $g --json | grep -q "\"committed\":$1,"; }
run group reset $g --to-earliest
ok "reset tells what it would do" eval 'went_well && says "^$u-raw  *0  *101    0 " && says "Nothing was changed"'
ok "and does nothing" committed 101
for how in "--to-earliest:0" "--to-offset 50:50" "--shift-by 7:57" "--shift-by -17:40" "--shift-by -99:0" \
    "--to-time -1h:0" "--to-offset 120:120"; do
    run group reset $g $u-raw:0 ${how%:*} --execute
    ok "reset ${how%:*}" eval 'went_well && committed ${how##*:}'
done
run group reset $g --to-latest -x --json
ok "--to-latest, in JSON" eval 'json_lines && says "\"done\":true"'
run group reset $g $u-raw:7 --to-latest
ok "a partition that isn't there: 66" refused 66 'partitions 0 to 0'
run group reset $g-new $u-json --to-offset 5 -x
ok "a new group can be given offsets" eval 'went_well && says " 5 "'
run group reset $g-none --to-latest
ok "without topics there is nothing to reset: 66" refused 66 'name the topics'

"$varve" consume -f $u-raw -g $g >"$dir/followed" 2>"$dir/err2" &
follower=$!
has_member() { "$varve" group describe $g --json | grep -q '"client":"varve"'; }
ok "a follower joins" until_so has_member
run group describe $g
ok "describe shows it" says 'stable, members 1'
run group reset $g --to-earliest -x
ok "reset refuses while it is there: 1" refused 1 'has 1 active member: stop it first'
run group rm $g --yes
ok "so does rm" refused 1 'active members'
input 'for the follower\n'
run produce $u-raw
ok "it sees what comes" until_so grep -q 'for the follower' "$dir/followed"
kill -INT $follower
wait $follower
rc=$?
ok "Ctrl-C ends it with 0" [ $rc = 0 ]
run group describe $g
ok "and it has left at once, with all committed" eval 'says "empty, members 0" && says " 0  *$"'
run group rm $g $g-new --yes
ok "group rm" eval 'went_well && says "group $g: deleted"'
run group rm $g --yes
ok "again: 66" refused 66 "$g"

# ---- away with it
for x in $t $u $u-raw; do
    run topic rm $x --yes
    ok "topic rm" eval 'went_well && says "topic $x: deleted"'
done
run topic rm $t $u-json --yes
ok "of two, the one that is there is deleted: 66" eval '[ $rc = 66 ] && one_sentence && says "$u-json: deleted"'
run topic rm $t --yes --if-exists
ok "--if-exists" went_well
# ---- what it measures
b=bench-$$
run bench produce -t $b --partitions 3 --bytes 1000000 --batch-bytes 4096 --json
ok "bench produce" eval 'went_well && json_lines && says "\"produced_records_per_second\":[1-9]" && says "\"acknowledged_p99_us\":[1-9]"'
"$builddir/t/onpty" "$varve" bench produce -t $b --seconds 3 --warm-up 0 >"$dir/out" 2>"$dir/err"
rc=$?
if [ $rc = 77 ]; then
    ok "bench shows on a terminal how far it is # SKIP there is no terminal to be had" true
else
    ok "bench shows on a terminal how far it is" eval 'went_well && says "\[#*\.*\] .* of 3 s, .*B/s"'
fi
bold=$(printf '\033\[1m')
for no in '' 1; do
    NO_COLOR=$no TERM=xterm "$builddir/t/onpty" "$varve" proto >"$dir/out" 2>"$dir/err"
    rc=$?
    if [ $rc = 77 ]; then
        ok "a heading's colours # SKIP there is no terminal to be had" true
    elif [ $no ]; then
        ok "with NO_COLOR there are no colours" eval 'says "^ key " && ! says "$bold"'
    else
        ok "on a terminal a heading is bold" says "^$bold key "
    fi
done
run proto
ok "... nowhere else" eval 'went_well && says "^ key " && ! says "$bold"'
run bench consume -t $b --connections 2 --json
ok "bench consume takes all of it" eval 'went_well && json_lines && says "\"consumed_records_per_second\":[1-9]"'
run bench latency -t $b --rate 200 --seconds 1 --warm-up 0
ok "bench latency" eval 'went_well && says "^acknowledged: p50 "'
run bench fanout -t $b --rate 200 --consumers 3 --seconds 2 --warm-up 0 --json
ok "bench fanout: each consumer has each record" eval 'went_well && says "\"end_to_end_p50_us\":[1-9]" && perl -MJSON::PP -0777 -ne "
    my \$r = decode_json(\$_); exit !(abs(\$r->{consumed_records_per_second} - 3 * \$r->{produced_records_per_second}) <= 3)" "$dir/out"'
run bench produce -t $b-made --partitions 5 --bytes 1000000 --pid $$ --json
ok "bench produce --bytes takes no longer than those, and tells how long the topic took" eval 'went_well && json_lines && says "\"topic_made_us\":[1-9]" && says "\"broker_cpu_us_per_gb\":"'
run topic describe $b-made --json
ok "bench makes a topic of so many partitions" says '"partitions":5'
run bench latency -t $b --rate 200 --idle 50 --seconds 1 --warm-up 0 --pid $$
ok "bench latency beside idle connections, with the CPU of a process" eval 'went_well && says "^broker: .* cores" && says "^broker: .*iB resident"'
run bench start
ok "bench start: the broker answers" eval 'went_well && says "^answered: " && ! says "^fetched: "'
run bench start -t $b-made
ok "bench start of a topic: a fetch brings records" eval 'went_well && says "^fetched: "'
run bench start --since "$(date -d '1 hour ago' +%s%N)"
ok "bench start --since counts from then" says '^answered: 36[0-9]\{5\}\.'
run bench start -t $b-none --seconds 1
ok "bench start gives up where there is no such topic: 66" refused 66 "there is no topic $b-none"
run bench start -b 127.0.0.1:1 --seconds 1
ok "and where nobody answers: 75" refused 75 '127.0.0.1:1'
run bench produce -t $b --pid 4194304
ok "a process that isn't there: 66" refused 66 'there is no process'
run bench produce --idle 1000001
ok "too many idle connections: 64" refused 64 '--idle'
run bench produce --acks 0
ok "acks 0 has nothing to time: 64" refused 64 '--acks 0'
run bench dance
ok "an unknown measurement: 64" refused 64 'bench has no subcommand "dance"'

# ---- the protocol
run proto
ok "proto lists the APIs" says "^ *3  Metadata  *0 to 13  *9$"
run proto ApiVersions 2
ok "... and their fields" says "^  throttle_time_ms  int32"
run proto --json
ok "in JSON" eval 'json_lines && says "{\"kind\":\"api\",\"key\":3,\"api\":\"Metadata\",\"first\":0,\"last\":13,\"flexible_from\":9}"'
run proto ApiVersions 2 --json
ok "... the fields, too" eval 'json_lines && says "\"field\":\"response.api_keys.max_version\",\"type\":\"int16\""'
input '0000 00000000 00000001 00000007'
run proto decode response ApiVersions 1
ok "... and reads a message" refused 64 'follow the message'
input '0000 00000000 00000007'
run proto decode response 18 1
ok "... as JSON" eval 'went_well && says "^{\"errorCode\":0,\"apiKeys\":\[\],\"throttleTimeMs\":7}$"'
run proto Metadata 99
ok "an unknown version: 64" refused 64 'versions 0 to 13'
finish

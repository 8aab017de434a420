#!/bin/sh
# The tool on a data directory: what it shows, that it changes nothing, what it says about damage, and
# what repair makes of that.
# shellcheck disable=SC2154  # what tool.sh sets
# shellcheck source=t/lib/tool.sh
. "${srcdir:=.}/t/lib/tool.sh"
mkdata=$PWD/t/mkdata

sums() { (cd "$1" && find . -type f -exec md5sum {} + | sort -k2 && find . | sort && stat -c '%a %n %Y' -- * */*); }
damage() { chmod u+w "$1" && printf 'X%.0s' $(seq "$3") | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }

"$mkdata" "$dir/clean" clean && "$mkdata" "$dir/dirty" dirty ||
    { echo "Bail out! no data to work on"; exit 1; }
part=log/a1/a1010101010101010101010101010101.0
first=00000000000000000000

# ---- the command itself
run --version
ok "--version tells the version" says '^varve [0-9]'
run help
ok "help tells how to call it" says '^ *varve log ls'
run
ok "without arguments: usage, exit code 64" [ $rc = 64 ]
run frobnicate
ok "an unknown command is named" refused 64 '"frobnicate"'
run log ls --frob "$dir/clean"
ok "an unknown option leads to --help" grep -q -- '--help' "$dir/err"
ok "and to exit code 64" [ $rc = 64 ]
run log frob
ok "an unknown subcommand: 64" refused 64 '"frob".*varve log --help'
run log
ok "none: 64" refused 64 'log wants a subcommand'
run log ls
ok "no directory: 64" refused 64 'a data directory is missing'
run log ls "$dir/nowhere"
ok "a directory that isn't there: 66" refused 66 'nowhere'
run log verify --yes "$dir/clean"
ok "an option of another subcommand: 64" [ $rc = 64 ]
ok "which is named" grep -q 'log verify: unknown option "--yes"' "$dir/err"
run log dump --topic orders --from 5 --to 3 "$dir/clean"
ok "an end before the beginning: 64" [ $rc = 64 ]
run log ls "$dir/clean/FORMAT"
ok "a file instead of a directory: 78" refused 78 'is not a directory'
run log dump --from x --topic orders "$dir/clean"
ok "a number that is none: 64" [ $rc = 64 ]

# ---- looking
for d in clean dirty; do
    sums "$dir/$d" >"$dir/before"
    run log ls "$dir/$d"
    ok "$d: ls shows the partition with its offsets" says '^orders  *0  *0  *600  *600'
    ok "$d: and one that is empty" says '^empty.topic  *2  *0  *0  *0'
    run log ls --json "$dir/$d"
    ok "$d: --json gives an object per line" json_lines
    run log stat -p "$dir/$d"
    ok "$d: stat counts" says 'topics  *2, partitions 5'
    ok "$d: and lists segments" says 'sealed, 7 index entries'
    run log stat -p --json "$dir/$d"
    ok "$d: in JSON, too" json_lines
    run log dump --topic orders --from 592 --to 594 --records "$dir/$d"
    ok "$d: dump begins at an offset" says '^    592  2023-11-14T22:13:21.182Z  key null  value "value 2 of batch 118\\n\\x01'
    ok "$d: with headers, and quotes escaped" says 'header "source"  = "mk\\"data\\\\"'
    ok "$d: and ends at one" [ "$(grep -c '^    59' "$dir/out")" = 3 ]
    run log dump --topic orders --json --records "$dir/$d"
    ok "$d: all of it in JSON" json_lines
    ok "$d: that is 600 records" [ "$(grep -c '"kind":"record"' "$dir/out")" = 600 ]
    for codec in none gzip snappy lz4 zstd; do
        ok "$d: $codec is told" says "\"codec\":\"$codec\""
    done
    run log verify "$dir/$d"
    ok "$d: verify finds no damage" says 'no damage$'
    ok "$d: exit code 0, no word on standard error" [ $rc = 0 -a ! -s "$dir/err" ]
    run log verify --json "$dir/$d"
    ok "$d: in JSON, too" json_lines
    for f in "$part/$first.log" "$part/$first.index" wal/000001.wal; do
        run log dump --records --json "$dir/$d/$f"
        ok "$d: dump of the file $f" json_lines
        ok "$d: which is not empty" [ -s "$dir/out" -a $rc = 0 ]
    done
    sums "$dir/$d" >"$dir/after"
    ok "$d: nothing was changed" cmp -s "$dir/before" "$dir/after"
done

# ---- records that left for a cold tier
"$mkdata" "$dir/moved" moved || { echo "Bail out! no data to work on"; exit 1; }
run log verify "$dir/moved"
ok "moved: verify finds no damage" says 'no damage$'
ok "and misses nothing" [ "$(grep -c 'no records' "$dir/out")" = 0 ]
run log ls --json "$dir/moved"
ok "ls tells what is here from what is cold" says '"start":0,"local_start":[1-9]'
local=$(sed -n 's/.*"start":0,"local_start":\([1-9][0-9]*\),.*/\1/p' "$dir/out" | head -n 1)
run log dump --topic orders --partition 0 --from "$local" "$dir/moved"
ok "dump shows what is here" [ $rc = 0 -a -s "$dir/out" ]
run log dump --topic orders --partition 0 --from 0 "$dir/moved"
ok "and says where the rest is" refused 74 'in the cold tier'
run log stat "$dir/dirty"
ok "stat tells of an unclean stop" says 'last stop  *not clean'
ok "and what would be replayed" says 'replays 20 entries'
run log dump --topic nix "$dir/clean"
ok "a topic that isn't there: 66" refused 66 '"nix"'
run log dump --topic orders --partition 2 "$dir/clean"
ok "a partition that isn't there: 66" refused 66 'partitions 0 to 1'

# ---- a bad day: one sentence, its own exit code, nothing changed
mkfifo "$dir/fifo"
"$mkdata" "$dir/held" hold <"$dir/fifo" >"$dir/held.out" &
holder=$!
exec 9>"$dir/fifo"
until_so grep -q ready "$dir/held.out"
for sub in ls verify repair; do
    run log $sub "$dir/held"
    ok "$sub of a directory in use: 69, with the process" refused 69 "process $holder.*: stop it first"
done
exec 9>&-
wait $holder
run log ls "$dir/held"
ok "when that process has ended, it can be looked at" [ $rc = 0 ]

mkdir "$dir/strange" && touch "$dir/strange/file"
run log ls "$dir/strange"
ok "no data directory: 78" refused 78 'FORMAT'
cp -a "$dir/clean" "$dir/newer" && echo 'varve data directory, format 7' >"$dir/newer/FORMAT"
for sub in ls verify repair; do
    run log $sub "$dir/newer"
    ok "$sub of a newer format: 76" refused 76 'format 7'
done
cp -a "$dir/clean" "$dir/readonly" && chmod -R a-w "$dir/readonly"
run log verify "$dir/readonly"
ok "a read-only directory can be verified" [ $rc = 0 ]
chmod -R u+w "$dir/readonly"

# ---- damage is named
cp -a "$dir/dirty" "$dir/d1"
damage "$dir/d1/$part/$first.log" 1000 1
sums "$dir/d1" >"$dir/before"
run log verify "$dir/d1"
ok "a changed byte in a segment: exit code 65" [ $rc = 65 ]
ok "file, byte and offsets are named" says "^DAMAGE: $part/$first.log, byte 873: topic orders, partition 0, offsets 20 to 24"
run log verify --json "$dir/d1"
ok "in JSON, too" says '"kind":"damage","what":"data".*"first_offset":20,"last_offset":24'
run log dump --topic orders --partition 1 "$dir/d1"
ok "other partitions can be read" [ $rc = 0 -a "$(wc -l <"$dir/out")" = 100 ]
run log repair "$dir/d1"
ok "repair says what would be lost" says 'offsets 20 to 24 are LOST'
ok "and does nothing unasked" refused 64 'give --yes'
sums "$dir/d1" | grep -v LOCK >"$dir/after"
grep -v LOCK "$dir/before" >"$dir/before2"
ok "nothing was changed by all that" cmp -s "$dir/before2" "$dir/after"

damage "$dir/d1/$part/00000000000000000170.index" 100 1
rm -f "$dir/d1/$part/$first.index" "$dir/d1/$part/00000000000000000315.log"
damage "$dir/d1/$part/00000000000000000450.log" 300 7
touch "$dir/d1/$part/foreign" "$dir/d1/log/zz" "$dir/d1/extra"
mkdir "$dir/d1/meta/strange"
run log verify "$dir/d1"
ok "many damages: all of them named" [ "$(grep -c ^DAMAGE "$dir/out")" = 9 ]
ok "a missing segment is one" says "00000000000000000315.log: topic orders, partition 0, offsets 315 to 449: the file is missing"
ok "a damaged index" says '00000000000000000170.index'
ok "a foreign file" says '^DAMAGE: extra: '

# ---- repair
run log repair --yes "$dir/d1"
ok "repair --yes: exit code 0" [ $rc = 0 ]
ok "it verifies what it did" says 'no damage$'
run log verify "$dir/d1"
ok "and verify agrees" [ $rc = 0 ]
run log dump --topic orders --records --json "$dir/d1"
ok "what was whole is there: 600 less 5, 135 and 5 records" \
    [ "$(grep -c '"kind":"record"' "$dir/out")" = 455 ]
ok "with their offsets" says '"offset":599,'
ok "the damaged files lie beside the directory" [ -f "$dir/d1.damaged-1/$part/$first.log" ]
ok "so do foreign ones" [ -f "$dir/d1.damaged-1/extra" -a -d "$dir/d1.damaged-1/meta/strange" ]
run log repair "$dir/d1"
ok "a sound directory needs no repair" [ $rc = 0 ]
ok "and no question" says 'no damage$'
"$mkdata" "$dir/d1" append >"$dir/out" 2>"$dir/err"
rc=$?
ok "the engine goes on in it" [ $rc = 0 ]
run log verify "$dir/d1"
ok "which leaves it sound" [ $rc = 0 ]

# ---- metadata and the WAL
for store in checkpoint meta; do
    cp -a "$dir/dirty" "$dir/$store"
    file=$dir/$store/$store/$(ls "$dir/$store/$store")
    damage "$file" 70 4
    run log verify "$dir/$store"
    ok "damage in $store/: exit code 65" [ $rc = 65 ]
    ok "which names the file" says "$store/0000000"
    run log repair --yes "$dir/$store"
    ok "in its snapshot, that can't be mended" refused 65 'nothing was changed'
    ok "the file is named, and the next step" refused 65 "$store/0000000001.meta.* restore .*varve log dump FILE$"
done
cp -a "$dir/dirty" "$dir/cut"
file=$(ls "$dir/cut/meta"/*.meta)
damage "$file" $(($(stat -c %s "$file") / 2)) 3
run log verify "$dir/cut"
ok "damage in the middle of metadata: 65" [ $rc = 65 ]
run log repair "$dir/cut"
ok "repair says what would be lost" says 'transactions of metadata, are LOST'
ok "and asks" refused 64 'give --yes'
run log repair --yes "$dir/cut"
ok "then cuts it" [ $rc = 0 ]
ok "and has kept the file" [ -f "$dir/cut.damaged-1/meta/${file##*/}" ]
cp -a "$dir/dirty" "$dir/lost"
file=$(ls "$dir/lost/meta"/*.meta)
truncate -s 92 "$file" # behind its snapshot
run log ls "$dir/lost"
ok "a catalog that has lost its end: 65" refused 65 'the catalog does not have it any more'
run log verify "$dir/lost"
ok "verify says so" [ $rc = 65 ]
sums "$dir/lost" | grep -v LOCK >"$dir/before"
run log repair "$dir/lost"
ok "repair says what would be lost" says 'forget topic a1010.*, partition 1, .*: offsets 0 to 499 .* are LOST'
sums "$dir/lost" | grep -v LOCK >"$dir/after"
ok "and does nothing unasked" cmp -s "$dir/before" "$dir/after"
run log repair --yes "$dir/lost"
ok "then forgets it" [ $rc = 0 ]
ok "and has kept the checkpoint" [ -n "$(ls "$dir/lost.damaged-1/checkpoint")" ]
ok "and the segments" [ -f "$dir/lost.damaged-2/$part/$first.log" ]
run log verify "$dir/lost"
ok "what is left is sound" [ $rc = 0 ]
cp -a "$dir/dirty" "$dir/nometa" && rm "$dir/nometa"/meta/*
run log repair --yes "$dir/nometa"
ok "without a catalog nothing is forgotten" refused 65 'nothing was changed'
cp -a "$dir/dirty" "$dir/early"
file=$(ls "$dir/early/checkpoint"/*.meta)
damage "$file" $(($(stat -c %s "$file") / 2)) 3
run log repair --yes "$dir/early"
ok "a checkpoint that can only be cut below what the WAL has is left alone" \
    refused 65 'nothing was changed.*checkpoint/0000000001.meta'
ok "with the reason" says 'checkpoint/0000000001.meta: to cut it would not help: '
run log dump "$dir/early/$part/$first.log"
ok "and so are its segments" [ $rc = 0 ]
cp -a "$dir/dirty" "$dir/short"
truncate -s 300 "$dir/short/checkpoint"/*.meta # behind what it knows of the WAL
run log repair "$dir/short"
ok "a checkpoint that lost its end: all rounds are told before the first question" \
    says "^then: $part/00000000000000000170.log: move it aside; its offsets, from 170 on, are LOST ([0-9]* bytes)"
ok "an index holds no records" says '00000000000000000170.index: move it aside; there are no records in it'
ok "and that there may be more" says 'a further round, which asks again'
grep -c '^then: ' "$dir/out" >"$dir/before"
run log repair --json "$dir/short"
ok "in JSON, too" json_lines
ok "with the round" says '"kind":"plan","round":2,'
run log repair --yes "$dir/short"
ok "it is done in two rounds" [ $rc = 0 ]
grep '^repair: log/' "$dir/out" | wc -l >"$dir/after"
ok "the second one is what was told" cmp -s "$dir/before" "$dir/after"
cp -a "$dir/dirty" "$dir/wal"
# The group before the last but some: where it is, the tool can tell.
for file in "$dir/wal"/wal/*; do
    run log dump --json "$file"
    pos=$(sed -n 's/.*"position":\([0-9]*\),"slot":205,.*/\1/p' "$dir/out")
    [ -z "$pos" ] || damage "$file" $((pos + 120)) 50
    [ -z "$pos" ] || hit=wal/${file##*/}
done
run log verify "$dir/wal"
ok "damage in the WAL below what was durable: 65" [ $rc = 65 ]
ok "which names file and group" says "$hit: group 205"
run log repair --yes "$dir/wal"
ok "repair cuts it there" [ $rc = 0 ]
ok "says what is lost" says 'group 205 .* are LOST'
ok "and that later groups are lost though whole" says 'group 206 .* though whole'
run log verify "$dir/wal"
ok "then it is sound" [ $rc = 0 ]
run log ls "$dir/wal"
ok "and ends before the damage" says '^orders  *0  *0  *520  *520'
"$mkdata" "$dir/wal" append >"$dir/out" 2>"$dir/err"
rc=$?
ok "the engine goes on in it" [ $rc = 0 ]
run log verify "$dir/wal"
ok "which leaves it sound" [ $rc = 0 ]
for store in meta checkpoint; do
    file=$store/0000000001.meta
    for d in clean dirty; do
        cp -a "$dir/$d" "$dir/$store-$d" && echo torn >>"$dir/$store-$d/$file"
    done
    run log verify "$dir/$store-dirty"
    ok "a torn end of $store/ after a crash is no damage" [ $rc = 0 ]
    ok "but worth a note" says "^note: the last stop was not clean.* 5 bytes of $store/.* 0 torn groups of wal/"
    size=$(stat -c %s "$dir/clean/$file")
    run log verify "$dir/$store-clean"
    ok "after a clean stop it is damage: 65" [ $rc = 65 ]
    ok "with file and place" says "^DAMAGE: $file, byte $size: the last stop was clean, .* 5 bytes"
    run log repair --yes "$dir/$store-clean"
    ok "repair cuts it there" [ $rc = 0 ]
    ok "says so" says "^repair: $file: cut it at byte $size: .* are LOST"
    ok "nothing else is changed" cmp -s "$dir/clean/$file" "$dir/$store-clean/$file"
    ok "and has kept the file" [ "$(tail -c 5 "$dir/$store-clean.damaged-1/$file")" = torn ]
done
for d in clean dirty; do
    cp -a "$dir/$d" "$dir/head-$d"
    damage "$dir/head-$d/wal/000001.wal" 20 1
    damage "$dir/head-$d/wal/000002.wal" 2000 1
    run log verify "$dir/head-$d"
    ok "$d: damage in the header of a file of the WAL: 65" [ $rc = 65 ]
    run log repair "$dir/head-$d"
    ok "$d: repair would write it anew" says '^repair: wal/000001.wal: write its header anew; nothing is lost'
    ok "$d: the other one, too" says '^repair: wal/000002.wal: write its header anew'
    ok "$d: that is all" [ "$(grep -c ^repair: "$dir/out")" = 2 ]
    ok "$d: and asks" refused 64 'give --yes'
    run log repair --yes "$dir/head-$d"
    ok "$d: then does it" [ $rc = 0 ]
    ok "$d: both are as they were" eval 'cmp -s "$dir/head-$d/wal/000001.wal" "$dir/$d/wal/000001.wal" &&
        cmp -s "$dir/head-$d/wal/000002.wal" "$dir/$d/wal/000002.wal"'
    ok "$d: and kept as they were found" [ "$(ls "$dir/head-$d.damaged-1/wal" | wc -l)" = 2 ]
    run log ls "$dir/head-$d"
    ok "$d: nothing is lost" says '^orders  *0  *0  *600  *600'
done
cp -a "$dir/clean" "$dir/unfilled" && truncate -s 4096 "$dir/unfilled/wal/000002.wal"
damage "$dir/unfilled/wal/000002.wal" 20 1
run log repair --yes "$dir/unfilled"
ok "a header that is all of the file so far is written anew, too" [ $rc = 0 ]
cp -a "$dir/dirty" "$dir/both" && damage "$dir/both/wal/000001.wal" 30 1
for file in "$dir/both"/wal/*; do
    run log dump --json "$file"
    pos=$(sed -n 's/.*"position":\([0-9]*\),"slot":203,.*/\1/p' "$dir/out")
    [ -z "$pos" ] || damage "$file" $((pos + 120)) 50
done
run log repair --yes "$dir/both"
ok "a header and a group: both are mended" [ $rc = 0 ]
ok "the one without loss" says 'wal/000001.wal: write its header anew; nothing is lost'
ok "the other one with" says 'group 203 .* are LOST'
cp -a "$dir/dirty" "$dir/nowal" && rm "$dir/nowal/wal/000002.wal"
run log ls "$dir/nowal"
ok "a missing file of the WAL: 78" refused 78 '000002.wal'
finish

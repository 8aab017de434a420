#!/bin/sh
# Every fuzz target takes its whole corpus: what a fuzzer once found stays found.
: "${srcdir:=.}" "${builddir:=.}" "${FUZZERS:=}"
n=0 bad=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
log=$dir/log

for p in $FUZZERS; do
    n=$((n + 1))
    what=${p##*/fuzz_}
    corpus=$srcdir/t/fuzz/corpus/$what
    # -runs=0: a real fuzzer only replays then
    case $(nm "$builddir/$p" 2>/dev/null) in
    *LLVMFuzzerRunDriver*) run="-runs=0" ;;
    *) run= ;;
    esac
    # shellcheck disable=SC2086
    if [ -d "$corpus" ] && (cd "$dir" && "$builddir/$p" $run "$corpus") >"$log" 2>&1; then
        echo "ok $n - $what takes its corpus ($(find "$corpus" -type f | wc -l) files)"
    else
        echo "not ok $n - $what takes its corpus"
        [ -d "$corpus" ] || echo "# expected a corpus in t/fuzz/corpus/$what/, saw none" >>"$log"
        tail -n 40 "$log" | sed 's/^/# /'
        bad=1
    fi
done
[ $n -gt 0 ] || { echo "1..0 # SKIP no fuzz targets yet"; exit 0; }
echo "1..$n"
exit $bad

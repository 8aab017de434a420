#!/bin/sh
# Runs TAP tests with prove, as `make check` calls it: run.sh TEST...   (names as in the Makefile)
#   T="u200 005"    only tests whose name contains one of the words
#   TEST_JOBS=2     how many at a time      TEST_VERBOSE=1   every line
: "${srcdir:=.}" "${builddir:=.}" "${PROVE:=prove}" "${T:=}" "${TEST_JOBS:=}" "${TEST_VERBOSE:=}"
# Tests wait more than they work, for disks, timeouts and each other's processes: two for each processor.
if [ -z "$TEST_JOBS" ]; then
    TEST_JOBS=$((2 * $(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)))
    [ "$TEST_JOBS" -le 16 ] || TEST_JOBS=16
fi
VARVE_PEERS=${VARVE_PEERS:-${HOME:-/root}/.cache/varve-peers}
export srcdir builddir CC NM FUZZERS VARVE_PEERS

list=
for t; do
    keep=${T:+no}
    for word in $T; do
        case ${t##*/} in *"$word"*) keep= ;; esac
    done
    [ -z "$keep" ] || continue
    case $t in
    *.t) list="$list $srcdir/$t" ;;
    *) list="$list ./$t" ;;
    esac
done
if [ -z "$list" ]; then
    echo "no tests${T:+ with \"$T\" in their name}: nothing to run"
    [ -z "$T" ]
    exit
fi
cd "$builddir" || exit 1
# shellcheck disable=SC2086  # a list of names without spaces
exec "$PROVE" -e '' -j"$TEST_JOBS" --failures --comments ${TEST_VERBOSE:+-v} $list

#!/bin/sh
# Names that others can see: the shared library shows only varve_*, and the objects of engine and tier
# define only varve_*, vrv_* and vrv__*, so that a static libvarve can't collide with its host.
: "${builddir:=.}" "${NM:=nm}"
cd "$builddir" || exit 1
n=0 bad=0

# check WHAT FILE NM-OPTIONS PATTERN
check() {
    n=$((n + 1))
    what=$1 file=$2 options=$3 pattern=$4
    # shellcheck disable=SC2086
    if ! all=$($NM $options "$file" 2>&1); then
        echo "not ok $n - $what"
        echo "$all" | sed 's/^/# /'
        bad=1
        return
    fi
    odd=$(echo "$all" | awk 'NF == 3 && $2 != "A" { print $3 }' | sed 's/@.*//' | grep -Ev "$pattern" |
        grep -Ev '^(__asan_|__odr_asan|__tsan_|__sancov|__ubsan|__start___|__stop___|DW\.ref)')
    if [ -z "$odd" ]; then
        echo "ok $n - $what"
    else
        echo "not ok $n - $what"
        echo "$odd" | sed 's/^/# not ours: /'
        bad=1
    fi
}

if [ -e .libs/libvarve.so ]; then
    check "the shared library shows only varve_*" .libs/libvarve.so '-D --defined-only' '^varve_'
else
    n=$((n + 1))
    echo "ok $n # SKIP configured with --disable-shared"
fi
check "the engine defines only varve_* and vrv_*" .libs/libvrvengine.a '-g --defined-only' \
    '^(varve|vrv)_'
check "and so does the tier" .libs/libvrvtiering.a '-g --defined-only' '^(varve|vrv)_'
echo "1..$n"
exit $bad

#!/bin/sh
# Do the tests notice?  Each patch beside this script is a deliberate bug.  It is applied alone to a
# copy of the tree; then one of the tests that it names must go red.  TAP: ok means caught.
#
#   run.sh [WORD...]      only patches whose name contains one of the words
#   VARVE_SAMPLE=1        a handful of them, chosen by VARVE_SEED
#   VARVE_MUTANT_RUNS=n   seeds for u500-crash (its VARVE_RUNS); others do what they do in make check
#   VARVE_MUTANT_DIR=dir  build there, and keep it
#
# A patch says which tests are to catch it in a line "Tests: u500-crash ...".  They must be green
# without it, or red would mean nothing.
: "${srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}" "${VARVE_SEED:=1}" "${VARVE_SAMPLE:=}"
here=$(cd "$srcdir" && pwd)
patches=$here/t/mutants
runs=${VARVE_MUTANT_RUNS:-600}
each_s=60
sample=5
jobs=$(nproc 2>/dev/null || echo 2)

if [ -n "${VARVE_MUTANT_DIR:-}" ]; then
    work=$VARVE_MUTANT_DIR
    mkdir -p "$work" || exit 1
else
    work=$(mktemp -d) || exit 1
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM
fi

# The name of each patch that is to be tried.
choose() {
    for p in "$patches"/*.patch; do
        name=${p##*/}
        keep=${1:+no}
        for word; do
            case $name in *"$word"*) keep= ;; esac
        done
        [ -n "$keep" ] || echo "${name%.patch}"
    done |
        if [ -n "$VARVE_SAMPLE" ] && [ $# -eq 0 ]; then
            awk -v seed="$VARVE_SEED" 'BEGIN { srand(seed) } { print rand(), $0 }' |
                sort | head -n "$sample" | sed 's/^[^ ]* //' | sort
        else
            cat
        fi
}

tests_of() {
    sed -n 's/^Tests: //p' "$patches/$1.patch"
}

# Copy what is built from, and nothing that was built.
copy_tree() {
    rm -rf "$work/src"
    mkdir -p "$work/src" "$work/build"
    skip=
    for d in "$here"/*/config.status; do # somebody's build directory
        d=${d%/*}
        [ ! -e "$d/config.status" ] || skip="$skip --exclude=./${d##*/}"
    done
    # shellcheck disable=SC2086
    (cd "$here" && tar cf - --exclude=./.git $skip --exclude='*.o' --exclude='*.lo' \
        --exclude=./config.h --exclude=./config.status .) | (cd "$work/src" && tar xf -)
}

configure_tree() {
    [ -e "$work/build/Makefile" ] && return
    (cd "$work/build" && ../src/configure -q --disable-shared CFLAGS='-O1 -g') >"$work/log" 2>&1
}

# Build test programs; what a source doesn't have any more can't catch anything either.
build() {
    targets=
    for t; do targets="$targets t/unit/$t"; done
    # shellcheck disable=SC2086  # a list of names without spaces
    make -C "$work/build" -j"$jobs" $targets >"$work/log" 2>&1
}

# Which of the tests goes red; empty when all stay green.
red() {
    for t; do
        (
            cd "$work/build" || exit
            unset VARVE_SAMPLE VARVE_LONG VARVE_RUNS VARVE_SEED
            [ "$t" != u500-crash ] || export VARVE_RUNS="$runs"
            exec timeout "$each_s" "t/unit/$t"
        ) >"$work/out" 2>&1 || {
            echo "$t"
            return
        }
    done
}

# The first of what a test complained of.
show() {
    grep -v -e '^ok' -e '^1\.\.' "$1" | head -n "${2:-3}" | cut -c1-160 | sed 's/^#* */#   /'
}

n=0
bad=0
say() {
    n=$((n + 1))
    case $1 in not*) bad=$((bad + 1)) ;; esac
    echo "$1 $n - $2"
}

# The objects of a mutant are newer than the source that comes back.
forget() {
    find "$work/build" -name "*.[alo]*" -newer "$work/stamp" -type f -exec rm -f {} +
}

try() {
    what=$(sed 1q "$patches/$1.patch")
    if ! patch -s -p1 -F1 --dry-run -d "$work/src" <"$patches/$1.patch" >"$work/out" 2>&1; then
        say "not ok" "$1: the patch does not apply any more"
        show "$work/out"
        return
    fi
    patch -s -p1 -F1 -d "$work/src" <"$patches/$1.patch"
    touch "$work/stamp"
    tests=$(tests_of "$1")
    # shellcheck disable=SC2086
    if ! build $tests; then
        say "not ok" "$1: does not build"
        tail -n 12 "$work/log" | sed 's/^/#   /'
    else
        # shellcheck disable=SC2086
        caught=$(red $tests 2>/dev/null) # without "Aborted"
        if [ -n "$caught" ]; then
            say ok "$1: $caught ($what)"
            show "$work/out" 2
        else
            say "not ok" "$1: nobody noticed: $what"
        fi
    fi
    patch -s -R -p1 -F1 -d "$work/src" <"$patches/$1.patch"
    forget
}

names=$(choose "$@")
if [ -z "$names" ]; then
    echo "1..0 # SKIP no such patch"
    exit 0
fi
all=$(for name in $names; do tests_of "$name"; done | tr ' ' '\n' | sort -u | tr '\n' ' ')
copy_tree
if ! configure_tree; then
    sed 's/^/# /' "$work/log"
    echo "Bail out! configure failed"
    exit 1
fi
# shellcheck disable=SC2086
if ! build $all; then
    tail -n 20 "$work/log" | sed 's/^/# /'
    echo "Bail out! the tests don't build"
    exit 1
fi
# shellcheck disable=SC2086
already=$(red $all)
if [ -n "$already" ]; then
    show "$work/out" 10
    say "not ok" "without any of the bugs $already is red already"
else
    say ok "without any of the bugs all is green: $all"
fi
for name in $names; do
    try "$name"
done
echo "1..$n"
[ "$bad" -eq 0 ]

# What the tests of the tool share: . "$srcdir/t/lib/tool.sh"
# shellcheck shell=sh
# shellcheck disable=SC2034  # what the scripts use
: "${srcdir:=.}" "${builddir:=.}"
cd "$builddir" || exit 1
varve=$PWD/server/tool/varve
dir=$(mktemp -d) || exit 1
n=0 bad=0

# ok WHAT CONDITION...: the condition is a command
ok() {
    what=$1
    shift
    n=$((n + 1))
    if "$@"; then
        echo "ok $n - $what"
    else
        bad=1
        echo "not ok $n - $what"
        echo "# expected: $*"
        { echo "exit code $rc, standard output:"; head -n 20 "$dir/out"
            echo "standard error:"; head -n 20 "$dir/err"; } | sed 's/^/# /'
    fi
}

# Run the tool, on $dir/in if there is something for it; $rc, $dir/out and $dir/err.
: >"$dir/in"
run() {
    "$varve" "$@" <"$dir/in" >"$dir/out" 2>"$dir/err"
    rc=$?
    : >"$dir/in"
}

# One sentence on standard error, beginning with the program's name?
one_sentence() { [ "$(wc -l <"$dir/err")" = 1 ] && grep -q '^varve: ' "$dir/err"; }
# A refusal: a code, one sentence, and this in it.
refused() { [ $rc = "$1" ] && one_sentence && grep -q -- "$2" "$dir/err"; }
says() { grep -q -- "$1" "$dir/out"; }
json_lines() { [ -s "$dir/out" ] && perl -MJSON::PP -ne 'decode_json($_)' "$dir/out" 2>>"$dir/err"; }
# until CONDITION...: for two minutes at most
until_so() {
    tries=0
    until "$@" || [ $tries -gt 1200 ]; do sleep 0.1; tries=$((tries + 1)); done
    [ $tries -le 1200 ]
}
finish() {
    if [ $bad = 0 ]; then
        chmod -R u+w "$dir" && rm -rf "$dir"
    else
        echo "# kept: $dir"
    fi
    echo "1..$n"
    exit $bad
}

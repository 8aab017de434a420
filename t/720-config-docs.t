#!/bin/sh
# varve.conf(5), varve-metrics(7) and the commented varve.conf say what the tables say.
#   VARVE_UPDATE=1 t/720-config-docs.t    in the build directory: write into them what they should say
: "${srcdir:=.}" "${builddir:=.}" "${VARVE_UPDATE:=}"
conf=$srcdir/server/config/varve.conf
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0 bad=0

# Where a list is.
page() { # LIST
    case $1 in
    metrics) echo "$srcdir/man/varve-metrics.7" ;;
    *) echo "$srcdir/man/varve.conf.5" ;;
    esac
}

# What lies between the marks of a list.
part() { # FILE LIST
    sed -n "/^\.\\\\\" begin $2\$/,/^\.\\\\\" end $2\$/p" "$1" | sed '1d;$d'
}

check() { # LIST SAYS WHAT
    n=$((n + 1))
    if "$builddir/t/mkconf" "$1" >"$dir/want" && [ -s "$dir/want" ] && diff -u "$2" "$dir/want" >"$dir/diff"; then
        echo "ok $n - $3"
    else
        echo "not ok $n - $3"
        sed 's/^/# /' "$dir/diff"
        echo "# VARVE_UPDATE=1 t/720-config-docs.t writes it anew"
        bad=1
    fi
}

if [ -n "$VARVE_UPDATE" ]; then
    "$builddir/t/mkconf" conf >"$conf"
    for list in options topics passed refused metrics; do
        "$builddir/t/mkconf" $list >"$dir/list"
        sed -i -e "/^\.\\\\\" begin $list\$/,/^\.\\\\\" end $list\$/{/^\.\\\\\" /!d}" \
            -e "/^\.\\\\\" begin $list\$/r $dir/list" "$(page "$list")"
    done
fi
for list in options topics passed refused metrics; do
    man=$(page "$list")
    part "$man" "$list" >"$dir/says"
    check "$list" "$dir/says" "${man##*/} has the $list as the code has them"
done
check conf "$conf" "varve.conf has every option with its default"

for path in "$srcdir"/man/*.[1-8]; do
    man=${path##*/}
    n=$((n + 1))
    if ! command -v mandoc >/dev/null; then
        echo "ok $n # SKIP no mandoc"
    elif mandoc -Tlint -Wwarning "$path" >"$dir/lint" 2>&1; then
        echo "ok $n - $man is well-formed"
    else
        echo "not ok $n - $man is well-formed"
        sed 's/^/# /' "$dir/lint"
        bad=1
    fi
done
echo "1..$n"
exit $bad

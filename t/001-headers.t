#!/bin/sh
# Every header compiles alone: no hidden order between includes.
: "${srcdir:=.}" "${builddir:=.}" "${CC:=cc}"
n=0 bad=0
for h in $(cd "$srcdir" && find engine tiering server t bench -name '*.h' | LC_ALL=C sort); do
    n=$((n + 1))
    # shellcheck disable=SC2086  # CC may hold a command and its options
    if out=$(echo "#include \"$h\"" | $CC -std=c11 -Wall -Wextra -Werror -include "$builddir/config.h" \
        -I"$srcdir" -I"$builddir" -fsyntax-only -x c - 2>&1); then
        echo "ok $n - $h stands alone"
    else
        echo "not ok $n - $h stands alone"
        echo "$out" | sed 's/^/# /'
        bad=1
    fi
done
echo "1..$n"
exit $bad

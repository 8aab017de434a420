# shellcheck shell=sh disable=SC2154  # who reads it sets them
#
# lib.sh   what run.sh, server.sh and tiers.sh share, read by them.  A figure is a line of case,
# figure, value and unit, with tabs between, in the file $all; $engine is b_engine, $dir where to work.

# Programs that must be there.
need() {
    for p; do
        [ -x "$p" ] || { echo "$p is missing: make $p, and run this in the build directory" >&2; exit 2; }
    done
}

free_port() {
    perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

# Without --only, all cases are wanted; else those whose name has one of its words.
wanted() {
    [ -z "$only" ] && return 0
    for w in $only; do case $1 in *"$w"*) return 0 ;; esac done
    return 1
}

say() { [ ! -t 2 ] || printf '\r\033[K%s %s' "$rep/$reps" "$1" >&2; }
line() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$all"; }

# Once is enough for a quick look.
settled=''
settle() {
    if [ -z "$quick" ] || [ -z "$settled" ]; then
        "$engine" settle --dir="$dir/settle" >/dev/null
        settled=1
    fi
}

# table FIGURES   minimum, median and maximum over the repetitions; of these figures only, if any
table() {
    [ ! -t 2 ] || printf '\r\033[K' >&2
    awk -F '\t' -v json="$json" -v figures="${1:+ $1 }" '
    figures == "" || index(figures, " " $2 " ") {
        k = $1 FS $2
        if (!(k in n)) {
            order[++keys] = k
            if (length($1) > wide[1]) wide[1] = length($1)
            if (length($2) > wide[2]) wide[2] = length($2)
        }
        v[k, ++n[k]] = $3
        unit[k] = $4
    }
    END {
        columns = "%-" wide[1] "s %-" wide[2] "s "
        if (!json)
            printf columns "%10s %10s %10s\n", "case", "figure", "min", "median", "max"
        for (i = 1; i <= keys; i++) {
            k = order[i]; m = n[k]
            for (a = 1; a <= m; a++) s[a] = v[k, a] + 0
            for (a = 2; a <= m; a++)
                for (c = a; c > 1 && s[c - 1] > s[c]; c--) {
                    t = s[c]
                    s[c] = s[c - 1]
                    s[c - 1] = t
                }
            split(k, p, FS)
            med = m % 2 ? s[(m + 1) / 2] : (s[m / 2] + s[m / 2 + 1]) / 2
            if (json)
                printf "{\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",\"n\":%d," \
                    "\"min\":%.6g,\"median\":%.6g,\"max\":%.6g}\n", p[1], p[2], unit[k], m,
                    s[1], med, s[m]
            else
                printf columns "%10.4g %10.4g %10.4g %s\n", p[1] == last ? "" : p[1], p[2],
                    s[1], med, s[m], unit[k]
            last = p[1]
        }
    }' "$all"
}

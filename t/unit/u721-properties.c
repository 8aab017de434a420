/* Java's property files: lines, escapes, what can't be read. */
#include "server/config/properties.h"

#include <stdio.h>
#include <string.h>

#include "t/lib/tap.h"

static char seen[2000];

static void
add(const char *fmt, unsigned line, const char *a, const char *b)
{
    size_t n = strlen(seen);

    (void)snprintf(seen + n, sizeof(seen) - n, "%u:", line);
    n = strlen(seen);
    (void)snprintf(seen + n, sizeof(seen) - n, "%s%s%s;", a, fmt, b);
}

static void
set(void *ctx, unsigned line, const char *key, const char *value)
{
    (void)ctx;
    add("=", line, key, value);
}

static void
wrong(void *ctx, unsigned line, const char *why)
{
    (void)ctx;
    (void)why;
    add("!", line, "", "");
}

static void
reads_n(const char *text, size_t n, const char *want, const char *what)
{
    static const struct vrv_properties_ops ops = { set, wrong };

    seen[0] = '\0';
    vrv_properties_parse(text, n, &ops, NULL);
    IS_STR(seen, want, "%s", what);
}

static void
reads(const char *text, const char *want, const char *what)
{
    reads_n(text, strlen(text), want, what);
}

int
main(void)
{
    reads("a=1\nb = 2\n c:3\nd 4\ne", "1:a=1;2:b=2;3:c=3;4:d=4;5:e=;", "three ways to part them");
    reads("# a=1\n  ! b=2\n\n\t\nc=3", "5:c=3;", "comments and empty lines");
    reads("a=#1!", "1:a=#1!;", "within a line they are text");
    reads("a=1\r\nb=2\rc=3", "1:a=1;2:b=2;3:c=3;", "all ends of lines");
    reads("a=1,\\\n   2,\\\r\n3\nb=4", "1:a=1,2,3;4:b=4;", "a line goes on behind a backslash");
    reads("a=1\\\\\nb=2", "1:a=1\\;2:b=2;", "two of them are one, and no continuation");
    reads("# a \\\nb=2", "2:b=2;", "a comment does not go on");
    reads("a=1\\", "1:a=1;", "nothing to go on with");
    reads("a=1\\\n", "1:a=1;", "... nor here");
    reads("a\\ b\\=c\\:d = x\\ty\\nz", "1:a b=c:d=x\ty\nz;", "escapes in key and value");
    reads("a=\\q\\#", "1:a=q#;", "an unknown escape is the character");
    reads("a=\\u0041\\u00e4\\u20AC\\ud83d\\ude00", "1:a=A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80;",
        "characters by number");
    reads("a=\\u12\nb=\\u00zz\nc=\\u0000\nd=\\ud83d\ne=\\ude00\nf=1",
        "1:!;2:!;3:!;4:!;5:!;6:f=1;", "numbers that make no sense");
    reads("=1\n:2", "1:=1;2:=2;", "no key is an empty one");
    reads("a==1", "1:a==1;", "the first sign counts");
    reads("a=1 \t", "1:a=1 \t;", "blanks behind a value are its own");
    reads_n("a=1\0\nb=2", 8, "1:!;2:b=2;", "a NUL byte");
    reads_n("", 0, "", "nothing at all");
    return tap_done();
}

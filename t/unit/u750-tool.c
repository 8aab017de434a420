/* The pure parts of the tool: places and times as people write them, text with escapes, records
 * from JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/tool/args.h"
#include "server/tool/out.h"
#include "server/tool/record.h"
#include "server/tool/when.h"
#include "t/lib/tap.h"

static const int64_t now = 1750000000000;

/* ---- times ---- */

static int64_t
ms_of(const char *text)
{
    int64_t ms = -1;

    return when_time(text, now, &ms) ? ms : -1;
}

static void
test_times(void)
{
    static const char *const bad[] = { "", "2025", "2025-06", "2025-6-1", "2025-13-01", 
        "2025-04-31", "2025-02-29", "2025-06-01T", "2025-06-01T24:00", "2025-06-01T12",
        "2025-06-01T12:60",
        "2025-06-01T12:00:60", "2025-06-01T12:00.", "2025-06-01T12:00+2", "2025-06-01T12:00+15:00",
        "2025-06-01T12:00Zx", "2025-06-01 ", "1960-01-01", "@", "@-1", "@12x", "-", "-h",
        "-1", "-1w", "-1h1", "yesterday", "@99999999999999999999" };

    IS(ms_of("2025-06-01"), 1748736000000, "a day begins at midnight UTC");
    IS(ms_of("2025-06-01T12:30"), 1748781000000, "a minute");
    IS(ms_of("2025-06-01 12:30:15"), 1748781015000, "a second, a space instead of T");
    IS(ms_of("2025-06-01T12:30:15.25Z"), 1748781015250, "a fraction of it");
    IS(ms_of("2025-06-01T12:30:15.123456Z"), 1748781015123, "finer than we count");
    IS(ms_of("2025-06-01T12:30+02:00"), 1748773800000, "a zone in the east");
    IS(ms_of("2025-06-01T12:30-0530"), 1748800800000, "and one in the west");
    IS(ms_of("2024-02-29"), 1709164800000, "a leap day");
    IS(ms_of("@1748736000123"), 1748736000123, "milliseconds");
    IS(ms_of("-90s"), now - 90000, "seconds ago");
    IS(ms_of("-15m"), now - 900000, "minutes ago");
    IS(ms_of("-1h"), now - 3600000, "an hour ago");
    IS(ms_of("-7d"), now - 604800000, "days ago");
    IS(ms_of("-999999d"), 0, "before all time: its beginning");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        IS(ms_of(bad[i]), -1, "\"%s\" is no time", bad[i]);
}

static bool
is_place(const char *text, enum when_kind kind, int64_t v)
{
    struct when w;

    return when_parse(text, now, &w) && w.kind == kind && w.v == v;
}

static void
test_places(void)
{
    struct when w;

    OK(is_place("start", WHEN_START, 0), "the start");
    OK(is_place("end", WHEN_END, 0), "the end");
    OK(is_place("0", WHEN_OFFSET, 0), "an offset");
    OK(is_place("9223372036854775807", WHEN_OFFSET, INT64_MAX), "the largest");
    OK(is_place("-10", WHEN_BACK, 10), "so many in front of the end");
    OK(is_place("-10s", WHEN_TIME, now - 10000), "a time ago");
    OK(is_place("2025-06-01", WHEN_TIME, 1748736000000), "a day");
    OK(!when_parse("9223372036854775808", now, &w), "one more is too many");
    OK(!when_parse("middle", now, &w) && !when_parse("--5", now, &w) &&
        !when_parse(" 5", now, &w) && !when_parse("+5", now, &w) && !when_parse("5 ", now, &w),
        "nothing else");
}

/* ---- text ---- */

static void
test_text(void)
{
    unsigned char all[256], back[1200];
    char *text = NULL, odd[] = "a\\q", end[] = "a\\", half[] = "\\x4", sum[] = "\\x41\\t\\\"";
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    out_text(f, all, sizeof(all));
    (void)fclose(f);
    memcpy(back, text, n);
    IS(out_untext((char *)back, n), 256, "all bytes come back from their text");
    OK(memcmp(back, all, 256) == 0, "as they were");
    free(text);
    IS(out_untext(odd, 3), -1, "an unknown escape");
    IS(out_untext(end, 2), -1, "a backslash at the end");
    IS(out_untext(half, 3), -1, "half a byte");
    IS(out_untext(sum, strlen(sum)), 3, "a byte, a tab, a quote");
    OK(memcmp(sum, "A\t\"", 3) == 0, "they are those");
}

static void
is_shown(const char *bytes, size_t n, const char *want, const char *what)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    out_shown(f, bytes, n);
    (void)fclose(f);
    IS_STR(text, want, "%s", what);
    free(text);
}

static void
test_shown(void)
{
    is_shown("gr\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80\t\n", 15,
        "gr\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80\t\n", "UTF-8 is shown as it is");
    is_shown("\x1b[2J\x07\x7f\r", 7, "\\x1b[2J\\x07\\x7f\\r", "what steers a terminal is not");
    is_shown("\xc2\x9b", 2, "\\xc2\\x9b", "nor is that in UTF-8");
    is_shown("\xff\xc3", 2, "\\xff\\xc3", "nor what isn't UTF-8, or is cut");
    is_shown("\xc0\xaf\xed\xa0\x80\xf5\x80\x80\x80", 9,
        "\\xc0\\xaf\\xed\\xa0\\x80\\xf5\\x80\\x80\\x80",
        "too long forms, surrogates, too large ones");
}

/* ---- JSON ---- */

/* Parses a copy of exactly n bytes and one more, so that a sanitizer sees each byte too many. */
static int
parse(struct record *r, const char *text, size_t n, char **copy)
{
    struct vrv_err e = { 0 };

    *copy = malloc(n + 1);
    memcpy(*copy, text, n);
    int rc = record_from_json(r, *copy, n, &e);
    if (rc < 0 && e.msg[0] == '\0')
        rc = -99;
    return rc;
}

static struct record rec;

static bool
is_bytes(const void *p, size_t n, const char *want, size_t want_n)
{
    return p != NULL && n == want_n && memcmp(p, want, n) == 0;
}

static const char whole[] =
    " { \"kind\":\"record\", \"topic\":\"t\", \"partition\" : 3, \"offset\":17, "
    "\"timestamp\":1748736000123, "
    "\"key\":\"k\\\\x00\\\\n\\\"\", \"value\":\"\\u00e9 \\ud83d\\ude00\\\\\\\\ \\t\", "
    "\"x\":[1,{\"y\":[true,\"]\"]},-1e5,null],"
    "\"headers\":[{\"key\":\"a\",\"value\":\"b\"},{\"value\":null,\"key\":\"\"}]} ";

static void
test_json(void)
{
    char *copy;

    IS(parse(&rec, whole, strlen(whole), &copy), 0, "an object as consume prints it");
    IS(rec.partition, 3, "its partition");
    IS(rec.timestamp, 1748736000123, "its time");
    OK(is_bytes(rec.key, rec.key_n, "k\0\n\"", 4), "its key, any bytes");
    OK(is_bytes(rec.value, rec.value_n, "\xc3\xa9 \xf0\x9f\x98\x80\\ \t", 10),
        "its value, in UTF-8");
    IS(rec.header_n, 2, "its headers");
    OK(strcmp(rec.headers[0].key, "a") == 0 &&
        is_bytes(rec.headers[0].value, rec.headers[0].value_n, "b", 1), "one");
    OK(strcmp(rec.headers[1].key, "") == 0 && rec.headers[1].value == NULL, "one that is null");
    free(copy);
    IS(parse(&rec, "{}", 2, &copy), 0, "an empty object");
    OK(rec.key == NULL && rec.value == NULL && rec.partition == -1 && rec.timestamp == 0,
        "is a record of nulls");
    free(copy);
    IS(parse(&rec, "{\"key\":\"\",\"value\":null}", 23, &copy), 0, "empty and null");
    OK(rec.key != NULL && rec.key_n == 0 && rec.value == NULL, "are not the same");
    free(copy);
}

static void
test_bad_json(void)
{
    static const char *const bad[] = { "", "[]", "1", "{", "{}x", "{\"key\"}", "{\"key\":1}",
        "{key:1}",
        "{\"key\":\"a\" \"value\":\"b\"}", "{\"key\":\"a\",}", "{\"key\":\"\\q\"}",
        "{\"key\":\"\\\\q\"}",
        "{\"key\":\"\\ud800\"}", "{\"key\":\"\\udc00\"}", "{\"key\":\"\\ud800 \\udc00\"}",
        "{\"key\":\"\\u12\"}", "{\"key\":\"a\nb\"}", "{\"partition\":\"1\"}", "{\"partition\":1.5}",
        "{\"partition\":-2}", "{\"partition\":99999999999}", "{\"timestamp\":1e3}",
        "{\"headers\":{}}",
        "{\"headers\":[1]}", "{\"headers\":[{}]}", "{\"headers\":[{\"key\":null}]}",
        "{\"headers\":[{\"key\":\"a\\\\x00b\"}]}", "{\"x\":]}", "{\"x\":" };
    char *copy, deep[300];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        IS(parse(&rec, bad[i], strlen(bad[i]), &copy), VRV_E_INVALID, "not a record: %s", bad[i]);
        free(copy);
    }
    memset(deep, '[', sizeof(deep));
    memcpy(deep, "{\"x\":", 5);
    IS(parse(&rec, deep, sizeof(deep), &copy), VRV_E_INVALID, "too deep");
    free(copy);
}

/* The sanitizer builds are those that judge this. */
static void
test_hostile_json(void)
{
    size_t len = strlen(whole) - 1, odd = 0;
    char text[sizeof(whole)], *copy;

    for (size_t n = 1; n < len - 1; n++) {
        odd += parse(&rec, whole, n, &copy) != VRV_E_INVALID;
        free(copy);
    }
    IS(odd, 0, "each truncation is refused");
    odd = 0;
    for (size_t bit = 0; bit < 8 * len; bit++) {
        memcpy(text, whole, sizeof(whole));
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        int rc = parse(&rec, text, len, &copy);
        odd += rc != 0 && rc != VRV_E_INVALID;
        free(copy);
    }
    IS(odd, 0, "each flipped bit is refused, or makes another record");
}

/* ---- options ---- */

static void
test_pairs(void)
{
    char key[8];
    const char *value = NULL;

    OK(args_pair_key("a=b=c", key, sizeof(key), &value) && strcmp(key, "a") == 0 &&
        strcmp(value, "b=c") == 0, "the first = parts");
    OK(args_pair_key("a=", key, sizeof(key), &value) && *value == '\0', "an empty value");
    OK(!args_pair_key("=b", key, sizeof(key), &value) &&
        !args_pair_key("a", key, sizeof(key), &value),
        "no key, no =");
    OK(!args_pair_key("12345678=", key, sizeof(key), &value), "a key without room");
}

int
main(void)
{
    test_times();
    test_places();
    test_text();
    test_shown();
    test_json();
    test_bad_json();
    test_hostile_json();
    test_pairs();
    return tap_done();
}

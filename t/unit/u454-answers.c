/* What stores answer, read: XML and times; also what is cut, flipped, or meant to hurt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "t/lib/tap.h"
#include "tiering/store/times.h"
#include "tiering/store/xml.h"

enum { FLIPS = 3000 };

/* As S3 answers: ETags in either form, a namespace, names with entities. */
static const char list[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<ListBucketResult "
    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>true</IsTruncated>"
    "<Contents><Key>a&amp;b&#34;</Key><ETag>&#34;1&quot;</ETag><Size>12</Size></Contents>"
    "<Owner><Key>no</Key></Owner><!-- --><Contents>\n <Key><![CDATA[<c>]]></Key><Size/></Contents>"
    "</ListBucketResult>";

static int
parse(struct vrv_xml **x, const char *text, size_t n)
{
    struct vrv_err e;

    return vrv_xml_parse(x, text, n, &e);
}

static void
test_xml(void)
{
    const struct vrv_xml_node *root, *c;
    struct vrv_xml *x;
    char text[16];

    IS(parse(&x, list, strlen(list)), 0, "an answer in XML");
    OK(vrv_xml_root(x, "Error") == NULL, "... is what it is");
    root = vrv_xml_root(x, "ListBucketResult");
    OK(root != NULL, "... whatever its namespace");
    c = vrv_xml_child(root, "Contents");
    OK(c != NULL && vrv_xml_text(c, "Key", text, sizeof(text)), "an element has a text");
    IS_STR(text, "a&b\"", "... with its entities");
    OK(vrv_xml_text(c, "ETag", text, sizeof(text)), "another");
    IS_STR(text, "\"1\"", "... with either kind of quotes");
    c = vrv_xml_next(c, "Contents");
    OK(c != NULL && vrv_xml_text(c, "Key", text, sizeof(text)), "the next one of that name");
    IS_STR(text, "<c>", "... in another form");
    OK(vrv_xml_text(c, "Size", text, sizeof(text)) && text[0] == '\0', "an empty one");
    OK(!vrv_xml_text(c, "ETag", text, sizeof(text)) && text[0] == '\0', "one that isn't there");
    OK(!vrv_xml_text(root, "Contents", text, 5) && text[0] == '\0', "one that doesn't fit");
    vrv_xml_words(root, "IsTruncated", text, sizeof(text));
    IS_STR(text, "true", "for people: one that fits");
    vrv_xml_words(root, "Contents", text, 8);
    IS_STR(text, "a&b\"...", "... and as much as fits of one that doesn't");
    vrv_xml_words(root, "None", text, sizeof(text));
    IS_STR(text, "", "... or nothing");
    OK(vrv_xml_next(c, "Contents") == NULL, "no third one");
    vrv_xml_free(&x);
}

static void
test_bad_xml(void)
{
    static const char *const bad[] = { "", " ", "<a>", "<a></b>", "{}", "<html><br></html>",
        "<a/><b/>", "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM \"http://127.0.0.1:1/a.dtd\"><a/>" };
    struct vrv_xml *x;
    unsigned taken = 0;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!IS(parse(&x, bad[i], strlen(bad[i])), VRV_E_CORRUPT,
                "no XML, or none that we take: %.40s", bad[i]))
            vrv_xml_free(&x);
    for (size_t n = 0; n < strlen(list); n++)
        if (parse(&x, list, n) == 0) {
            taken++;
            vrv_xml_free(&x);
        }
    IS(taken, 0u, "an answer that is cut is none, wherever");
}

/* Nothing may break; what is read of it is what it says. */
static void
test_flips(void)
{
    struct vrv_rand r = { 454 };
    char *copy = vrv_mem_strdup(list), text[32];
    unsigned taken = 0;

    for (int i = 0; i < FLIPS; i++) {
        size_t at = vrv_rand_below(&r, strlen(list));
        char was = copy[at];
        struct vrv_xml *x;

        copy[at] = (char)(was ^ (1 << vrv_rand_below(&r, 8)));
        if (parse(&x, copy, strlen(list)) == 0) {
            const struct vrv_xml_node *root = vrv_xml_root(x, "ListBucketResult"), *c = NULL;

            if (root != NULL)
                c = vrv_xml_child(root, "Contents");
            if (c != NULL)
                (void)vrv_xml_text(c, "Key", text, sizeof(text));
            vrv_xml_free(&x);
            taken++;
        }
        copy[at] = was;
    }
    free(copy);
    OK(taken > 0 && taken < FLIPS, "answers with a bit flipped: %u of %d are XML", taken, FLIPS);
}

static void
test_escape(void)
{
    char out[200];

    vrv_xml_escape(out, sizeof(out), "a<b>&\"c\"'ü");
    IS_STR(out, "a&#60;b&#62;&#38;&#34;c&#34;&#39;ü", "a text as XML has it");
}

static void
test_times(void)
{
    static const struct {
        const char *text;
        int64_t iso, http;
    } v[] = { { "2026-11-22T00:39:00.123Z", 1795307940123, -1 },
        { "2026-11-22T00:39:00Z", 1795307940000, -1 },
        { "2026-11-22T00:39:00.5Z", 1795307940500, -1 },
        { "2026-11-22T00:39:00.123456789Z", 1795307940123, -1 },
        { "2026-11-22T00:39:00+00:00", 1795307940000, -1 },
        { "2024-02-29T12:00:00Z", 1709208000000, -1 }, { "2023-02-29T12:00:00Z", -1, -1 },
        { "2026-11-22T00:39:00+01:00", -1, -1 }, { "2026-11-22", -1, -1 },
        { "Sun, 22 Nov 2026 00:39:00 GMT", -1, 1795307940000 },
        { "Sun, 22 Abc 2026 00:39:00 GMT", -1, -1 }, { "Sun, 32 Nov 2026 00:39:00 GMT", -1, -1 },
        { "", -1, -1 }, { "yesterday", -1, -1 } };

    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        IS(vrv_time_iso(v[i].text), v[i].iso, "\"%s\" as a time in XML", v[i].text);
        IS(vrv_time_http(v[i].text), v[i].http, "... as one in a header");
    }
    IS(vrv_time_iso(NULL), -1, "no time");
    IS(vrv_time_http(NULL), -1, "... in a header");
}

int
main(void)
{
    test_xml();
    test_bad_xml();
    test_flips();
    test_escape();
    test_times();
    return tap_done();
}

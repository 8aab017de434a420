#include "server/config/option.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/assert.h"
#include "engine/log/topic_config.h"

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

#define RANGE(lo, hi) lo, hi, false, NULL
#define AT_LEAST(lo) lo, INT64_MAX, false, NULL
#define ANY_NUMBER INT64_MIN, INT64_MAX, false, NULL
#define WORDS(list) 0, 0, false, list
#define ANY 0, 0, false, NULL

/* TOPIC: type, check and doc are the topic setting's. */
enum { TOPICS, UNITS };

struct row {
    struct vrv_option o;
    int dflt_from;
};

/* A section is a row without a name; it gives those behind it its title. */
static const struct row rows[] = {
#define VRV_SECTION(title) { { .section = title }, 0 },
#define VRV_OPTION(field, name, type, dflt_, check, update_, doc_)                                 \
    { { .rule = { name, VRV_SETTING_##type, check }, .kind = VRV_OPTION_FIELD,                     \
          .update = VRV_##update_, .dflt = dflt_, .doc = doc_ },                                   \
        0 },
#define VRV_TOPIC_DEFAULT(name, of_topic, from)                                                    \
    { { .rule = { .key = name }, .kind = VRV_OPTION_TOPIC, .update = VRV_CLUSTER_WIDE,             \
          .topic = of_topic },                                                                     \
        from },
#define VRV_IN_UNITS(name, head, unit, dflt_, doc_)                                                \
    { { .rule = { name, VRV_SETTING_INT, -1, INT64_MAX, false, NULL }, .kind = VRV_OPTION_UNITS,   \
          .update = VRV_READ_ONLY, .dflt = dflt_, .of = head, .ms = unit, .doc = doc_ },           \
        0 },
#define VRV_IGNORED(name, type, dflt_, check, doc_)                                                \
    { { .rule = { name, VRV_SETTING_##type, check }, .kind = VRV_OPTION_IGNORED,                   \
          .update = VRV_READ_ONLY, .dflt = dflt_, .doc = doc_ },                                   \
        0 },
#define VRV_PASSED_OVER(name, why)
#define VRV_REFUSED(name, but, why)
#include "server/config/options.def"
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static const struct vrv_foreign foreign[] = {
#define VRV_SECTION(title)
#define VRV_OPTION(field, name, type, dflt, check, update, doc)
#define VRV_TOPIC_DEFAULT(name, topic, dflt)
#define VRV_IN_UNITS(name, of, ms, dflt, doc)
#define VRV_IGNORED(name, type, dflt, check, doc)
#define VRV_PASSED_OVER(name, why) { name, NULL, why, false },
#define VRV_REFUSED(name, but, why) { name, but, why, true },
#include "server/config/options.def"
};
enum { FOREIGN = sizeof(foreign) / sizeof(foreign[0]) };

/* The row of the i-th option, and its section. */
static const struct row *
row_of(size_t i, const char **section)
{
    size_t n = 0;

    for (size_t k = 0; k < ROWS; k++) {
        if (rows[k].o.rule.key == NULL)
            *section = rows[k].o.section;
        else if (n++ == i)
            return &rows[k];
    }
    return NULL;
}

struct vrv_option
vrv_option(size_t i)
{
    const char *section = NULL;
    const struct row *r = row_of(i, &section);

    VRV_ASSERT(r != NULL);
    struct vrv_option o = r->o;
    o.section = section;
    if (o.kind == VRV_OPTION_TOPIC) {
        const struct vrv_topic_setting *s = vrv_topic_setting_find(o.topic);

        VRV_ASSERT(s != NULL);
        o.rule = s->rule;
        o.rule.key = r->o.rule.key;
        o.doc = s->doc;
        o.dflt = r->dflt_from == TOPICS ? s->dflt : NULL;
    }
    return o;
}

/* The option of this name, or the one that sets the topics' default for it. */
static size_t
find(const char *name, bool of_topic)
{
    size_t n = 0;

    for (size_t k = 0; k < ROWS; k++) {
        const struct vrv_option *o = &rows[k].o;
        const char *has = of_topic ? o->topic : o->rule.key;

        if (has != NULL && strcmp(has, name) == 0)
            return n;
        n += o->rule.key != NULL; /* a section is no option */
    }
    return VRV_OPTIONS;
}

size_t
vrv_option_find(const char *name)
{
    return find(name, false);
}

const struct vrv_foreign *
vrv_foreign(size_t i)
{
    return i < FOREIGN ? &foreign[i] : NULL;
}

const struct vrv_foreign *
vrv_foreign_find(const char *name)
{
    for (size_t i = 0; i < FOREIGN; i++) {
        const struct vrv_foreign *f = &foreign[i];
        size_t n = strlen(f->name);
        bool all = f->name[n - 1] == '.';

        if (all ? strncmp(name, f->name, n) == 0 : strcmp(name, f->name) == 0)
            return f;
    }
    return NULL;
}

/* Kafka writes "False", too, and doesn't look at blanks. */
bool
vrv_foreign_takes(const struct vrv_foreign *f, const char *value)
{
    static const struct vrv_setting_rule text = { .type = VRV_SETTING_STRING };
    struct vrv_setting_value v;

    if (!f->refused)
        return true;
    return f->but != NULL && vrv_setting_parse(&text, value, &v, NULL) == 0 &&
        v.n == strlen(f->but) && strncasecmp(v.text, f->but, v.n) == 0;
}

/* ---- the nearest name ---- */

enum { NAME_MAX_LIKE = 64 };

/* How many letters to change, add or take away; both are shorter than NAME_MAX_LIKE. */
static unsigned
distance(const char *a, const char *b)
{
    size_t n = strlen(b);
    unsigned row[NAME_MAX_LIKE];

    for (size_t j = 0; j <= n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        unsigned before = row[0]; /* of the row above, one to the left */

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n; j++) {
            unsigned change = before + (a[i - 1] != b[j - 1]);
            unsigned other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            before = row[j];
            row[j] = change < other ? change : other;
        }
    }
    return row[n];
}

const char *
vrv_option_like(const char *name)
{
    size_t n = strlen(name);
    const char *best = NULL;

    if (n >= NAME_MAX_LIKE)
        return NULL;
    for (size_t i = 0; i < VRV_TOPIC_SETTINGS; i++) { /* it has a default, with another name */
        const char *key = vrv_topic_setting(i)->rule.key;
        size_t of = vrv_option_of_topic(key);

        if (of < VRV_OPTIONS && strcmp(key, name) == 0)
            return vrv_option(of).rule.key;
    }
    unsigned least = (unsigned)n / 3 + 1; /* further away it is another word */
    for (size_t k = 0; k < ROWS; k++) {
        const char *key = rows[k].o.rule.key;

        if (key == NULL || strlen(key) >= NAME_MAX_LIKE)
            continue;
        unsigned d = distance(name, key);
        if (d < least) {
            least = d;
            best = key;
        }
    }
    return best;
}

/* ---- families ---- */

size_t
vrv_option_family(size_t i, size_t out[VRV_OPTION_FAMILY])
{
    struct vrv_option o = vrv_option(i);
    const char *head = o.kind == VRV_OPTION_UNITS ? o.of : o.rule.key;
    size_t n = 0;

    out[n++] = vrv_option_find(head);
    for (size_t k = out[0] + 1; k < VRV_OPTIONS; k++) { /* they come next */
        o = vrv_option(k);
        if (o.of == NULL || strcmp(o.of, head) != 0)
            break;
        VRV_ASSERT(n < VRV_OPTION_FAMILY);
        out[n++] = k;
    }
    return n;
}

size_t
vrv_option_of_topic(const char *key)
{
    return find(key, true);
}

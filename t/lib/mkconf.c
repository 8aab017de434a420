/*
 * Prints what the manual and the commented configuration say of options, and of metrics, from the
 * tables that the server goes by: t/720-config-docs.t compares.
 *
 *   mkconf options | topics | passed | refused
 *                                        a list in mdoc, for varve.conf(5)
 *   mkconf metrics                       one for varve-metrics(7)
 *   mkconf conf                          varve.conf
 */
#include <stdio.h>
#include <string.h>

#include "engine/log/topic_config.h"
#include "server/config/option.h"
#include "server/stat/stat.h"

enum { WIDTH = 76 };

/* Words, filled into lines that begin with `prefix`; each sentence on a line of its own. */
static void
fill(const char *prefix, const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        bool ends = n > 0 && text[n - 1] == '.' && text[n] == ' ';

        if (column > 0 && column + 1 + n > WIDTH) {
            (void)printf("\n");
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column == 0 ? prefix : " ", (int)n, text);
        if (ends) {
            (void)printf("\n");
            column = 0;
        }
        text += n + (text[n] == ' ');
    }
    if (column > 0)
        (void)printf("\n");
}

static void
facts(const char *prefix, const struct vrv_setting_rule *rule, const char *dflt,
    enum vrv_option_update update)
{
    static const char *const when[] = { [VRV_READ_ONLY] = "",
        [VRV_PER_BROKER] = " It can be changed while the server runs, for this broker.",
        [VRV_CLUSTER_WIDE] = " It can be changed while the server runs." };
    char expected[VRV_SETTING_EXPECTED], text[400];

    vrv_setting_expected(rule, expected);
    (void)snprintf(text, sizeof(text), "It takes %s; default: %s.%s", expected,
        dflt == NULL ? "none" : dflt[0] == '\0' ? "empty" : dflt, when[update]);
    fill(prefix, text);
}

static void
doc(const char *prefix, const struct vrv_option *o)
{
    char text[200];

    if (o->kind == VRV_OPTION_TOPIC) {
        (void)snprintf(text, sizeof(text), "The default of the topic setting %s.", o->topic);
        fill(prefix, text);
    } else {
        fill(prefix, o->doc);
    }
    facts(prefix, &o->rule, o->dflt, o->update);
}

/* Of a family the later ones have the default; the first one's manual says where to look. */
static void
print_options(void)
{
    const char *section = "";

    for (size_t i = 0; i < VRV_OPTIONS; i++) {
        const struct vrv_option o = vrv_option(i);

        if (strcmp(section, o.section) != 0) {
            (void)printf("%s.Ss %s\n.Bl -tag -width Ds\n", section[0] != '\0' ? ".El\n" : "",
                o.section);
            section = o.section;
        }
        (void)printf(".It Cm %s\n", o.rule.key);
        if (o.kind == VRV_OPTION_IGNORED)
            fill("", o.doc);
        else
            doc("", &o);
    }
    (void)printf(".El\n");
}

static void
print_topics(void)
{
    (void)printf(".Bl -tag -width Ds\n");
    for (size_t i = 0; i < VRV_TOPIC_SETTINGS; i++) {
        const struct vrv_topic_setting *s = vrv_topic_setting(i);
        size_t option = vrv_option_of_topic(s->rule.key);

        (void)printf(".It Cm %s\n", s->rule.key);
        fill("", s->doc);
        if (option == VRV_OPTIONS)
            facts("", &s->rule, s->dflt, VRV_READ_ONLY);
        else
            (void)printf("The default is the option\n.Cm %s .\n", vrv_option(option).rule.key);
    }
    (void)printf(".El\n");
}

static void
print_foreign(bool refused)
{
    const struct vrv_foreign *f;

    (void)printf(".Bl -tag -width Ds\n");
    for (size_t i = 0; (f = vrv_foreign(i)) != NULL; i++) {
        bool all = f->name[strlen(f->name) - 1] == '.';

        if (f->refused != refused)
            continue;
        (void)printf(".It Cm %s%s\n", f->name, all ? "*" : "");
        fill("", f->why);
        if (f->but != NULL && f->but[0] != '\0')
            (void)printf(".Pq Li %s\n", f->but);
    }
    (void)printf(".El\n");
}

static void
print_passed(void)
{
    print_foreign(false);
}

static void
print_refused(void)
{
    print_foreign(true);
}

static void
print_conf(void)
{
    const char *section = "";

    (void)printf("# varve.conf: varved's options with their defaults; varve.conf(5) tells more.\n"
                 "# Take the # away from what you change.\n");
    for (size_t i = 0; i < VRV_OPTIONS; i++) {
        const struct vrv_option o = vrv_option(i);

        if (o.kind == VRV_OPTION_IGNORED)
            continue;
        if (strcmp(section, o.section) != 0)
            (void)printf("\n#### %s\n", o.section);
        section = o.section;
        (void)printf("\n");
        doc("# ", &o);
        (void)printf("#%s=%s\n", o.rule.key, o.dflt != NULL ? o.dflt : "");
    }
}

static void
print_metric(enum vrv_metric_type type, const char *name, const char *labels, const char *text)
{
    static const char *const types[] = { [VRV_COUNTER] = "A counter", [VRV_GAUGE] = "A gauge",
        [VRV_HISTOGRAM] = "A histogram" };

    (void)printf(".It Cm %s\n", name);
    fill("", text);
    (void)printf("%s", types[type]);
    for (size_t n; *labels != '\0'; labels += n + (labels[n] == ',')) {
        n = strcspn(labels, ",");
        (void)printf(", %.*s", (int)n, labels);
    }
    (void)printf(".\n");
}

static void
print_metrics(void)
{
    const char *end = "";

#define VRV_SECTION(title)                                                                         \
    (void)printf("%s.Ss %s\n.Bl -tag -width Ds\n", end, title);                                    \
    end = ".El\n";
#define VRV_METRIC(id, type, name, labels, help) print_metric(VRV_##type, name, labels, help);
#define VRV_COUNTED(id, metric, labels)
#include "server/stat/counters.def"
    (void)printf("%s", end);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *what;
        void (*print)(void);
    } all[] = { { "options", print_options }, { "topics", print_topics },
        { "passed", print_passed }, { "refused", print_refused }, { "metrics", print_metrics },
        { "conf", print_conf } };

    for (size_t i = 0; argc == 2 && i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(argv[1], all[i].what) != 0)
            continue;
        all[i].print();
        return 0;
    }
    (void)fprintf(stderr, "usage: mkconf options|topics|passed|refused|metrics|conf\n");
    return 64;
}

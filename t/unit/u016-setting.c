/* Values of settings: what is taken, what is refused in which words. */
#include "engine/base/setting.h"

#include <string.h>

#include "engine/log/topic_config.h"
#include "t/lib/tap.h"

static const char *const colours[] = { "red", "green", NULL };

static const struct vrv_setting_rule flag = { "flag", VRV_SETTING_BOOLEAN, 0, 0, false, NULL },
    small = { "small", VRV_SETTING_INT, -1, INT64_MAX, false, NULL },
    range = { "range", VRV_SETTING_LONG, 2, 9, false, NULL },
    tiny = { "tiny", VRV_SETTING_SHORT, 1, INT64_MAX, false, NULL },
    level = { "level", VRV_SETTING_INT, 1, 9, true, NULL },
    ratio = { "ratio", VRV_SETTING_DOUBLE, 0, 1, false, NULL },
    word = { "word", VRV_SETTING_STRING, 0, 0, false, colours },
    any = { "any", VRV_SETTING_LONG, INT64_MIN, INT64_MAX, false, NULL },
    one = { "one", VRV_SETTING_INT, 1, 1, false, NULL },
    text = { "text", VRV_SETTING_STRING, 0, 0, false, NULL },
    list = { "list", VRV_SETTING_LIST, 0, 0, false, colours };

static void
takes(const struct vrv_setting_rule *r, const char *in, const char *shown)
{
    struct vrv_setting_value v;
    struct vrv_err e = { 0 };
    char out[40] = "";

    if (IS(vrv_setting_parse(r, in, &v, &e), 0, "%s takes \"%s\"", r->key, in))
        vrv_setting_print(r, in, out, sizeof(out));
    IS_STR(out, shown, "... and shows it so");
}

static void
refuses(const struct vrv_setting_rule *r, const char *in, const char *why)
{
    struct vrv_setting_value v;
    struct vrv_err e = { 0 };

    IS(vrv_setting_parse(r, in, &v, &e), VRV_E_INVALID, "%s refuses \"%.40s\"", r->key, in);
    IS_STR(e.msg, why, "... in Kafka's words");
}

static void
test_numbers(void)
{
    takes(&small, "-1", "-1");
    takes(&small, " +0012\t", "12");
    takes(&small, "2147483647", "2147483647");
    refuses(&small, "-2", "Invalid value -2 for configuration small: Value must be at least -1");
    refuses(&small, "2147483648",
        "Invalid value 2147483648 for configuration small: Not a number of type INT");
    refuses(&small, "", "Invalid value  for configuration small: Not a number of type INT");
    refuses(&small, "1 2", "Invalid value 1 2 for configuration small: Not a number of type INT");
    takes(&tiny, "32767", "32767");
    refuses(&tiny, "32768",
        "Invalid value 32768 for configuration tiny: Not a number of type SHORT");
    refuses(&range, "0x3", "Invalid value 0x3 for configuration range: Not a number of type LONG");
    refuses(&range, "9223372036854775808",
        "Invalid value 9223372036854775808 for configuration range: Not a number of type LONG");
    refuses(&range, "10", "Invalid value 10 for configuration range: Value must be no more than 9");
    takes(&level, "-1", "-1");
    refuses(&level, "0",
        "Invalid value 0 for configuration level: Value must be between 1 and 9 or equal to -1");
    takes(&ratio, "0.25", "0.25");
    takes(&ratio, "1", "1");
    refuses(&ratio, "1.5",
        "Invalid value 1.5 for configuration ratio: Value must be no more than 1");
    refuses(&ratio, "nan",
        "Invalid value nan for configuration ratio: Not a number of type DOUBLE");
    refuses(&ratio, "1e999",
        "Invalid value 1e999 for configuration ratio: Not a number of type DOUBLE");
}

static void
test_words(void)
{
    takes(&flag, "true", "true");
    takes(&flag, " FALSE ", "false");
    refuses(&flag, "yes",
        "Invalid value yes for configuration flag: Expected value to be either true or false");
    takes(&word, " green", "green");
    refuses(&word, "blue",
        "Invalid value blue for configuration word: String must be one of: red, green");
    refuses(&word, "gree",
        "Invalid value gree for configuration word: String must be one of: red, green");
    takes(&text, "  any thing ", "any thing");
    takes(&list, "red", "red");
    takes(&list, "green , red", "green , red");
    takes(&list, "", "");
    refuses(&list, "red,blue",
        "Invalid value blue for configuration list: String must be one of: red, green");
    refuses(&list, "red, red", "Configuration 'list' values must not be duplicated.");
    refuses(&list, "red,,green", "Configuration 'list' values must not be empty.");
}

static void
expects(const struct vrv_setting_rule *r, const char *want)
{
    char out[VRV_SETTING_EXPECTED];

    vrv_setting_expected(r, out);
    IS_STR(out, want, "what %s expects, for people", r->key);
}

static void
test_expected(void)
{
    expects(&flag, "true or false");
    expects(&small, "a whole number of at least -1");
    expects(&range, "a whole number from 2 to 9");
    expects(&level, "a whole number from 1 to 9, or -1");
    expects(&ratio, "a number from 0 to 1");
    expects(&any, "a whole number");
    expects(&one, "1");
    expects(&word, "one of red, green");
    expects(&text, "text");
    expects(&list, "a list with commas of red, green");
}

/* The table of topic settings: in order of key, each default a value that fits the room for it. */
static void
test_topic_table(void)
{
    for (size_t i = 0; i < VRV_TOPIC_SETTINGS; i++) {
        const struct vrv_topic_setting *s = vrv_topic_setting(i);
        char shown[100];

        vrv_setting_print(&s->rule, s->dflt, shown, sizeof(shown));
        IS_STR(shown, s->dflt, "%s: its default is written as it is shown", s->rule.key);
        OK(strlen(shown) < VRV_SETTING_VALUE, "... and there is room for it");
        OK(i == 0 || strcmp(vrv_topic_setting(i - 1)->rule.key, s->rule.key) < 0,
            "... and it lies behind the one before");
        OK(s->doc[strlen(s->doc) - 1] == '.', "... and has a sentence that explains it");
    }
}

int
main(void)
{
    test_numbers();
    test_words();
    test_expected();
    test_topic_table();
    return tap_done();
}

/*
 * The table of options: what there is to know about each, whatever its value (options.def).
 *
 * Threads: any; nothing here changes.
 */
#ifndef VRV_CONFIG_OPTION_H
#define VRV_CONFIG_OPTION_H

#include <stdbool.h>

#include "engine/base/setting.h"

enum {
#define VRV_SECTION(title)
#define VRV_OPTION(field, name, type, dflt, check, update, doc) +1
#define VRV_TOPIC_DEFAULT(name, topic, dflt) +1
#define VRV_IN_UNITS(name, of, ms, dflt, doc) +1
#define VRV_IGNORED(name, type, dflt, check, doc) +1
#define VRV_PASSED_OVER(name, why)
#define VRV_REFUSED(name, but, why)
    VRV_OPTIONS = 0
#include "server/config/options.def"
};

enum vrv_option_kind {
    VRV_OPTION_FIELD,   /* of struct vrv_config */
    VRV_OPTION_TOPIC,   /* the default of a topic setting */
    VRV_OPTION_UNITS,   /* of another option, in other units */
    VRV_OPTION_IGNORED, /* without effect */
};

/* What may change while the server runs. */
enum vrv_option_update { VRV_READ_ONLY, VRV_PER_BROKER, VRV_CLUSTER_WIDE };

struct vrv_option {
    struct vrv_setting_rule rule; /* its key is the option's name */
    enum vrv_option_kind kind;
    enum vrv_option_update update;
    const char *dflt;  /* NULL: none */
    const char *topic; /* TOPIC: the setting */
    const char *of;    /* UNITS: the option that is meant, */
    int64_t ms;        /* in such units */
    const char *doc;
    const char *section;
};

/* The i-th of VRV_OPTIONS, in the order of options.def. */
struct vrv_option vrv_option(size_t i);
/* VRV_OPTIONS when there is none. */
size_t vrv_option_find(const char *name);

/* Kafka's names that are no options. */
struct vrv_foreign {
    const char *name; /* with a dot at its end: all that begin so */
    const char *but;  /* of those that are refused: the value that isn't; NULL: there is none */
    const char *why;
    bool refused;     /* else any value is passed over */
};
/* The i-th; NULL: there are no more. */
const struct vrv_foreign *vrv_foreign(size_t i);
/* The one that decides about this name, or NULL. */
const struct vrv_foreign *vrv_foreign_find(const char *name);
/* May it be passed over with this value? */
bool vrv_foreign_takes(const struct vrv_foreign *f, const char *value);

/* The known name (or topic setting) that is most like this one; NULL when none is like it. */
const char *vrv_option_like(const char *name);

/* The options that mean the same as the i-th, in order of precedence; a topic's default and its
 * units are one family.  Returns how many. */
enum { VRV_OPTION_FAMILY = 4 };
size_t vrv_option_family(size_t i, size_t out[VRV_OPTION_FAMILY]);
/* The option that is the default of a topic setting; VRV_OPTIONS: it has none. */
size_t vrv_option_of_topic(const char *key);

#endif

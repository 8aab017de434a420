#include "server/tool/when.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "server/tool/args.h"

/* n digits at *s, which moves on. */
static bool
digits(const char **s, int n, int *out)
{
    *out = 0;
    for (int i = 0; i < n; i++, ++*s) {
        if (!isdigit((unsigned char)**s))
            return false;
        *out = *out * 10 + (**s - '0');
    }
    return true;
}

static bool
skip(const char **s, char c)
{
    if (**s != c)
        return false;
    ++*s;
    return true;
}

/* ".123" in milliseconds; finer digits are read and dropped. */
static bool
fraction(const char **s, int *ms)
{
    int unit = 100;

    *ms = 0;
    if (!isdigit((unsigned char)**s))
        return false;
    for (; isdigit((unsigned char)**s); ++*s, unit /= 10)
        *ms += (**s - '0') * unit;
    return true;
}

/* "Z", "+02:00", "-0530" or nothing: minutes east. */
static bool
zone(const char **s, int *minutes)
{
    int sign = **s == '-' ? -1 : 1, h, m;

    *minutes = 0;
    if (skip(s, 'Z') || skip(s, 'z') || **s == '\0')
        return true;
    if (!skip(s, '+') && !skip(s, '-'))
        return false;
    if (!digits(s, 2, &h))
        return false;
    (void)skip(s, ':');
    if (!digits(s, 2, &m) || h > 14 || m > 59)
        return false;
    *minutes = sign * (h * 60 + m);
    return true;
}

static bool
clock_part(const char **s, struct tm *tm, int *ms, int *east)
{
    if (!digits(s, 2, &tm->tm_hour) || !skip(s, ':') || !digits(s, 2, &tm->tm_min))
        return false;
    if (skip(s, ':') && !digits(s, 2, &tm->tm_sec))
        return false;
    if ((skip(s, '.') || skip(s, ',')) && !fraction(s, ms))
        return false;
    return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 60 && zone(s, east);
}

static bool
iso(const char *s, int64_t *out)
{
    struct tm tm = { 0 };
    int ms = 0, east = 0, day, month;

    if (!digits(&s, 4, &tm.tm_year) || !skip(&s, '-') || !digits(&s, 2, &month) ||
        !skip(&s, '-') || !digits(&s, 2, &day))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon = month - 1;
    tm.tm_mday = day;
    if ((skip(&s, 'T') || skip(&s, ' ')) && !clock_part(&s, &tm, &ms, &east))
        return false;
    if (*s != '\0')
        return false;
    time_t t = timegm(&tm);
    /* A 31st of April has become a 1st of May. */
    if (tm.tm_mon != month - 1 || tm.tm_mday != day || t < 0)
        return false;
    *out = ((int64_t)t - east * 60) * 1000 + ms;
    return *out >= 0;
}

static bool
ago(const char *s, int64_t now_ms, int64_t *out)
{
    static const char letter[] = "smhd";
    static const int64_t unit_ms[] = { 1000, 60000, 3600000, 86400000 };
    int64_t v = 0;

    if (!isdigit((unsigned char)*s))
        return false;
    for (; isdigit((unsigned char)*s) && v < 1000000000; s++)
        v = v * 10 + (*s - '0');
    const char *at = *s != '\0' && s[1] == '\0' ? strchr(letter, *s) : NULL;
    if (at == NULL)
        return false;
    *out = now_ms - v * unit_ms[at - letter];
    *out = *out > 0 ? *out : 0;
    return true;
}

bool
when_time(const char *text, int64_t now_ms, int64_t *ms)
{
    if (text[0] == '@')
        return args_number(text + 1, 0, INT64_MAX, ms);
    if (text[0] == '-')
        return ago(text + 1, now_ms, ms);
    return iso(text, ms);
}

bool
when_parse(const char *text, int64_t now_ms, struct when *w)
{
    *w = (struct when){ .kind = WHEN_START };
    if (strcmp(text, "start") == 0)
        return true;
    w->kind = WHEN_END;
    if (strcmp(text, "end") == 0)
        return true;
    w->kind = WHEN_OFFSET;
    if (args_number(text, 0, INT64_MAX, &w->v))
        return true;
    w->kind = WHEN_BACK;
    if (text[0] == '-' && args_number(text + 1, 0, INT64_MAX, &w->v))
        return true;
    w->kind = WHEN_TIME;
    return when_time(text, now_ms, &w->v);
}

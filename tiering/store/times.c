#include "tiering/store/times.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { FIRST_YEAR = 1970, LAST_YEAR = 9999 };

static int64_t
to_ms(const struct tm *when, unsigned ms)
{
    struct tm tm = *when, out;
    time_t t = timegm(&tm);

    /* a day that isn't in the calendar becomes another one */
    if (tm.tm_year < FIRST_YEAR - 1900 || tm.tm_year > LAST_YEAR - 1900 ||
        gmtime_r(&t, &out) == NULL || out.tm_mday != when->tm_mday ||
        out.tm_hour != when->tm_hour || out.tm_min != when->tm_min)
        return -1;
    return (int64_t)t * 1000 + ms;
}

int64_t
vrv_time_iso(const char *s)
{
    struct tm tm = { 0 };
    unsigned ms = 0, digits = 0;

    if (s == NULL)
        return -1;
    const char *p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
    if (p == NULL)
        return -1;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++)
            if (digits++ < 3)
                ms = ms * 10 + (unsigned)(*p - '0');
    for (; digits > 0 && digits < 3; digits++)
        ms *= 10;
    return strcmp(p, "Z") == 0 || strcmp(p, "+00:00") == 0 ? to_ms(&tm, ms) : -1;
}

int64_t
vrv_time_http(const char *s)
{
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
        "Oct", "Nov", "Dec" };
    struct tm tm = { .tm_mon = -1 };
    char month[4];

    if (s == NULL || sscanf(s, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &tm.tm_mday, month, &tm.tm_year,
        &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return -1;
    for (int i = 0; i < 12; i++)
        if (strcmp(month, months[i]) == 0)
            tm.tm_mon = i;
    tm.tm_year -= 1900;
    return tm.tm_mon >= 0 ? to_ms(&tm, 0) : -1;
}

#include "server/base/kerrors.h"

#include <stddef.h>

static const struct kerror {
    int number;
    bool retriable;
    const char *name, *text;
} table[] = {
#define VRV_KERROR(name, number, retriable, text) { number, retriable, #name, text },
#include "server/base/kerrors.def"
};

static const struct kerror unknown = { 0, false, "?", "an error that this program does not know" };

/* The table has no holes and begins with -1: u730 holds it to that. */
static const struct kerror *
find(int number)
{
    size_t i = (size_t)number + 1;

    return number >= -1 && i < sizeof(table) / sizeof(table[0]) ? &table[i] : &unknown;
}

const char *
vrv_kerror_name(int number)
{
    return find(number)->name;
}

const char *
vrv_kerror_text(int number)
{
    return find(number)->text;
}

bool
vrv_kerror_retriable(int number)
{
    return find(number)->retriable;
}

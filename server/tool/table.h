/* A table for people: columns as wide as what is in them, numbers to the right. */
#ifndef VRV_TOOL_TABLE_H
#define VRV_TOOL_TABLE_H

#include "engine/base/annot.h"
#include "server/tool/out.h"

enum { TABLE_COLUMNS = 12 };

struct table_cell {
    char *text;
    enum out_colour colour;
};

struct table {
    const char *head[TABLE_COLUMNS]; /* '>' in front: to the right */
    size_t columns;
    struct table_cell *cells;
    size_t n, cap;
};

/* Heads up to a NULL. */
void table_init(struct table *t, const char *const *heads);
/* The next cell, row by row. */
void table_add(struct table *t, enum out_colour c, const char *fmt, ...) VRV_PRINTF(3, 4);
/* Print and free it; without a row, nothing. */
void table_print(struct table *t, struct out *o);

#endif

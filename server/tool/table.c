#include "server/tool/table.h"

#include <stdarg.h>

#include "engine/base/mem.h"

void
table_init(struct table *t, const char *const *heads)
{
    *t = (struct table){ 0 };
    while (t->columns < TABLE_COLUMNS && heads[t->columns] != NULL) {
        t->head[t->columns] = heads[t->columns];
        t->columns++;
    }
}

void
table_add(struct table *t, enum out_colour c, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    VRV_PUSH_ROOM(t->cells, t->n, t->cap);
    t->cells[t->n++] = (struct table_cell){ vrv_mem_strdup(text), c };
}

/* What names hold of other alphabets counts as characters, not bytes. */
static size_t
width(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void
pad(FILE *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)fputc(' ', f);
}

static void
print_cell(const struct table *t, struct out *o, size_t column, const char *text,
    enum out_colour c, size_t wide)
{
    bool right = t->head[column][0] == '>', last = column + 1 == t->columns;
    size_t gap = wide - width(text);

    if (right)
        pad(o->f, gap);
    out_paint(o, c, text);
    if (!right && !last)
        pad(o->f, gap);
    (void)fputs(last ? "\n" : "  ", o->f);
}

static const char *
head_text(const struct table *t, size_t column)
{
    return t->head[column] + (t->head[column][0] == '>');
}

void
table_print(struct table *t, struct out *o)
{
    size_t wide[TABLE_COLUMNS];

    for (size_t i = 0; i < t->columns; i++)
        wide[i] = width(head_text(t, i));
    for (size_t i = 0; i < t->n; i++) {
        size_t w = width(t->cells[i].text);

        if (w > wide[i % t->columns])
            wide[i % t->columns] = w;
    }
    for (size_t i = 0; i < t->columns && t->n > 0; i++)
        print_cell(t, o, i, head_text(t, i), OUT_BOLD, wide[i]);
    for (size_t i = 0; i < t->n; i++) {
        size_t column = i % t->columns;

        print_cell(t, o, column, t->cells[i].text, t->cells[i].colour, wide[column]);
        free(t->cells[i].text);
    }
    free(t->cells);
    t->cells = NULL;
    t->n = t->cap = 0;
}

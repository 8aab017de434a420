#include "tiering/store/list.h"

#include <string.h>

#include "engine/base/mem.h"

bool
vrv_list_wants(const struct vrv_store_call *c, const char *path, bool is_dir)
{
    size_t n = strlen(path), prefix = strlen(c->key);

    if (strncmp(path, c->key, n < prefix ? n : prefix) != 0 || (!is_dir && n < prefix))
        return false;
    if (c->after == NULL)
        return true;
    return is_dir ? strncmp(path, c->after, n) >= 0 : strcmp(path, c->after) > 0;
}

bool
vrv_list_is_full(struct vrv_store_call *c)
{
    c->more = c->got == c->max;
    return c->more;
}

void
vrv_list_add(struct vrv_store_call *c, const char *key, uint64_t size, int64_t age_ms)
{
    if (vrv_list_is_full(c))
        return;
    if ((c->got & (c->got - 1)) == 0) /* the room doubles at each power of two */
        c->names = vrv_mem_grow(c->names, (c->got == 0 ? 1 : 2 * c->got) * sizeof(*c->names));
    c->names[c->got++] =
        (struct vrv_store_name){ .key = vrv_mem_strdup(key), .size = size, .age_ms = age_ms };
}

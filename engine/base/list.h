/* Doubly linked list whose links lie inside the elements; an empty head points to itself. */
#ifndef VRV_BASE_LIST_H
#define VRV_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct vrv_list {
    struct vrv_list *next, *prev;
};

#define VRV_LIST_OF(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void
vrv_list_init(struct vrv_list *l)
{
    l->next = l->prev = l;
}

static inline bool
vrv_list_empty(const struct vrv_list *l)
{
    return l->next == l;
}

static inline void
vrv_list_push(struct vrv_list *head, struct vrv_list *l) /* to the end */
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

static inline void
vrv_list_del(struct vrv_list *l) /* harmless on one that is in no list */
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    vrv_list_init(l);
}

#endif

/*
 * The notation in which t/talk's scripts write messages (t/data/talk/README.md), read into the structs
 * of server/wire through its tables: so every message can be written, and one line serves all its
 * versions.  What is wrong with a script ends the program.
 */
#ifndef VRV_T_TALK_H
#define VRV_T_TALK_H

#include "server/wire/wire.h"

struct talk_text {
    const char *p;    /* what is left of the line */
    const char *file; /* for complaints */
    int line;
    struct vrv_arena *arena;
};

_Noreturn void talk_die(const struct talk_text *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Fields of a struct, NAME=VALUE, to the end of the text. */
void talk_read_message(struct talk_text *t, const struct vrv_schema *s, void *dst);

/* The bytes that hex digits, batch(...), join(...) or a plain word stand for. */
struct vrv_bytes talk_read_bytes(struct talk_text *t);

/* The next word of the text, NUL-terminated; "" at its end. */
char *talk_read_word(struct talk_text *t);
bool talk_take(struct talk_text *t, char c);
/* What is in the brackets of batch(...), the opening one taken. */
struct vrv_bytes talk_read_batch(struct talk_text *t);

/* The value at a path such as members[0].member_id as text; NULL: there is no such thing. */
char *talk_value(const struct vrv_schema *s, const void *src, const char *path,
    struct vrv_arena *a);

#endif

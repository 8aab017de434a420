/* Files, or standard input, one after the other: lines and counted bytes, of any content. */
#ifndef VRV_TOOL_INPUT_H
#define VRV_TOOL_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

struct input {
    /* chosen by the caller */
    char **files; /* NULL-terminated; none: standard input */
    size_t limit; /* a line or a run of bytes is no longer */
    /* Called while there is nothing to read, every 100 ms, and before each read; true ends it. */
    bool (*idle)(void *ctx);
    void *ctx;
    /* ours */
    const char *name; /* of the file being read */
    uint64_t line;    /* of the line that came last, from 1 on */
    uint64_t read;    /* bytes of all files so far */
    int fd;
    char *buf;
    size_t from, to, cap;
    bool ended, stopped;
};

void input_init(struct input *in);
void input_fini(struct input *in);
/* Bytes of all files, or 0 when that is not known. */
uint64_t input_total(const struct input *in);

/* The next line without its line feed, good until the next call: 1; 0 at the end; TOO_LARGE: it was
 * skipped, the next call goes on behind it; else an error of the file.  The byte behind the line
 * may be written to. */
int input_line(struct input *in, char **line, size_t *n, struct vrv_err *e) VRV_MUST_CHECK;
/* The next n bytes: 1; 0 when a file ends here; CORRUPT when it ends amid them.  n == 0 is fine. */
int input_bytes(struct input *in, size_t n, char **p, struct vrv_err *e) VRV_MUST_CHECK;

#endif

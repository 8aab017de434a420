/*
 * Messages for humans: one event, one line.
 *
 *   2026-05-01T12:00:00.123Z warn net.refused peer=10.0.0.7:4711 reason="too many connections"
 *
 * Events are listed in events.def.  A value is quoted and escaped where it must be, so that no
 * client can forge a line or a field.  Each event may be told VRV_DIAG_BURST times in a second;
 * what exceeds that is counted, and the event's next line says suppressed=n.  Not for what happens
 * often: that is counted elsewhere.
 *
 * Threads: any.  Locks: a leaf.
 */
#ifndef VRV_SERVER_DIAG_H
#define VRV_SERVER_DIAG_H

#include <stddef.h>
#include <stdint.h>

#include "engine/os/clock.h"

enum vrv_diag_level { VRV_DIAG_ERROR, VRV_DIAG_WARN, VRV_DIAG_INFO, VRV_DIAG_DEBUG };

enum vrv_event {
#define VRV_EVENT(id, name, level, text) VRV_EV_##id,
#include "server/base/events.def"
    VRV_EVENTS
};

enum { VRV_DIAG_BURST = 10, VRV_DIAG_VALUE = 256, VRV_DIAG_LINE = 1024 };

/* text NULL: the number. */
struct vrv_diag_field {
    const char *key;
    const char *text;
    size_t n; /* bytes of text */
    int64_t number;
};

#define VRV_STR(k, s)      (struct vrv_diag_field){ .key = (k), .text = (s), .n = strlen(s) }
#define VRV_BYTES(k, p, l) (struct vrv_diag_field){ .key = (k), .text = (p), .n = (l) }
#define VRV_NUM(k, v)      (struct vrv_diag_field){ .key = (k), .number = (int64_t)(v) }

/* vrv_diag(VRV_EV_NET_CLOSED, VRV_STR("peer", peer), VRV_NUM("bytes", n)) */
#define vrv_diag(ev, ...)                                                                          \
    vrv_diag_fields((ev), (const struct vrv_diag_field[]){ __VA_ARGS__ },                          \
        sizeof((const struct vrv_diag_field[]){ __VA_ARGS__ }) / sizeof(struct vrv_diag_field))
void vrv_diag_fields(enum vrv_event ev, const struct vrv_diag_field *f, size_t n);

/* Events above this level are dropped; INFO at first. */
void vrv_diag_level(enum vrv_diag_level max);
/* Where lines go, with their newline, and by which clock; NULL: stderr, the machine's.  The sink is
 * called with a lock held: it must not tell events. */
typedef void vrv_diag_sink(void *ctx, const char *line, size_t n);
void vrv_diag_to(vrv_diag_sink *sink, void *ctx, struct vrv_clock *clock);

#endif

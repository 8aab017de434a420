/* A small TAP producer.  A failing check prints where it stands, what it expected and what it saw;
 * the plan comes last. */
#ifndef VRV_T_TAP_H
#define VRV_T_TAP_H

#include <stdbool.h>
#include <stdint.h>

#define OK(cond, ...) tap_ok_((cond) ? true : false, __FILE__, __LINE__, #cond, __VA_ARGS__)
#define IS(got, want, ...)                                                                         \
    tap_is_((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, #got, __VA_ARGS__)
#define IS_STR(got, want, ...) tap_is_str_((got), (want), __FILE__, __LINE__, #got, __VA_ARGS__)

/* For runs by seed: no line of its own when it holds, and where it stands when it doesn't. */
#define HELD(cond) tap_held_((cond) ? true : false, __FILE__, __LINE__, #cond)

/* All return whether the check held.  Safe to call from several threads. */
bool tap_ok_(bool ok, const char *file, int line, const char *expr, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
bool tap_is_(int64_t got, int64_t want, const char *file, int line, const char *expr,
    const char *fmt, ...) __attribute__((format(printf, 6, 7)));
bool tap_is_str_(const char *got, const char *want, const char *file, int line, const char *expr,
    const char *fmt, ...) __attribute__((format(printf, 6, 7)));

bool tap_held_(bool ok, const char *file, int line, const char *expr);

/* What the rest makes no sense without: "Bail out! why", exit. */
_Noreturn void tap_bail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same if it is an error; `why` is read then. */
void tap_need(int rc, const char *why);

/* What the variable of this name says, such as VARVE_SEED; otherwise where there is none. */
uint64_t tap_number(const char *name, uint64_t otherwise);

/* A comment line. */
void tap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Skip the whole test: "1..0 # SKIP why", exit.  With VARVE_REQUIRE_PEERS=1 and `peer`, fail. */
_Noreturn void tap_skip_all(bool peer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A new empty directory below $TMPDIR; removed by tap_done() unless a check failed, whose path
 * is printed then.  Lives until the process ends. */
const char *tap_dir(void);

/* Remove `dir` and all in it; nothing there is fine. */
void tap_remove(const char *dir);

/* Print the plan; the exit status for main(). */
int tap_done(void);

#endif

/*
 * HTTP for a store without a network: each request gets the next of some answers, whatever it asks.  It stands in
 * the place of tiering/store/http.c, so what it gives is what http.h promises, and all else is any bytes.
 *
 * An answer is its code, three digits; lines of headers, and an empty one; the body; and ANSWER_END, or the end of
 * all.  A code below 100 is a failure on the way there.  Behind the last one nobody answers.
 */
#ifndef VRV_T_FUZZ_ANSWERS_H
#define VRV_T_FUZZ_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

enum { ANSWER_END = 0x1e };

/* Borrowed until the next call. */
void answers_are(const uint8_t *p, size_t n);

#endif

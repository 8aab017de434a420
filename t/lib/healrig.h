/*
 * One tiered partition, "t" 0, whose server is to be healed (tiering/scrub/heal.h): what its store names, damage done to
 * that, and roots that a crash leaves.
 *
 * Threads: one.
 */
#ifndef VRV_T_HEALRIG_H
#define VRV_T_HEALRIG_H

#include "t/lib/onetier.h"
#include "tiering/restore/find.h"

extern struct vrv_sync sync_;
extern struct vrv_log_id id; /* of the partition */
extern struct vrv_err e;

/* begin(), with some segments, most of which are in the store; its disk has all of them. */
void make(uint64_t seed);
/* The same without records. */
void make_empty(uint64_t seed);
void finish(void);
/* The open segment is sealed. */
void seal(void);
/* Of the disk, behind a crash: an older copy of it. */
void take_place(struct simdisk *copy);
/* What the store has but for the newest segment leaves this disk. */
void let_go(void);

/* Between down() and up(), or behind up() before its tier does anything. */
int heal_root(uint64_t random);
int heal(uint64_t random, const char *key, int64_t base);

/* What the catalog says that counts; 0: nothing. */
uint64_t version(void);
uint64_t newest_root(void);
bool has_root(uint64_t version);
void read_root(uint64_t v, struct vrv_manifest *m);
void read_newest(struct vrv_manifest *m);
/* Where its last segment begins. */
int64_t newest_cold(void);
/* The object of the log's first segment, as a version names it in its first page. */
void first_key(uint64_t v, char out[VRV_STORE_KEY_MAX + 1]);
/* Of a segment that is written now. */
void new_key(int64_t base, char out[VRV_STORE_KEY_MAX + 1]);

void delete(const char *key);
void delete_root(uint64_t version);
void flip(const char *key);
void flip_root(uint64_t version);
/* The newest root is damaged, and the one before names as much. */
void damage_newest(void);
/* A root like this one, without a head. */
void leave_root(const struct vrv_manifest *like, uint64_t version);
/* One that names too little to count. */
void leave_little(const struct vrv_manifest *counts, uint64_t version);

#endif

/*
 * What the server is started with: a file, then options of the command line, which win.
 *
 * Everything that is wrong is told, not just the first thing; what is only odd is a warning.  Each
 * is a sentence that begins with where it stands ("varve.conf:12: ").
 *
 * Threads: one.
 */
#ifndef VRV_CONFIG_INPUT_H
#define VRV_CONFIG_INPUT_H

#include "server/config/config.h"

enum { VRV_CONFIG_FILE_MAX = 1 << 20, VRV_CONFIG_WHERE = 64 };

typedef void vrv_config_note_fn(void *ctx, bool is_error, const char *sentence);

struct vrv_config_input {
    vrv_config_note_fn *note;
    void *ctx;
    unsigned errors;
    const char *name;       /* of the file that is read */
    bool args;              /* the command line, which wins without a word over the file */
    struct vrv_config_values values;
    struct {
        char text[VRV_CONFIG_WHERE]; /* where it is set: "varve.conf:12" */
        bool arg;
    } where[VRV_OPTIONS];
};

void vrv_config_input_init(struct vrv_config_input *in, vrv_config_note_fn *note, void *ctx);
void vrv_config_input_fini(struct vrv_config_input *in);

/* A file that can't be read is an error like others. */
void vrv_config_input_file(struct vrv_config_input *in, const char *path);
/* The content of one; name is for sentences, and borrowed for the call. */
void vrv_config_input_text(struct vrv_config_input *in, const char *name, const char *text,
    size_t n);
/* "key=value" */
void vrv_config_input_arg(struct vrv_config_input *in, const char *arg);

/* Checked together; NULL when anything was wrong. */
struct vrv_config *vrv_config_input_done(struct vrv_config_input *in);

#endif

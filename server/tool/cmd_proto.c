/* varve proto: the protocol that varved speaks, and what some bytes of it say. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/mem.h"
#include "server/tool/args.h"
#include "server/tool/commands.h"
#include "server/tool/tool.h"
#include "server/wire/header.h"

static const char proto_help[] =
    "usage: varve proto                                     every API and its versions\n"
    "       varve proto API [VERSION]                       the fields of its messages\n"
    "       varve proto decode request|response API VERSION   hex on stdin, JSON on stdout\n"
    "API is a name or a key.  What is decoded begins behind the header.\n";

enum { DECODE_MAX = 64 << 20 };

/* ---- the list ---- */

static void
print_list(void)
{
    const struct vrv_api *api;

    (void)printf("%4s  %-28s %-9s %s\n", "key", "API", "versions", "flexible from");
    for (size_t i = 0; (api = vrv_api_at(i)) != NULL; i++) {
        (void)printf("%4d  %-28s %2d to %-2d  ", api->key, api->name, api->first, api->last);
        if (api->flexible <= api->last)
            (void)printf("%d\n", api->flexible);
        else
            (void)printf("-\n");
    }
}

/* ---- fields ---- */

static const char *const type_names[] = {
    [VRV_W_BOOL] = "bool", [VRV_W_I8] = "int8", [VRV_W_I16] = "int16", [VRV_W_I32] = "int32",
    [VRV_W_I64] = "int64", [VRV_W_F64] = "float64", [VRV_W_UUID] = "uuid", [VRV_W_STR] = "string",
    [VRV_W_BYTES] = "bytes", [VRV_W_RECORDS] = "records", [VRV_W_I32S] = "[int32]",
    [VRV_W_STRS] = "[string]", [VRV_W_ARRAY] = "[", [VRV_W_STRUCT] = "{", [VRV_W_POINTER] = "{",
};

static void
print_versions(const struct vrv_field *f, const struct vrv_api *api)
{
    int16_t from = f->from > api->first ? f->from : api->first;
    int16_t to = f->to < api->last ? f->to : api->last;

    if (from > api->first || to < api->last)
        (void)printf("  versions %d to %d", from, to);
    if (f->null_from > 0)
        (void)printf("  nullable");
    if (f->tag > 0)
        (void)printf("  tag %d", f->tag - 1);
    if (f->dflt == VRV_WIRE_NIL)
        (void)printf("  default null");
    else if (f->dflt != 0)
        (void)printf("  default %" PRId64, f->dflt);
    (void)printf("\n");
}

/* version -1: all of them. */
static void
print_fields(const struct vrv_schema *s, const struct vrv_api *api, int version, int depth)
{
    for (uint16_t i = 0; i < s->n; i++) {
        const struct vrv_field *f = &s->fields[i];

        if (version >= 0 && (version < f->from || version > f->to))
            continue;
        (void)printf("%*s%s  %s", 2 * depth, "", f->name, type_names[f->type]);
        if (f->elem == NULL) {
            print_versions(f, api);
            continue;
        }
        print_versions(f, api);
        print_fields(f->elem(), api, version, depth + 1);
    }
}

/* ---- decoding ---- */

/* Hex digits of stdin, other characters between them are passed over; how many bytes. */
static size_t
read_hex(uint8_t *out)
{
    int c, high = -1;
    size_t n = 0;

    while (n < DECODE_MAX && (c = getchar()) != EOF) {
        static const char digits[] = "0123456789abcdef";
        const char *d = c != 0 ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

        if (d == NULL)
            continue;
        if (high < 0) {
            high = (int)(d - digits);
        } else {
            out[n++] = (uint8_t)(high << 4 | (int)(d - digits));
            high = -1;
        }
    }
    return n;
}

static int
decode(const struct vrv_api *api, int16_t version, bool response, struct vrv_err *e)
{
    const struct vrv_schema *s = response ? api->resp() : api->req();
    uint8_t *p = vrv_mem_zero(DECODE_MAX);
    size_t n = read_hex(p);
    struct vrv_out out = { 0 };
    struct vrv_arena a;

    vrv_arena_init(&a, (size_t)1 << 30);
    void *m = vrv_arena_take(&a, s->size);
    int64_t rc = vrv_wire_read(s, vrv_wire_version(api, version), p, n, &a, m, e);
    if (rc >= 0) {
        vrv_wire_json(s, vrv_wire_version(api, version), m, &out);
        (void)fwrite(out.own, 1, out.n, stdout);
        (void)putchar('\n');
        if ((size_t)rc < n)
            rc = vrv_err_set(e, VRV_E_INVALID, "%zu bytes follow the message", n - (size_t)rc);
    }
    vrv_out_fini(&out);
    vrv_arena_fini(&a);
    free(p);
    return rc < 0 ? (int)rc : 0;
}

/* ---- the command ---- */

static const struct vrv_api *
find_api(const char *word)
{
    const struct vrv_api *api;
    int64_t key;

    if (args_number(word, 0, INT16_MAX, &key))
        return vrv_api_find((int16_t)key);
    for (size_t i = 0; (api = vrv_api_at(i)) != NULL; i++)
        if (strcasecmp(api->name, word) == 0)
            return api;
    return NULL;
}

static int
with_api(char **word, int n, bool is_decode, bool response, struct vrv_err *e)
{
    const struct vrv_api *api = find_api(word[0]);
    int64_t version = -1;

    if (api == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "there is no API \"%.60s\"; see varve proto", word[0]);
    if (n > 1 && !args_number(word[1], api->first, api->last, &version))
        return vrv_err_set(e, VRV_E_INVALID, "%s has versions %d to %d, not \"%.20s\"", api->name,
            api->first, api->last, word[1]);
    if (is_decode)
        return decode(api, (int16_t)version, response, e);
    (void)printf("%s request\n", api->name);
    print_fields(api->req(), api, (int)version, 1);
    (void)printf("%s response\n", api->name);
    print_fields(api->resp(), api, (int)version, 1);
    return 0;
}

int
cmd_proto(int argc, char **argv)
{
    struct vrv_err e = { 0 };
    int rc;

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        (void)fputs(proto_help, stdout);
        return 0;
    }
    if (argc == 1) {
        print_list();
        return 0;
    }
    bool is_decode = strcmp(argv[1], "decode") == 0;
    bool response = is_decode && argc > 2 && strcmp(argv[2], "response") == 0;
    if (is_decode && (argc != 5 || (!response && strcmp(argv[2], "request") != 0)))
        rc = vrv_err_set(&e, VRV_E_INVALID,
            "decode wants request or response, an API and a version; see varve proto --help");
    else if (!is_decode && argc > 3)
        rc = vrv_err_set(&e, VRV_E_INVALID, "too many words; see varve proto --help");
    else
        rc = is_decode ? with_api(argv + 3, 2, true, response, &e)
                       : with_api(argv + 1, argc - 1, false, false, &e);
    if (rc < 0)
        tool_say("%s", e.msg);
    return rc < 0 ? vrv_err_exit(rc) : 0;
}

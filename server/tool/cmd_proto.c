/* varve proto: the protocol that varved speaks, and what some bytes of it say. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/mem.h"
#include "server/tool/args.h"
#include "server/tool/commands.h"
#include "server/tool/out.h"
#include "server/tool/tool.h"
#include "server/wire/header.h"

static const char proto_help[] =
    "usage: varve proto                                     every API and its versions\n"
    "       varve proto API [VERSION]                       the fields of its messages\n"
    "       varve proto decode request|response API VERSION   hex on stdin, JSON on stdout\n"
    "      --json                 one JSON object per line\n"
    "  -h, --help                 this\n"
    "API is a name or a key.  What is decoded begins behind the header.\n";

enum { DECODE_MAX = 64 << 20, PATH_MAX_BYTES = 256 };

struct proto {
    struct out out;
    const struct vrv_api *api;
    int64_t version; /* -1: all of them */
};

/* ---- the list ---- */

static void
json_api(struct out *o, const struct vrv_api *api)
{
    out_begin(o, "api");
    out_int(o, "key", api->key);
    out_str(o, "api", api->name);
    out_int(o, "first", api->first);
    out_int(o, "last", api->last);
    if (api->flexible <= api->last)
        out_int(o, "flexible_from", api->flexible);
    out_end(o);
}

static void
print_list(struct out *o)
{
    const struct vrv_api *api;

    for (size_t i = 0; o->json && (api = vrv_api_at(i)) != NULL; i++)
        json_api(o, api);
    if (o->json)
        return;
    out_paint(o, OUT_BOLD, " key  API                          versions  flexible from\n");
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

/* Of arrays and structs the type is a bracket's beginning: their fields have paths of their own. */
static void
json_field(struct proto *p, const struct vrv_field *f, const char *path)
{
    const struct vrv_api *api = p->api;
    struct out *o = &p->out;

    out_begin(o, "field");
    out_str(o, "api", api->name);
    out_str(o, "field", path);
    out_str(o, "type", f->type == VRV_W_ARRAY ? "array" : f->elem != NULL ? "struct"
                                                                             : type_names[f->type]);
    out_int(o, "first", f->from > api->first ? f->from : api->first);
    out_int(o, "last", f->to < api->last ? f->to : api->last);
    out_bool(o, "nullable", f->null_from > 0);
    if (f->tag > 0)
        out_int(o, "tag", f->tag - 1);
    out_end(o);
}

static void
print_fields(struct proto *p, const struct vrv_schema *s, int depth, const char *above)
{
    char path[PATH_MAX_BYTES];

    for (uint16_t i = 0; i < s->n; i++) {
        const struct vrv_field *f = &s->fields[i];

        if (p->version >= 0 && (p->version < f->from || p->version > f->to))
            continue;
        (void)snprintf(path, sizeof(path), "%s.%s", above, f->name);
        if (p->out.json) {
            json_field(p, f, path);
        } else {
            (void)printf("%*s%s  %s", 2 * depth, "", f->name, type_names[f->type]);
            print_versions(f, p->api);
        }
        if (f->elem != NULL)
            print_fields(p, f->elem(), depth + 1, path);
    }
}

static void
print_message(struct proto *p, const struct vrv_schema *s, const char *what)
{
    if (!p->out.json)
        (void)printf("%s %s\n", p->api->name, what);
    print_fields(p, s, 1, what);
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
    struct vrv_out text = { 0 };
    struct vrv_arena a;

    vrv_arena_init(&a, (size_t)1 << 30);
    void *m = vrv_arena_take(&a, s->size);
    int64_t rc = vrv_wire_read(s, vrv_wire_version(api, version), p, n, &a, m, e);
    if (rc >= 0) {
        vrv_wire_json(s, vrv_wire_version(api, version), m, &text);
        (void)fwrite(text.own, 1, text.n, stdout);
        (void)putchar('\n');
        if ((size_t)rc < n)
            rc = vrv_err_set(e, VRV_E_INVALID, "%zu bytes follow the message", n - (size_t)rc);
    }
    vrv_out_fini(&text);
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
find(struct proto *p, char **word, int n, struct vrv_err *e)
{
    const struct vrv_api *api = p->api = find_api(word[0]);

    if (api == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "there is no API \"%.60s\"; see varve proto", word[0]);
    if (n > 1 && !args_number(word[1], api->first, api->last, &p->version))
        return vrv_err_set(e, VRV_E_INVALID, "%s has versions %d to %d, not \"%.20s\"", api->name,
            api->first, api->last, word[1]);
    return 0;
}

static int
decode_words(struct proto *p, char **word, int n, struct vrv_err *e)
{
    bool response = n > 1 && strcmp(word[1], "response") == 0;

    if (n != 4 || (!response && strcmp(word[1], "request") != 0))
        return vrv_err_set(e, VRV_E_INVALID,
            "decode wants request or response, an API and a version; see varve proto --help");
    int rc = find(p, word + 2, 2, e);
    return rc == 0 ? decode(p->api, (int16_t)p->version, response, e) : rc;
}

static int
print_words(struct proto *p, char **word, int n, struct vrv_err *e)
{
    if (n > 2)
        return vrv_err_set(e, VRV_E_INVALID, "too many words; see varve proto --help");
    if (n == 0) {
        print_list(&p->out);
        return 0;
    }
    int rc = find(p, word, n, e);
    if (rc == 0) {
        print_message(p, p->api->req(), "request");
        print_message(p, p->api->resp(), "response");
    }
    return rc;
}

int
cmd_proto(int argc, char **argv)
{
    struct proto p = { .out.f = stdout, .version = -1 };
    struct args a = { .cmd = "proto", .help = proto_help, .n = argc, .v = argv };
    const struct arg own[] = { { "json", 0, ARG_FLAG, &p.out.json }, { NULL, 0, 0, NULL } };
    const struct arg none[] = { { NULL, 0, 0, NULL } };
    struct vrv_err e = { 0 };

    int rc = args_parse(&a, own, none, &e);
    if (rc == ARGS_HELP)
        return 0;
    out_colours(&p.out);
    if (rc == 0 && a.n > 0 && strcmp(a.v[0], "decode") == 0)
        rc = decode_words(&p, a.v, a.n, &e);
    else if (rc == 0)
        rc = print_words(&p, a.v, a.n, &e);
    if (rc < 0)
        tool_say("%s", e.msg);
    return rc < 0 ? vrv_err_exit(rc) : 0;
}

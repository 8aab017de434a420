/*
 * talk HOST PORT SCRIPT...   sends what the scripts say to a broker, and prints what it answers,
 * as lines of fields with tabs between them.
 * The scripts' notation is in t/data/talk/README.md.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/batch/batch.h"
#include "server/wire/header.h"
#include "server/wire/wire_int.h"
#include "t/lib/talk.h"

enum {
    ANSWER_MAX = 64 << 20,
    ARENA_MAX = 1 << 29,
    PENDING_MAX = 64,
    ANSWER_SECONDS = 20,
    TRIES_MAX = 400,
    TRY_MS = 25,
    CONNS = 26, /* a to z */
    KEEPS = 64,
};

struct pending {
    int32_t id;
    const struct vrv_api *api; /* NULL: bytes of the script's own */
    int16_t version;
    int line;
};

struct conn {
    int fd; /* -1: none */
    struct pending pending[PENDING_MAX];
    int n;
};

struct keep {
    char *name, *value;
};

/* Lines of a file, or of a macro. */
struct script {
    const char *file; /* or the macro's name */
    char **line;
    int n;
};

struct run {
    const struct vrv_api *api; /* the section's */
    int16_t version;
    struct conn conn[CONNS];
    struct keep keep[KEEPS];
    int keeps;
    struct vrv_arena arena; /* of one line, and of the last answer */
    const struct vrv_schema *last_schema;
    void *last;
    bool quiet;
    int from; /* the line of the section's head: what is told counts from there */
};

static struct sockaddr_in peer;
static struct script macros[32];
static int macro_n, section_n;
static int32_t next_id = 1;

/* ---- sockets ---- */

static void
conn_open(struct conn *c)
{
    struct timeval limit = { .tv_sec = ANSWER_SECONDS };
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&peer, sizeof(peer)) < 0) {
        perror("talk: connect");
        exit(3);
    }
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void
conn_close(struct conn *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    c->n = 0;
}

/* A peer that has closed is noticed when its answer is wanted. */
static void
conn_send(struct conn *c, const uint8_t *p, size_t n)
{
    if (c->fd < 0)
        conn_open(c);
    while (n > 0) {
        ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);

        if (w < 0)
            return;
        p += w;
        n -= (size_t)w;
    }
}

/* NULL, or why they aren't there. */
static const char *
conn_read(struct conn *c, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t r = c->fd < 0 ? 0 : recv(c->fd, p, n, 0);

        if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return "\"no answer\"";
        if (r <= 0)
            return "\"closed\"";
        p += r;
        n -= (size_t)r;
    }
    return NULL;
}

/* ---- answers ---- */

static void
print_answer(const struct run *r, const struct conn *c, const struct pending *p, const char *text)
{
    if (r->quiet)
        return;
    (void)printf("answer\t%d\t%c\t%s\t%d\t%s\n", p->line - r->from, (int)('a' + (c - r->conn)),
        p->api != NULL ? p->api->name : "raw", p->version, text);
}

/* The batches' headers; what they hold is in the checksums. */
static void
print_batches(const uint8_t *p, size_t n)
{
    struct vrv_batch b;

    (void)printf("records\t");
    while (n > 0 && vrv_batch_read(&b, p, n, NULL) == 0) {
        (void)printf("offset=%" PRId64 " size=%u leader_epoch=%d attrs=%d last_delta=%d crc=%08x "
            "max_ts=%" PRId64 " pid=%" PRId64 " seq=%d count=%d; ", b.base_offset, b.size,
            b.leader_epoch, b.attrs, b.last_delta, b.crc, b.max_ts, b.producer_id, b.base_seq,
            b.count);
        p += b.size;
        n -= b.size;
    }
    (void)printf("and %zu bytes\n", n);
}

static void
print_records(const struct vrv_schema *s, const uint8_t *src)
{
    for (uint16_t i = 0; i < s->n; i++) {
        const uint8_t *at = src + s->fields[i].at;

        if (s->fields[i].type == VRV_W_RECORDS) {
            VRV_WIRE_LOAD(struct vrv_records, v);
            if (v.n > 0)
                print_batches(v.p, (size_t)v.n);
        } else if (s->fields[i].type == VRV_W_ARRAY) {
            const struct vrv_schema *elem = s->fields[i].elem();
            VRV_WIRE_LOAD(struct vrv_array, v);
            for (int32_t k = 0; k < v.n; k++)
                print_records(elem, (const uint8_t *)v.v + (size_t)k * elem->size);
        }
    }
}

static void
print_raw(const struct run *r, const struct conn *c, const struct pending *p, const uint8_t *b,
    size_t n)
{
    struct vrv_out out = { 0 };

    char *text = (char *)vrv_out_room(&out, 2 * n + 3);
    text[0] = '"';
    for (size_t i = 0; i < n; i++)
        (void)snprintf(text + 1 + 2 * i, 3, "%02x", b[i]);
    memcpy(text + 1 + 2 * n, "\"", 2);
    print_answer(r, c, p, (char *)out.own);
    vrv_out_fini(&out);
}

static void
print_decoded(struct run *r, const struct conn *c, const struct pending *p, const uint8_t *b,
    size_t n)
{
    const struct vrv_schema *s = p->api->resp();
    struct vrv_wire_version v = vrv_wire_version(p->api, p->version);
    struct vrv_err e = { 0 };
    struct vrv_out out = { 0 };
    void *m = vrv_arena_take(&r->arena, s->size);
    int64_t rc = vrv_wire_read(s, v, b, n, &r->arena, m, &e);

    if (rc < 0 || (size_t)rc != n) {
        (void)snprintf((char *)vrv_out_room(&out, 400), 400, "\"malformed: %s, %" PRId64 " of %zu\"",
            e.msg, rc, n);
        print_answer(r, c, p, (char *)out.own);
    } else {
        r->last_schema = s;
        r->last = m;
        vrv_wire_json(s, v, m, &out);
        vrv_out_put(&out, "", 1);
        print_answer(r, c, p, (char *)out.own);
        if (!r->quiet)
            print_records(s, m);
    }
    vrv_out_fini(&out);
}

/* The next answer of a connection: what was asked before it, too, is over then. */
static void
receive(struct run *r, struct conn *c)
{
    uint8_t size[4], *b = NULL;
    const char *why = conn_read(c, size, sizeof(size));
    size_t n = vrv_get_be32(size), done = 0;

    if (why == NULL && (n > ANSWER_MAX || n < 4))
        why = "\"an answer of no size\"";
    if (why == NULL) {
        b = vrv_arena_take(&r->arena, n);
        why = conn_read(c, b, n);
    }
    if (why != NULL) {
        for (int i = 0; i < c->n; i++)
            print_answer(r, c, &c->pending[i], why);
        conn_close(c);
        return;
    }
    for (done = 0; done < (size_t)c->n; done++) {
        const struct pending *p = &c->pending[done];

        if (p->api != NULL && p->id != (int32_t)vrv_get_be32(b)) {
            print_answer(r, c, p, "\"silence\"");
            continue;
        }
        size_t head = p->api != NULL && p->api->key != VRV_API_api_versions &&
            vrv_api_flexible(p->api, p->version) ? 5 : 4;
        if (p->api == NULL)
            print_raw(r, c, p, b, n);
        else
            print_decoded(r, c, p, b + head, n - head);
        done++;
        break;
    }
    c->n -= (int)done;
    memmove(c->pending, c->pending + done, (size_t)c->n * sizeof(c->pending[0]));
}

/* ---- requests ---- */

/* What the script does to the bytes before they go. */
struct bend {
    int cut, pad;
};

static void
push(struct talk_text *t, struct conn *c, struct pending p)
{
    if (c->n == PENDING_MAX)
        talk_die(t, "too many requests under way");
    c->pending[c->n++] = p;
}

static void
request(struct run *r, struct talk_text *t, struct conn *c, const struct vrv_api *api,
    int16_t version, struct bend bend)
{
    struct vrv_out out = { 0 };
    void *m = vrv_arena_take(&r->arena, api->req()->size);
    int32_t id = next_id++;

    talk_read_message(t, api->req(), m);
    uint8_t *h = vrv_out_room(&out, 18);
    vrv_put_be16(h + 4, (uint16_t)api->key);
    vrv_put_be16(h + 6, (uint16_t)version);
    vrv_put_be32(h + 8, (uint32_t)id);
    vrv_put_be16(h + 12, 4);
    memcpy(h + 14, "talk", 4);
    if (vrv_api_flexible(api, version))
        *vrv_out_room(&out, 1) = 0;
    vrv_wire_write(api->req(), vrv_wire_version(api, version), m, &out);
    for (int i = 0; i < bend.pad; i++)
        *vrv_out_room(&out, 1) = 0;
    out.n -= (size_t)bend.cut;
    vrv_put_be32(out.own, (uint32_t)out.n - 4);
    push(t, c, (struct pending){ id, api, version, t->line });
    conn_send(c, out.own, out.n);
    vrv_out_fini(&out);
}

/* Bytes as the script has them, with their length in front or without. */
static void
raw(struct talk_text *t, struct conn *c, bool framed)
{
    struct vrv_bytes b = talk_read_bytes(t);
    uint8_t size[4];

    vrv_put_be32(size, (uint32_t)b.n);
    push(t, c, (struct pending){ 0, NULL, 0, t->line });
    if (framed)
        conn_send(c, size, sizeof(size));
    conn_send(c, b.p, (size_t)b.n);
}

static const struct vrv_api *
api_named(const char *name)
{
    char plain[64];

    for (size_t i = 0; vrv_api_at(i) != NULL; i++) {
        const char *n = vrv_api_at(i)->name;
        size_t k = 0;

        for (; *n != '\0'; n++) {
            if (k > 0 && isupper((unsigned char)*n))
                plain[k++] = '_';
            plain[k++] = (char)tolower((unsigned char)*n);
        }
        plain[k] = '\0';
        if (strcmp(plain, name) == 0)
            return vrv_api_at(i);
    }
    return NULL;
}

/* [CONN:][cut=N:][pad=N:]API[@VERSION] FIELD=VALUE... [&] */
static void
ask(struct run *r, struct talk_text *t)
{
    size_t len = strlen(t->p);
    bool wait = t->p[len - 1] != '&';
    char *line = vrv_arena_copy(&r->arena, t->p, wait ? len : len - 1);
    struct conn *c = &r->conn[0];
    struct bend bend = { 0, 0 };

    t->p = line;
    char *word = talk_read_word(t), *at;
    for (; (at = strchr(word, ':')) != NULL; word = at + 1) {
        if (at == word + 1)
            c = &r->conn[*word - 'a'];
        else if (sscanf(word, "cut%d", &bend.cut) != 1 && sscanf(word, "pad%d", &bend.pad) != 1)
            talk_die(t, "what is \"%s\"?", word);
    }
    if (strcmp(word, "raw") == 0 || strcmp(word, "bytes") == 0) {
        raw(t, c, strcmp(word, "raw") == 0);
    } else {
        int version = -1;
        if ((at = strchr(word, '@')) != NULL) {
            version = atoi(at + 1);
            *at = '\0';
        }
        const struct vrv_api *api = api_named(word);
        if (api == NULL)
            talk_die(t, "there is no \"%s\"", word);
        if (version < 0)
            version = api == r->api ? r->version : api->last;
        request(r, t, c, api, (int16_t)version, bend);
    }
    while (wait && c->n > 0)
        receive(r, c);
}

/* ---- lines ---- */

static const char *
kept(const struct run *r, const char *name, size_t n)
{
    for (int i = r->keeps - 1; i >= 0; i--)
        if (strlen(r->keep[i].name) == n && memcmp(r->keep[i].name, name, n) == 0)
            return r->keep[i].value;
    return NULL;
}

/* With what is kept in the place of $NAME. */
static char *
expand(struct run *r, struct talk_text *t, const char *line)
{
    struct vrv_out out = { 0 };

    for (; *line != '\0'; line++) {
        if (*line != '$') {
            vrv_out_put(&out, line, 1);
            continue;
        }
        size_t n = 1;
        while (isalnum((unsigned char)line[n]) && (n == 1 || !isdigit((unsigned char)line[1])))
            n++;
        const char *value = kept(r, line + 1, n - 1);
        if (value == NULL)
            talk_die(t, "nothing is kept as %.*s", (int)n, line);
        vrv_out_put(&out, value, strlen(value));
        line += n - 1;
    }
    vrv_out_put(&out, "", 1);
    char *s = vrv_arena_copy(&r->arena, out.own, out.n);
    vrv_out_fini(&out);
    return s;
}

static void
keep(struct run *r, const char *name, const char *value)
{
    if (r->keeps == KEEPS)
        exit(2);
    r->keep[r->keeps++] = (struct keep){ vrv_mem_strdup(name), vrv_mem_strdup(value) };
}

static void
forget(struct run *r, int from, int n)
{
    for (int i = from; i < from + n; i++) {
        free(r->keep[i].name);
        free(r->keep[i].value);
    }
    r->keeps -= n;
    memmove(&r->keep[from], &r->keep[from + n], (size_t)(r->keeps - from) * sizeof(r->keep[0]));
}

static void
keep_from_answer(struct run *r, struct talk_text *t)
{
    const char *name = talk_read_word(t), *path = strchr(t->p, ' ') != NULL ? t->p + 1 : t->p;
    char *value =
        r->last != NULL ? talk_value(r->last_schema, r->last, path, &r->arena) : NULL;

    if (value == NULL)
        value = vrv_arena_copy(&r->arena, "none", 4);
    keep(r, name, value);
    (void)printf("keep\t%s\t%s\n", name, value);
}

/* until PATH=VALUE REQUEST: asks again and again until that is so; only the last answer counts. */
static void
until(struct run *r, struct talk_text *t)
{
    struct timespec pause = { 0, TRY_MS * 1000000L };
    char *rest = strchr(t->p, ' '), *value = NULL;

    if (rest == NULL || memchr(t->p, '=', (size_t)(rest - t->p)) == NULL)
        talk_die(t, "until PATH=VALUE REQUEST");
    const char *text = rest + 1;
    char *path = vrv_arena_copy(&r->arena, t->p, (size_t)(rest - t->p));
    char *want = strchr(path, '=');
    *want++ = '\0';
    bool quiet = r->quiet;
    for (int i = 0; i < TRIES_MAX; i++) {
        r->quiet = true;
        r->last = NULL;
        t->p = text;
        ask(r, t);
        value = r->last != NULL ? talk_value(r->last_schema, r->last, path, &r->arena) : NULL;
        if (value != NULL && strcmp(value, want) == 0)
            break;
        (void)nanosleep(&pause, NULL);
    }
    r->quiet = quiet;
    if (value == NULL || strcmp(value, want) != 0)
        (void)printf("answer\t%d\ta\tuntil\t0\t\"%s is %s\"\n", t->line - r->from, path,
            value != NULL ? value : "missing");
}

static void run_line(struct run *r, struct talk_text *t, const char *line);

static bool
run_macro(struct run *r, struct talk_text *t, const char *name)
{
    for (int i = 0; i < macro_n; i++) {
        if (strcmp(macros[i].file, name) != 0)
            continue;
        int before = r->keeps;
        for (char arg[2] = "1"; *t->p != '\0'; arg[0]++) {
            const char *word = talk_read_word(t);
            keep(r, arg, word);
            while (*t->p == ' ')
                t->p++;
        }
        int args = r->keeps - before;
        for (int k = 0; k < macros[i].n; k++)
            run_line(r, t, macros[i].line[k]);
        /* arguments go, what was kept meanwhile stays */
        forget(r, before, args);
        return true;
    }
    return false;
}

static void
run_line(struct run *r, struct talk_text *t, const char *line)
{
    struct talk_text l = { .file = t->file, .line = t->line, .arena = &r->arena };
    char *text = expand(r, t, line);

    l.p = text;
    if (*text == '-') { /* its answer doesn't matter */
        bool quiet = r->quiet;

        r->quiet = true;
        run_line(r, t, text + 1);
        r->quiet = quiet;
        return;
    }
    const char *word = talk_read_word(&l);
    if (talk_take(&l, ' '))
        l.p--;
    while (*l.p == ' ')
        l.p++;
    if (strcmp(word, "keep") == 0) {
        keep_from_answer(r, &l);
    } else if (strcmp(word, "until") == 0) {
        until(r, &l);
    } else if (strcmp(word, "wait") == 0) {
        while (r->conn[*l.p - 'a'].n > 0)
            receive(r, &r->conn[*l.p - 'a']);
    } else if (strcmp(word, "close") == 0) {
        conn_close(&r->conn[*l.p - 'a']);
    } else if (strcmp(word, "sleep") == 0) {
        (void)usleep((useconds_t)atoi(l.p) * 1000);
    } else if (!run_macro(r, &l, word)) {
        l.p = text;
        ask(r, &l);
    }
}

/* ---- scripts ---- */

static struct script
load(const char *file)
{
    struct script s = { .file = file };
    int cap = 0;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    FILE *f = fopen(file, "r");

    if (f == NULL) {
        perror(file);
        exit(2);
    }
    while ((n = getline(&line, &room, f)) >= 0) {
        while (n > 0 && isspace((unsigned char)line[n - 1]))
            line[--n] = '\0';
        VRV_PUSH_ROOM(s.line, s.n, cap);
        s.line[s.n++] = vrv_mem_strdup(line[0] == '#' ? "" : line);
    }
    free(line);
    (void)fclose(f);
    return s;
}

static void
unload(struct script *s)
{
    for (int i = 0; i < s->n; i++)
        free(s->line[i]);
    free(s->line);
}

static bool
is_head(const char *line)
{
    return strncmp(line, "==", 2) == 0;
}

static void
run_once(struct script *s, int from, const struct vrv_api *api, int version, const char *title)
{
    struct run *r = VRV_NEW(struct run);
    char text[32];

    r->from = from;
    r->api = api;
    r->version = (int16_t)version;
    for (int i = 0; i < CONNS; i++)
        r->conn[i].fd = -1;
    vrv_arena_init(&r->arena, ARENA_MAX);
    (void)snprintf(text, sizeof(text), "%d", version);
    keep(r, "v", text);
    (void)snprintf(text, sizeof(text), "u%d-%d", section_n, version);
    keep(r, "u", text);
    (void)printf("run\t%s\t%s\t%d\t%s\n", title, api->name, version, text);
    for (int i = from; i < s->n && !is_head(s->line[i]); i++) {
        struct talk_text t = { .p = s->line[i], .file = s->file, .line = i + 1 };

        if (s->line[i][0] == '\0')
            continue;
        run_line(r, &t, s->line[i]);
        if (i + 1 == s->n || strncmp(s->line[i + 1], "keep", 4) != 0) {
            vrv_arena_reset(&r->arena);
            r->last = NULL;
        }
    }
    for (int i = 0; i < CONNS; i++)
        conn_close(&r->conn[i]);
    forget(r, 0, r->keeps);
    vrv_arena_fini(&r->arena);
    free(r);
}

/* == TITLE | API [FIRST-LAST] */
static void
run_section(struct script *s, int at)
{
    char title[128], name[64];
    int first = -1, last = -1;

    int n = sscanf(s->line[at], "== %127[^|]| %63s %d-%d", title, name, &first, &last);
    const struct vrv_api *api = n >= 2 ? api_named(name) : NULL;
    if (api == NULL) {
        (void)fprintf(stderr, "%s:%d: == TITLE | API [FIRST-LAST]\n", s->file, at + 1);
        exit(2);
    }
    title[strlen(title) - 1] = '\0';
    first = n >= 3 ? first : api->first;
    last = n == 4 ? last : n == 3 ? first : api->last;
    section_n++;
    for (int v = first; v <= last; v++)
        run_once(s, at + 1, api, v, title);
}

/* define NAME, lines, end */
static int
define(struct script *s, int at)
{
    struct script *m = &macros[macro_n++];

    m->file = s->line[at] + strlen("define ");
    m->line = &s->line[at + 1];
    while (strcmp(s->line[at + 1 + m->n], "end") != 0)
        m->n++;
    return at + 1 + m->n;
}

int
main(int argc, char **argv)
{
    if (argc < 4) {
        (void)fprintf(stderr, "usage: talk HOST PORT SCRIPT...\n");
        return 2;
    }
    peer.sin_family = AF_INET;
    peer.sin_port = htons((uint16_t)atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &peer.sin_addr) != 1)
        return 2;
    int scripts = argc - 3;
    struct script *all = vrv_mem_zero((size_t)scripts * sizeof(*all));

    for (int i = 0; i < scripts; i++) {
        struct script *s = &all[i];

        *s = load(argv[3 + i]);
        for (int at = 0; at < s->n; at++) {
            if (strncmp(s->line[at], "define ", 7) == 0)
                at = define(s, at);
            else if (is_head(s->line[at]))
                run_section(s, at);
        }
    }
    /* not before: what one defines the later ones use */
    for (int i = 0; i < scripts; i++)
        unload(&all[i]);
    free(all);
    return 0;
}

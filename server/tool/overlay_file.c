/* The bytes of a file in the overlay, and the open files that lead to them. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/tool/overlay_int.h"

enum { PAGE = 4096 };

struct handle {
    struct vrv_file file;
    struct body *body;
    char *path;
};

void
overlay_body_unref(struct body *b)
{
    if (b == NULL || --b->refs > 0)
        return;
    for (size_t i = 0; i < b->page_n; i++)
        free(b->page[i].bytes);
    free(b->page);
    vrv_file_close(&b->low);
    free(b->path);
    free(b);
}

/* The place of the page, or where it would be. */
static size_t
page_at(const struct body *b, uint64_t number)
{
    size_t lo = 0, hi = b->page_n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (b->page[mid].number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* n bytes at pos as they were before any page was written; zeros behind the end. */
static int
read_low(struct body *b, uint8_t *out, size_t n, uint64_t pos, struct vrv_err *e)
{
    size_t have = 0;

    if (b->low != NULL && pos < b->low_end) {
        size_t want = n < b->low_end - pos ? n : (size_t)(b->low_end - pos);
        ssize_t got = vrv_file_pread(b->low, out, want, pos, VRV_READ_DONTCACHE, e);

        if (got < 0)
            return (int)got;
        have = (size_t)got;
    }
    memset(out + have, 0, n - have);
    return 0;
}

static ssize_t
body_read(struct body *b, uint8_t *out, size_t n, uint64_t pos, struct vrv_err *e)
{
    if (pos >= b->size)
        return 0;
    n = n < b->size - pos ? n : (size_t)(b->size - pos);
    if (b->page_n == 0) {
        int rc = read_low(b, out, n, pos, e);
        return rc < 0 ? rc : (ssize_t)n;
    }
    for (size_t done = 0; done < n;) {
        uint64_t at = pos + done, number = at / PAGE;
        size_t i = page_at(b, number), off = (size_t)(at % PAGE);
        bool here = i < b->page_n && b->page[i].number == number;
        size_t part = here || i == b->page_n ? PAGE - off
                                             : (size_t)(b->page[i].number * PAGE - at);
        int rc = 0;

        if (!here && i == b->page_n)
            part = n - done;
        part = part < n - done ? part : n - done;
        if (here)
            memcpy(out + done, b->page[i].bytes + off, part);
        else
            rc = read_low(b, out + done, part, at, e);
        if (rc < 0)
            return rc;
        done += part;
    }
    return (ssize_t)n;
}

/* The page to write to: as it is now, at first. */
static int
page_get(struct body *b, uint64_t number, uint8_t **out, struct vrv_err *e)
{
    size_t i = page_at(b, number);

    if (i == b->page_n || b->page[i].number != number) {
        uint8_t *bytes = vrv_mem_zero(PAGE);
        int rc = read_low(b, bytes, PAGE, number * PAGE, e);

        if (rc < 0) {
            free(bytes);
            return rc;
        }
        VRV_PUSH_ROOM(b->page, b->page_n, b->page_cap);
        memmove(b->page + i + 1, b->page + i, (b->page_n - i) * sizeof(*b->page));
        b->page[i] = (struct page){ number, bytes };
        b->page_n++;
    }
    *out = b->page[i].bytes;
    return 0;
}

static int
body_write(struct body *b, const uint8_t *p, size_t n, uint64_t pos, struct vrv_err *e)
{
    overlay_keep(b);
    while (n > 0) {
        size_t off = (size_t)(pos % PAGE), part = PAGE - off < n ? PAGE - off : n;
        uint8_t *page;
        int rc = page_get(b, pos / PAGE, &page, e);

        if (rc < 0)
            return rc;
        memcpy(page + off, p, part);
        p += part;
        pos += part;
        n -= part;
        b->size = pos > b->size ? pos : b->size;
    }
    return 0;
}

static int
body_truncate(struct body *b, uint64_t size, struct vrv_err *e)
{
    uint8_t *page;
    int rc = 0;

    overlay_keep(b);
    if (size < b->size) {
        b->low_end = size < b->low_end ? size : b->low_end;
        while (b->page_n > 0 && b->page[b->page_n - 1].number * PAGE >= size)
            free(b->page[--b->page_n].bytes);
        size_t i = page_at(b, size / PAGE);
        if (i < b->page_n && b->page[i].number == size / PAGE) {
            rc = page_get(b, size / PAGE, &page, e);
            if (rc == 0)
                memset(page + size % PAGE, 0, PAGE - size % PAGE);
        }
    }
    b->size = size;
    return rc;
}

/* ---- open files ---- */

static struct body *
body_of(struct vrv_file *f)
{
    return ((struct handle *)(void *)f)->body; /* its first member */
}

static ssize_t
file_pread(struct vrv_file *f, void *buf, size_t n, uint64_t pos, unsigned flags,
    struct vrv_err *e)
{
    (void)flags; /* here everybody can wait */
    return body_read(body_of(f), buf, n, pos, e);
}

static int
file_pwritev(struct vrv_file *f, const struct iovec *iov, int n, uint64_t pos, struct vrv_err *e)
{
    int rc = 0;

    for (int i = 0; i < n && rc == 0; i++) {
        rc = body_write(body_of(f), iov[i].iov_base, iov[i].iov_len, pos, e);
        pos += iov[i].iov_len;
    }
    return rc;
}

static int
file_sync(struct vrv_file *f, struct vrv_err *e)
{
    (void)f;
    (void)e;
    return 0;
}

static void
file_hint(struct vrv_file *f, uint64_t pos, uint64_t n)
{
    (void)f;
    (void)pos;
    (void)n;
}

static bool
file_resident(struct vrv_file *f, uint64_t pos, uint64_t n)
{
    (void)f;
    (void)pos;
    (void)n;
    return false; /* nobody here minds waiting */
}

static int
file_truncate(struct vrv_file *f, uint64_t size, struct vrv_err *e)
{
    return body_truncate(body_of(f), size, e);
}

static int
file_size(struct vrv_file *f, uint64_t *size, struct vrv_err *e)
{
    (void)e;
    *size = body_of(f)->size;
    return 0;
}

static int
file_set_readonly(struct vrv_file *f, bool readonly, struct vrv_err *e)
{
    (void)f;
    (void)readonly;
    (void)e;
    return 0;
}

static int
file_fd(struct vrv_file *f)
{
    (void)f;
    return -1;
}

static void
file_close(struct vrv_file *f)
{
    struct handle *h = (struct handle *)(void *)f;

    overlay_body_unref(h->body);
    free(h->path);
    free(h);
}

static const struct vrv_file_ops file_ops = {
    .pread = file_pread,
    .pwritev = file_pwritev,
    .sync = file_sync,
    .write_behind = file_hint,
    .drop_cache = file_hint,
    .resident = file_resident,
    .truncate = file_truncate,
    .size = file_size,
    .set_readonly = file_set_readonly,
    .fd = file_fd,
    .close = file_close,
};

struct vrv_file *
overlay_handle_new(struct body *b, const char *path)
{
    struct handle *h = VRV_NEW(struct handle);

    h->file.ops = &file_ops;
    h->path = vrv_mem_strdup(path);
    h->file.path = h->path;
    h->body = b;
    return &h->file;
}

/* Runs a fuzz target on files, without a fuzzer: each argument is a file, or a directory of them. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { INPUT_MAX = 64 << 20 };

static int
fail(const char *path)
{
    (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
}

/* The target gets a heap block of exactly the input's size, so that ASan sees a step past it. */
static int
run_file(const char *path, const struct stat *st)
{
    FILE *f = fopen(path, "rb");
    size_t n = (size_t)st->st_size;

    if (f == NULL)
        return fail(path);
    if (n > INPUT_MAX) {
        (void)fclose(f);
        errno = EFBIG;
        return fail(path);
    }
    uint8_t *p = malloc(n ? n : 1);
    if (p == NULL || fread(p, 1, n, f) != n) {
        free(p);
        (void)fclose(f);
        return fail(path);
    }
    (void)fclose(f);
    /* said before, so that a crash names its input */
    (void)printf("# %s\n", path);
    (void)fflush(stdout);
    (void)LLVMFuzzerTestOneInput(p, n);
    free(p);
    return 1;
}

static int
run_dir(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *ent;
    int n = 0;

    if (d == NULL)
        return fail(path);
    while (n >= 0 && (ent = readdir(d)) != NULL) {
        char sub[4096];
        struct stat st;

        if (ent->d_name[0] == '.')
            continue;
        if (snprintf(sub, sizeof(sub), "%s/%s", path, ent->d_name) >= (int)sizeof(sub)) {
            errno = ENAMETOOLONG;
            n = fail(path);
        } else if (stat(sub, &st) != 0) {
            n = fail(sub);
        } else if (S_ISREG(st.st_mode)) {
            n = run_file(sub, &st) < 0 ? -1 : n + 1;
        }
    }
    (void)closedir(d);
    return n;
}

int
main(int argc, char **argv)
{
    int all = 0;

    for (int i = 1; i < argc; i++) {
        struct stat st;
        int n;

        if (stat(argv[i], &st) != 0)
            n = fail(argv[i]);
        else
            n = S_ISDIR(st.st_mode) ? run_dir(argv[i]) : run_file(argv[i], &st);
        if (n < 0)
            return 1;
        all += n;
    }
    (void)printf("# %d inputs\n", all);
    return all == 0; /* nothing replayed is a mistake */
}

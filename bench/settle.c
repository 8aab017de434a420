/* Fill free memory with clean page cache.  A virtual machine may give free memory back to its host,
 * and getting it again costs a second of CPU per GB, in whoever touches it first.  A
 * server that has run for a while has no free memory: the page cache has it.  So should a
 * benchmark; else it measures how long the machine was idle before. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"

enum { STEP = 8 << 20, FREE_KB = 512 << 10 };

static long
free_kb(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    char line[128];
    long kb = -1;

    while (f != NULL && kb < 0 && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, "MemFree:", 8) == 0)
            kb = strtol(line + 8, NULL, 10);
    if (f != NULL)
        (void)fclose(f);
    if (kb < 0)
        die("/proc/meminfo says nothing of MemFree");
    return kb;
}

/* Holes of a file need no disk, but memory when they are read. */
void
run_settle(const struct opts *o)
{
    char path[4096], *buf = aligned(STEP);
    off_t at = (off_t)(now_ns() % 1000) << 30;

    (void)snprintf(path, sizeof(path), "%s.ballast", o->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || ftruncate(fd, (off_t)2 << 40) < 0)
        die("%s: %s", path, strerror(errno));
    double cpu = cpu_thread();
    size_t read_bytes = 0, room = (size_t)free_kb() * 1024;
    /* The kernel may keep more free than that, however much is read. */
    for (; free_kb() > FREE_KB && read_bytes < room; at += STEP) {
        if (pread(fd, buf, STEP, at) != STEP)
            die("read %s: %s", path, strerror(errno));
        read_bytes += STEP;
    }
    out(o, "filled", (double)read_bytes / 1e9, "GB");
    out(o, "cpu", cpu_thread() - cpu, "s");
    (void)close(fd);
    free(buf);
}

/* The paths of the HTTP port before there is a server, and when there is none any more. */
#include "server/main/admin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/diag.h"
#include "server/config/config.h"
#include "server/config/input.h"
#include "t/lib/tap.h"

static int port;

/* Where it listens is told in a message. */
static void
on_line(void *ctx, const char *line, size_t n)
{
    const char *at = memmem(line, n, "admin.listen address=127.0.0.1:", 31);

    (void)ctx;
    if (at != NULL)
        port = (int)strtol(at + 31, NULL, 10);
}

static struct vrv_config_input in;

static struct vrv_config *
config_with(const char *arg)
{
    vrv_config_input_init(&in, NULL, NULL);
    vrv_config_input_arg(&in, arg);
    return vrv_config_input_done(&in);
}

static const char *
get(const char *path)
{
    static char all[65536];
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t n = 0;
    char request[100];

    int k = snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path);
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
        send(fd, request, (size_t)k, MSG_NOSIGNAL) != k)
        abort();
    for (ssize_t got = 1; got > 0; n += got > 0 ? (size_t)got : 0)
        got = recv(fd, all + n, sizeof(all) - 1 - n, 0);
    all[n] = '\0';
    (void)close(fd);
    return all;
}

static bool
says(const char *path, const char *status, const char *text)
{
    const char *all = get(path);

    return strncmp(all + strlen("HTTP/1.1 "), status, 3) == 0 && strstr(all, text) != NULL;
}

int
main(void)
{
    struct vrv_admin *a;
    struct vrv_err e = { 0 };
    struct vrv_config *c = config_with("admin.listeners=127.0.0.1:0");

    vrv_diag_to(on_line, NULL, NULL);
    if (!OK(vrv_admin_start(&a, c, &e) == 0 && port > 0, "it starts, and says where: %s", e.msg))
        return tap_done();
    OK(says("/healthz", "200", "\r\n\r\nalive\n"), "it is alive from then on");
    OK(says("/readyz", "503", "\r\n\r\nstarting: "), "but not ready, and says why");
    OK(says("/metrics", "200", "\nvarve_ready 0\n"), "there are metrics,");
    OK(says("/metrics", "200", "\nvarve_build_info{version=\""), "of the program,");
    OK(strstr(get("/metrics"), "kafka_") == NULL, "but none of what isn't there");
    OK(says("/", "404", "Not Found"), "there is nothing else");
    OK(says("/metrics/", "404", "Not Found"), "a path is that path");
    vrv_admin_phase(a, VRV_PHASE_STOPPING, NULL);
    OK(says("/readyz", "503", "\r\n\r\nstopping: "), "while all is closed it says that");
    OK(says("/healthz", "200", "\r\n\r\nalive\n"), "and is alive");
    vrv_admin_stop(&a);
    OK(a == NULL, "then it is gone");
    vrv_admin_phase(a, VRV_PHASE_DRAINING, NULL);
    vrv_config_unref(&c);
    vrv_config_input_fini(&in);
    c = config_with("admin.listeners=");
    OK(vrv_admin_start(&a, c, &e) == 0, "without addresses it listens nowhere");
    vrv_admin_stop(&a);
    vrv_config_unref(&c);
    vrv_config_input_fini(&in);
    return tap_done();
}

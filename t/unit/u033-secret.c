/* Secrets by reference: what is read, what is none, and that no sentence has one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/os/secret.h"
#include "t/lib/tap.h"

static char path[512], ref[600], got[VRV_SECRET_MAX];
static struct vrv_err e;

static void
write_file(const char *text)
{
    FILE *f = fopen(path, "we");

    tap_need(f != NULL ? 0 : -1, path);
    (void)fputs(text, f);
    (void)fclose(f);
}

static int
read_ref(const char *of)
{
    return vrv_secret_read("the.setting", of, got, &e);
}

/* As long as told. */
static char *
long_text(size_t n)
{
    static char text[2 * VRV_SECRET_MAX];

    memset(text, 'x', n);
    text[n] = '\0';
    return text;
}

static void
test_refs(void)
{
    static const char *const refs[] = { "file:/a", "env:A" };
    static const char *const none[] = { "", "file:", "env:", "swordfish", "File:/a", " file:/a" };

    for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++)
        OK(vrv_secret_is_ref(refs[i]), "\"%s\" is a reference", refs[i]);
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        OK(!vrv_secret_is_ref(none[i]), "\"%s\" is none", none[i]);
    IS(read_ref("swordfish"), VRV_E_DENIED, "what is none may be the secret");
    IS_STR(e.msg, "the.setting is neither file:PATH nor env:NAME", "... and isn't told");
}

static void
test_file(void)
{
    IS(read_ref(ref), VRV_E_DENIED, "a file that isn't there");
    OK(strstr(e.msg, "the.setting: open ") == e.msg && strstr(e.msg, path) != NULL, "... %s", e.msg);
    write_file("\nswordfish\n");
    IS(read_ref(ref), VRV_E_DENIED, "one whose first line is empty");
    OK(strstr(e.msg, "nothing in its first line") != NULL && strstr(e.msg, "swordfish") == NULL, "... %s", e.msg);
    write_file("sword fish\r\nx\n");
    IS(read_ref(ref), 0, "one that has it");
    IS_STR(got, "sword fish", "... in its first line");
    write_file("other");
    IS(read_ref(ref), 0, "another one there");
    IS_STR(got, "other", "... is read at once");
    write_file(long_text(VRV_SECRET_MAX - 1));
    IS(read_ref(ref), VRV_E_DENIED, "more than any is, isn't cut");
    OK(strstr(e.msg, "xxx") == NULL, "... %s", e.msg);
    write_file(long_text(VRV_SECRET_MAX - 2));
    IS(read_ref(ref), 0, "as much as may be");
    IS(strlen(got), (size_t)VRV_SECRET_MAX - 2, "... is whole");
}

static void
test_env(void)
{
    (void)unsetenv("VARVE_T_SECRET");
    IS(read_ref("env:VARVE_T_SECRET"), VRV_E_DENIED, "a variable that isn't there");
    IS_STR(e.msg, "the.setting: there is no VARVE_T_SECRET in the environment", "... by its name");
    (void)setenv("VARVE_T_SECRET", "swordfish", 1);
    IS(read_ref("env:VARVE_T_SECRET"), 0, "one that is");
    IS_STR(got, "swordfish", "... has it");
    (void)setenv("VARVE_T_SECRET", long_text(VRV_SECRET_MAX - 1), 1);
    IS(read_ref("env:VARVE_T_SECRET"), VRV_E_DENIED, "more than any is");
    OK(strstr(e.msg, "xxx") == NULL, "... %s", e.msg);
}

int
main(void)
{
    (void)snprintf(path, sizeof(path), "%s/secret", tap_dir());
    (void)snprintf(ref, sizeof(ref), "file:%s", path);
    test_refs();
    test_file();
    test_env();
    return tap_done();
}

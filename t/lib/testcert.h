/* Certificates for tests: each signs itself, so that it is its own CA. */
#ifndef VRV_T_TESTCERT_H
#define VRV_T_TESTCERT_H

/* dir/name.crt and dir/name.key, good for `alt` ("IP:127.0.0.1"), from a week ago until so many
 * days from now (-1: until yesterday).  Bails out if it can't. */
void testcert_make(const char *dir, const char *name, const char *alt, int days);

#endif

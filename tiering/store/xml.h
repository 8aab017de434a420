/*
 * What stores answer in XML, read by libxml2: nothing is fetched for it, nothing in it is expanded,
 * and an answer that declares entities is none.  Its size its reader has bounded, its depth libxml2
 * does.
 */
#ifndef VRV_STORE_XML_H
#define VRV_STORE_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

struct vrv_xml;      /* a document */
struct vrv_xml_node; /* an element of one, there as long as it is */

/* Errors: CORRUPT. */
int vrv_xml_parse(
    struct vrv_xml **out, const char *text, size_t n, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_xml_free(struct vrv_xml **x);

/* The outermost element if it has this name, whatever its namespace; else NULL. */
const struct vrv_xml_node *vrv_xml_root(const struct vrv_xml *x, const char *name);
/* The first element of this name in another one, and the next beside it; NULL: there is none. */
const struct vrv_xml_node *vrv_xml_child(const struct vrv_xml_node *in, const char *name);
const struct vrv_xml_node *vrv_xml_next(const struct vrv_xml_node *after, const char *name);
/* The text of the first element of this name; false, and "", when there is none or it doesn't
 * fit. */
bool vrv_xml_text(const struct vrv_xml_node *in, const char *name, char *out, size_t n);

/* The same for people: as much of it as fits. */
void vrv_xml_words(const struct vrv_xml_node *in, const char *name, char *out, size_t n);

/* A text with all that means something in XML as entities; it must fit. */
void vrv_xml_escape(char *out, size_t n, const char *s);

#endif

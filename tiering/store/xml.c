#include "tiering/store/xml.h"

#include <libxml/parser.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/assert.h"

/* A document and its elements are libxml2's own; nobody else sees them. */

static pthread_once_t begun = PTHREAD_ONCE_INIT;

int
vrv_xml_parse(struct vrv_xml **out, const char *text, size_t n, struct vrv_err *e)
{
    xmlDoc *doc = NULL;

    *out = NULL;
    (void)pthread_once(&begun, xmlInitParser);
    if (n > 0 && n <= INT_MAX)
        doc = xmlReadMemory(text, (int)n, NULL, NULL,
            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (doc == NULL || doc->intSubset != NULL || xmlDocGetRootElement(doc) == NULL) {
        xmlFreeDoc(doc);
        return vrv_err_set(e, VRV_E_CORRUPT, "an answer of %zu bytes isn't XML", n);
    }
    *out = (struct vrv_xml *)doc;
    return 0;
}

void
vrv_xml_free(struct vrv_xml **x)
{
    xmlFreeDoc((xmlDoc *)*x);
    *x = NULL;
}

/* From here on along the siblings. */
static const struct vrv_xml_node *
named(const xmlNode *node, const char *name)
{
    while (node != NULL &&
           (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, name) != 0))
        node = node->next;
    return (const struct vrv_xml_node *)node;
}

const struct vrv_xml_node *
vrv_xml_root(const struct vrv_xml *x, const char *name)
{
    const xmlNode *root = xmlDocGetRootElement((const xmlDoc *)x);

    return strcmp((const char *)root->name, name) == 0 ? (const struct vrv_xml_node *)root : NULL;
}

const struct vrv_xml_node *
vrv_xml_child(const struct vrv_xml_node *in, const char *name)
{
    return named(((const xmlNode *)in)->children, name);
}

const struct vrv_xml_node *
vrv_xml_next(const struct vrv_xml_node *after, const char *name)
{
    return named(((const xmlNode *)after)->next, name);
}

bool
vrv_xml_text(const struct vrv_xml_node *in, const char *name, char *out, size_t n)
{
    const xmlNode *node = (const xmlNode *)vrv_xml_child(in, name);
    xmlChar *text = node != NULL ? xmlNodeGetContent(node) : NULL;
    bool fits = text != NULL && strlen((const char *)text) < n;

    (void)snprintf(out, n, "%s", fits ? (const char *)text : "");
    xmlFree(text);
    return fits;
}

void
vrv_xml_words(const struct vrv_xml_node *in, const char *name, char *out, size_t n)
{
    const xmlNode *node = (const xmlNode *)vrv_xml_child(in, name);
    xmlChar *text = node != NULL ? xmlNodeGetContent(node) : NULL;
    size_t len = text != NULL ? strlen((const char *)text) : 0, most = n - sizeof("...");
    bool cut = len >= n;

    (void)snprintf(out, n, "%.*s%s", (int)(cut ? most : len), text != NULL ? (const char *)text : "",
        cut ? "..." : "");
    xmlFree(text);
}

void
vrv_xml_escape(char *out, size_t n, const char *s)
{
    VRV_ASSERT(n > 6 * strlen(s));
    for (; *s != '\0'; s++) {
        if (strchr("&<>\"'", *s) != NULL)
            out += snprintf(out, 7, "&#%d;", *s);
        else
            *out++ = *s;
    }
    *out = '\0';
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XML that comes in pieces: tags, attributes and text out by callbacks, well-formedness checked.
 *
 * For what XAPI writes (ova.xml, the pool database): no DOCTYPE, no name spaces. Memory is fixed:
 * what is longer than a MAX is refused, attribute values excepted, of which the beginning is given.
 * Callbacks give 0, or -1 with the error set to stop.
 * Source: XML 1.0, productions 1-43 and 66-68.
 */
#ifndef ONYX_COMMON_FORMAT_XML_H
#define ONYX_COMMON_FORMAT_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct xml;

#define XML_NAME_MAX  128  /* bytes of a tag's or an attribute's name */
#define XML_VALUE_MAX 4096 /* bytes of an attribute's value that are kept */
#define XML_DEPTH_MAX 64

/* Any may be NULL. */
struct xml_events {
    int (*open)(void *context, const char *name, struct error *err);
    int (*attribute)(void *context, const char *name, const char *value, struct error *err);
    int (*text)(void *context, const char *bytes, size_t n, struct error *err); /* in pieces */
    int (*close)(void *context, const char *name, struct error *err);
};

struct xml *xml_new(const struct xml_events *events, void *context);
void xml_free(struct xml *xml);
#define CLEAN_XML CLEANUP(xml_clean)
void xml_clean(struct xml **xml);

/* ERROR_CORRUPT with the offset, or what a callback says. Not used after an error. */
int xml_feed(struct xml *xml, const char *bytes, size_t n, struct error *err);

/* For callbacks of open and close. Offset of the '<' of the tag that is told of; of a <name/> that
 * closes itself the same for both. */
uint64_t xml_tag_at(const struct xml *xml);
/* In close: the offset behind the tag's '>'. */
uint64_t xml_at(const struct xml *xml);

/* 0 if the one root element was closed; ERROR_SHORT otherwise. */
int xml_finish(const struct xml *xml, struct error *err);

#endif

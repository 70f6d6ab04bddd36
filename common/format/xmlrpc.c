/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Containers are counted and the member's name is kept for each level. A value is a scalar when it
 * closes before anything inside it was a container.
 */
#include "common/format/xmlrpc.h"

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/xml.h"

#include "common/base/poison.h"

struct level {
    bool is_struct;
    char name[XMLRPC_NAME_MAX];
    uint64_t member_at;
};

struct xmlrpc {
    const struct xmlrpc_events *events;
    void *context;
    struct xml *xml;
    struct level levels[XMLRPC_DEPTH_MAX];
    size_t depth;
    bool is_leaf;   /* the innermost value holds no container so far */
    bool is_frozen; /* <string>x</string> is complete, what follows is white space */
    uint64_t value_at;
    struct str text;
};

static int on_open(void *context, const char *name, struct error *err)
{
    struct xmlrpc *xmlrpc = context;
    bool is_struct = str_equal(name, "struct");

    str_clear(&xmlrpc->text);
    xmlrpc->is_frozen = false;
    if (str_equal(name, "value")) {
        xmlrpc->is_leaf = true;
        xmlrpc->value_at = xml_tag_at(xmlrpc->xml);
    }
    if (str_equal(name, "member") && xmlrpc->depth)
        xmlrpc->levels[xmlrpc->depth - 1].member_at = xml_tag_at(xmlrpc->xml);
    if (!is_struct && !str_equal(name, "array"))
        return 0;
    if (xmlrpc->depth == XMLRPC_DEPTH_MAX)
        return error_set(err, ERROR_CORRUPT, "values nested too deep");
    xmlrpc->levels[xmlrpc->depth++] = (struct level){.is_struct = is_struct};
    xmlrpc->is_leaf = false;
    return 0;
}

static int on_text(void *context, const char *bytes, size_t n, struct error *err)
{
    struct xmlrpc *xmlrpc = context;
    size_t room = XMLRPC_TEXT_MAX - xmlrpc->text.len;

    (void)err;
    if (!xmlrpc->is_frozen)
        str_add_n(&xmlrpc->text, bytes, n < room ? n : room);
    return 0;
}

static int end_value(struct xmlrpc *xmlrpc, struct error *err)
{
    bool is_scalar = xmlrpc->is_leaf && xmlrpc->events->scalar;
    struct xmlrpc_span span = {xmlrpc->value_at, xml_at(xmlrpc->xml)};

    xmlrpc->is_leaf = false;
    if (!is_scalar)
        return 0;
    return xmlrpc->events->scalar(xmlrpc->context, xmlrpc, &xmlrpc->text, span, err);
}

static int end_member(struct xmlrpc *xmlrpc, struct error *err)
{
    if (!xmlrpc->depth || !xmlrpc->events->member)
        return 0;
    struct xmlrpc_span span = {xmlrpc->levels[xmlrpc->depth - 1].member_at, xml_at(xmlrpc->xml)};
    return xmlrpc->events->member(xmlrpc->context, xmlrpc, span, err);
}

static int on_close(void *context, const char *name, struct error *err)
{
    struct xmlrpc *xmlrpc = context;
    bool is_struct = str_equal(name, "struct");

    if (str_equal(name, "name")) {
        if (xmlrpc->depth)
            (void)str_copy(xmlrpc->levels[xmlrpc->depth - 1].name, XMLRPC_NAME_MAX,
                           str_text(&xmlrpc->text));
        return 0;
    }
    if (str_equal(name, "value"))
        return end_value(xmlrpc, err);
    if (str_equal(name, "member"))
        return end_member(xmlrpc, err);
    if (is_struct || str_equal(name, "array")) {
        xmlrpc->depth--;
        return xmlrpc->events->end ? xmlrpc->events->end(xmlrpc->context, xmlrpc, is_struct, err)
                                   : 0;
    }
    xmlrpc->is_frozen = true;
    return 0;
}

struct xmlrpc *xmlrpc_new(const struct xmlrpc_events *events, void *context)
{
    static const struct xml_events xml_events = {
        .open = on_open, .text = on_text, .close = on_close};
    struct xmlrpc *xmlrpc = mem_zero(1, sizeof *xmlrpc);

    xmlrpc->events = events;
    xmlrpc->context = context;
    xmlrpc->xml = xml_new(&xml_events, xmlrpc);
    return xmlrpc;
}

void xmlrpc_free(struct xmlrpc *xmlrpc)
{
    if (!xmlrpc)
        return;
    xml_free(xmlrpc->xml);
    str_done(&xmlrpc->text);
    mem_free_void(&xmlrpc);
}

int xmlrpc_feed(struct xmlrpc *xmlrpc, const void *bytes, size_t n, struct error *err)
{
    return xml_feed(xmlrpc->xml, bytes, n, err);
}

int xmlrpc_finish(const struct xmlrpc *xmlrpc, struct error *err)
{
    return xml_finish(xmlrpc->xml, err);
}

size_t xmlrpc_depth(const struct xmlrpc *xmlrpc)
{
    return xmlrpc->depth;
}

bool xmlrpc_is_struct(const struct xmlrpc *xmlrpc, size_t level)
{
    return level < xmlrpc->depth && xmlrpc->levels[level].is_struct;
}

const char *xmlrpc_name(const struct xmlrpc *xmlrpc, size_t level)
{
    return level < xmlrpc->depth ? xmlrpc->levels[level].name : "";
}

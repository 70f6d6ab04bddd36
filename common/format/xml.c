/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One byte, one step of a state machine; text runs are found with memchr-like scans and given as
 * they lie in the caller's bytes.
 */
#include "common/format/xml.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define ENTITY_MAX 12 /* "&#x10FFFF;" without & and ; */

enum state {
    IN_TEXT,
    BEHIND_LESS,      /* < */
    IN_PI,            /* <? ... ?> */
    BEHIND_BANG,      /* <!, collecting -- or [CDATA[ in name */
    IN_COMMENT,       /* until --> */
    IN_CDATA,         /* until ]]> */
    IN_OPEN_NAME,     /* <name */
    IN_TAG,           /* between attributes */
    IN_ATTRIBUTE,     /* name */
    BEHIND_ATTRIBUTE, /* = expected */
    BEHIND_EQUALS,    /* quote expected */
    IN_VALUE,         /* "value */
    BEHIND_VALUE,     /* blank, / or > expected */
    BEHIND_SLASH,     /* > expected, of <name/> */
    IN_CLOSE_NAME,    /* </name */
    BEHIND_CLOSE_NAME /* > expected */
};

struct xml {
    const struct xml_events *events;
    void *context;
    enum state state;
    uint64_t at;
    uint64_t tag_at; /* of the last '<' in text */
    bool has_root, in_entity;
    char quote;
    unsigned matched; /* how much of ?>, --> or ]]> was seen */
    size_t depth;
    char open[XML_DEPTH_MAX][XML_NAME_MAX];
    char name[XML_NAME_MAX]; /* of the tag or attribute being read */
    size_t name_n;
    char entity[ENTITY_MAX];
    size_t entity_n;
    char value[XML_VALUE_MAX];
    size_t value_n;
};

struct xml *xml_new(const struct xml_events *events, void *context)
{
    struct xml *xml = mem_zero(1, sizeof *xml);

    xml->events = events;
    xml->context = context;
    xml->state = IN_TEXT;
    return xml;
}

void xml_free(struct xml *xml)
{
    mem_free_void(&xml);
}

void xml_clean(struct xml **xml)
{
    mem_free_void(xml);
}

static int bad(const struct xml *xml, const char *what, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, "xml: %s at byte %" PRIu64, what, xml->at);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name_byte(char c)
{
    unsigned char u = (unsigned char)c;

    return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u == '_' ||
           u == ':' || u == '-' || u == '.' || u >= 0x80;
}

static int add_name(struct xml *xml, char c, struct error *err)
{
    if (!is_name_byte(c))
        return bad(xml, "a byte that no name has", err);
    if (xml->name_n == 0 && (c == '-' || c == '.' || (c >= '0' && c <= '9')))
        return bad(xml, "a name that begins with no letter", err);
    if (xml->name_n + 1 == XML_NAME_MAX)
        return bad(xml, "a name that is too long", err);
    xml->name[xml->name_n++] = c;
    xml->name[xml->name_n] = '\0';
    return 0;
}

static int give_text(struct xml *xml, const char *bytes, size_t n, struct error *err)
{
    if (xml->depth == 0) {
        for (size_t i = 0; i < n; i++)
            if (!is_blank(bytes[i]))
                return bad(xml, "text outside the root element", err);
        return 0;
    }
    return n && xml->events->text ? xml->events->text(xml->context, bytes, n, err) : 0;
}

static int give_open(struct xml *xml, struct error *err)
{
    if (xml->depth == 0 && xml->has_root)
        return bad(xml, "a second root element", err);
    if (xml->depth == XML_DEPTH_MAX)
        return bad(xml, "elements nested too deep", err);
    memcpy(xml->open[xml->depth], xml->name, xml->name_n + 1);
    xml->depth++;
    xml->has_root = true;
    return xml->events->open ? xml->events->open(xml->context, xml->name, err) : 0;
}

static int give_close(struct xml *xml, const char *name, struct error *err)
{
    if (xml->depth == 0 || !str_equal(xml->open[xml->depth - 1], name))
        return bad(xml, "a closing tag that closes nothing", err);
    xml->depth--;
    return xml->events->close ? xml->events->close(xml->context, name, err) : 0;
}

static int give_attribute(struct xml *xml, struct error *err)
{
    xml->value[xml->value_n] = '\0';
    if (!xml->events->attribute)
        return 0;
    return xml->events->attribute(xml->context, xml->name, xml->value, err);
}

/* What does not fit is dropped: nobody here needs the whole of a long value. */
static void add_value(struct xml *xml, const char *bytes, size_t n)
{
    size_t room = XML_VALUE_MAX - 1 - xml->value_n;

    memcpy(xml->value + xml->value_n, bytes, n < room ? n : room);
    xml->value_n += n < room ? n : room;
}

static size_t put_utf8(unsigned c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00u >> n) | c);
    return n;
}

/* "#65", "#x41": the character's value, 0 if it is none. */
static unsigned numeric_entity(const char *text)
{
    unsigned base = text[1] == 'x' ? 16 : 10;
    const char *at = text + (base == 16 ? 2 : 1);
    unsigned value = 0;

    if (!*at)
        return 0;
    for (; *at; at++) {
        static const char digits[] = "0123456789abcdef";
        char c = *at >= 'A' && *at <= 'F' ? (char)(*at + 32) : *at;
        const char *digit = memchr(digits, c, base);
        if (!digit || value > 0x110000)
            return 0;
        value = value * base + (unsigned)(digit - digits);
    }
    return value > 0x10ffff || (value >= 0xd800 && value < 0xe000) ? 0 : value;
}

/* The bytes that an entity stands for; 0 if there is none of this name. */
static size_t entity_bytes(const char *name, char out[4])
{
    static const struct {
        const char *name;
        unsigned char c;
    } known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    unsigned value = name[0] == '#' ? numeric_entity(name) : 0;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_equal(name, known[i].name))
            value = known[i].c;
    return value ? put_utf8(value, out) : 0;
}

/* A byte behind "&", in text or in a value. */
static int step_entity(struct xml *xml, char c, struct error *err)
{
    char bytes[4];

    if (c != ';') {
        bool is_possible = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || (c == '#' && !xml->entity_n);
        if (!is_possible || xml->entity_n + 1 == ENTITY_MAX)
            return bad(xml, "an '&' that begins no entity", err);
        xml->entity[xml->entity_n++] = c;
        return 0;
    }
    xml->entity[xml->entity_n] = '\0';
    size_t n = entity_bytes(xml->entity, bytes);
    if (!n)
        return bad(xml, "an unknown entity", err);
    xml->in_entity = false;
    if (xml->state == IN_VALUE) {
        add_value(xml, bytes, n);
        return 0;
    }
    if (xml->depth == 0)
        return bad(xml, "text outside the root element", err);
    return give_text(xml, bytes, n, err);
}

static void begin_entity(struct xml *xml)
{
    xml->in_entity = true;
    xml->entity_n = 0;
}

static int step_behind_less(struct xml *xml, char c, struct error *err)
{
    xml->name_n = 0;
    xml->name[0] = '\0';
    xml->matched = 0;
    switch (c) {
    case '?':
        xml->state = IN_PI;
        return 0;
    case '!':
        xml->state = BEHIND_BANG;
        return 0;
    case '/':
        xml->state = IN_CLOSE_NAME;
        return 0;
    default:
        xml->state = IN_OPEN_NAME;
        return add_name(xml, c, err);
    }
}

static int step_behind_bang(struct xml *xml, char c, struct error *err)
{
    static const char cdata[] = "[CDATA[";

    xml->name[xml->name_n++] = c;
    if (xml->name_n <= 2 && memcmp(xml->name, "--", xml->name_n) == 0) {
        if (xml->name_n == 2)
            xml->state = IN_COMMENT;
        return 0;
    }
    if (xml->depth && memcmp(xml->name, cdata, xml->name_n) == 0) {
        if (xml->name_n == sizeof cdata - 1)
            xml->state = IN_CDATA;
        return 0;
    }
    return bad(xml, "a declaration that is neither comment nor CDATA", err);
}

/* Whether end ("?>", "-->", "]]>") is complete with this byte. */
static bool step_until(struct xml *xml, char c, const char *end)
{
    size_t n = strlen(end);

    if (c == end[xml->matched]) {
        xml->matched++;
    } else if (n == 3 && xml->matched == 2 && c == end[0]) {
        return false; /* one more - or ]: the last two still match */
    } else {
        xml->matched = c == end[0];
    }
    if (xml->matched < n)
        return false;
    xml->matched = 0;
    xml->state = IN_TEXT;
    return true;
}

static int step_cdata(struct xml *xml, char c, struct error *err)
{
    unsigned before = xml->matched;

    if (step_until(xml, c, "]]>"))
        return 0;
    /* Brackets that turned out not to end the section are text. */
    if (xml->matched == 2 && before == 2)
        return give_text(xml, "]", 1, err);
    if (xml->matched > before)
        return 0;
    if (before && give_text(xml, "]]", before - xml->matched, err))
        return -1;
    return xml->matched ? 0 : give_text(xml, &c, 1, err);
}

/* Behind a tag's name or between attributes. */
static int step_in_tag(struct xml *xml, char c, struct error *err)
{
    if (is_blank(c)) {
        xml->state = IN_TAG;
        return 0;
    }
    if (c == '>') {
        xml->state = IN_TEXT;
        return 0;
    }
    if (c == '/') {
        xml->state = BEHIND_SLASH;
        return 0;
    }
    if (xml->state == BEHIND_VALUE)
        return bad(xml, "no blank between attributes", err);
    xml->state = IN_ATTRIBUTE;
    xml->name_n = 0;
    return add_name(xml, c, err);
}

static int step_open_name(struct xml *xml, char c, struct error *err)
{
    if (is_name_byte(c))
        return add_name(xml, c, err);
    if (give_open(xml, err))
        return -1;
    if (!is_blank(c) && c != '>' && c != '/')
        return bad(xml, "a byte that no name has", err);
    return step_in_tag(xml, c, err);
}

static int step_attribute(struct xml *xml, char c, struct error *err)
{
    if (xml->state == BEHIND_EQUALS) {
        if (is_blank(c))
            return 0;
        if (c != '"' && c != '\'')
            return bad(xml, "an attribute's value without quotes", err);
        xml->quote = c;
        xml->value_n = 0;
        xml->state = IN_VALUE;
        return 0;
    }
    if (c == '=') {
        xml->state = BEHIND_EQUALS;
        return 0;
    }
    if (is_blank(c)) {
        xml->state = BEHIND_ATTRIBUTE;
        return 0;
    }
    if (xml->state == BEHIND_ATTRIBUTE)
        return bad(xml, "an attribute without a value", err);
    return add_name(xml, c, err);
}

static int step_close_name(struct xml *xml, char c, struct error *err)
{
    if (xml->state == IN_CLOSE_NAME && is_name_byte(c))
        return add_name(xml, c, err);
    if (is_blank(c)) {
        xml->state = BEHIND_CLOSE_NAME;
        return 0;
    }
    if (c != '>')
        return bad(xml, "a closing tag without its end", err);
    xml->state = IN_TEXT;
    return give_close(xml, xml->name, err);
}

static int step(struct xml *xml, char c, struct error *err)
{
    switch (xml->state) {
    case BEHIND_LESS:
        return step_behind_less(xml, c, err);
    case IN_PI:
        step_until(xml, c, "?>");
        return 0;
    case BEHIND_BANG:
        return step_behind_bang(xml, c, err);
    case IN_COMMENT:
        step_until(xml, c, "-->");
        return 0;
    case IN_CDATA:
        return step_cdata(xml, c, err);
    case IN_OPEN_NAME:
        return step_open_name(xml, c, err);
    case IN_TAG:
    case BEHIND_VALUE:
        return step_in_tag(xml, c, err);
    case IN_ATTRIBUTE:
    case BEHIND_ATTRIBUTE:
    case BEHIND_EQUALS:
        return step_attribute(xml, c, err);
    case BEHIND_SLASH:
        if (c != '>')
            return bad(xml, "a '/' inside a tag", err);
        xml->state = IN_TEXT;
        return give_close(xml, xml->open[xml->depth - 1], err);
    case IN_CLOSE_NAME:
    case BEHIND_CLOSE_NAME:
        return step_close_name(xml, c, err);
    case IN_TEXT:
    case IN_VALUE:
        break;
    }
    return bad(xml, "an impossible state", err);
}

/* Plain bytes at the front of text or of a value. */
static size_t count_plain(const struct xml *xml, const char *bytes, size_t n)
{
    char stop = xml->state == IN_VALUE ? xml->quote : '<';
    size_t i = 0;

    while (i < n && bytes[i] != stop && bytes[i] != '&' && bytes[i] != '<')
        i++;
    return i;
}

/* Text or a value up to the next byte that means something; gives how many bytes were used. */
static int feed_plain(struct xml *xml, const char *bytes, size_t n, size_t *ret_used,
                      struct error *err)
{
    size_t plain = count_plain(xml, bytes, n);

    *ret_used = plain ? plain : 1;
    if (plain) {
        if (xml->state == IN_TEXT)
            return give_text(xml, bytes, plain, err);
        add_value(xml, bytes, plain);
        return 0;
    }
    if (bytes[0] == '&') {
        begin_entity(xml);
    } else if (xml->state == IN_TEXT) {
        xml->state = BEHIND_LESS;
        xml->tag_at = xml->at;
    } else if (bytes[0] == '<') {
        return bad(xml, "a '<' inside a value", err);
    } else {
        xml->state = BEHIND_VALUE;
        return give_attribute(xml, err);
    }
    return 0;
}

int xml_feed(struct xml *xml, const char *bytes, size_t n, struct error *err)
{
    while (n) {
        size_t used = 1;
        int rc;
        if (xml->in_entity)
            rc = step_entity(xml, bytes[0], err);
        else if (xml->state == IN_TEXT || xml->state == IN_VALUE)
            rc = feed_plain(xml, bytes, n, &used, err);
        else
            rc = step(xml, bytes[0], err);
        if (rc)
            return -1;
        xml->at += used;
        bytes += used;
        n -= used;
    }
    return 0;
}

uint64_t xml_tag_at(const struct xml *xml)
{
    return xml->tag_at;
}

uint64_t xml_at(const struct xml *xml)
{
    return xml->at + 1;
}

int xml_finish(const struct xml *xml, struct error *err)
{
    if (xml->has_root && xml->depth == 0 && xml->state == IN_TEXT && !xml->in_entity)
        return 0;
    if (!xml->has_root)
        return error_set(err, ERROR_SHORT, "xml: there is no element");
    return error_set(err, ERROR_SHORT, "xml: stops at byte %" PRIu64 " inside <%s>", xml->at,
                     xml->depth ? xml->open[xml->depth - 1] : "");
}

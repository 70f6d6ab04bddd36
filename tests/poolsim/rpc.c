/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a request's body to its answer.
 */
#include "tests/poolsim/rpc.h"

#include <stdlib.h>
#include <string.h>

#include "tests/poolsim/call_log.h"
#include "tests/poolsim/dispatch.h"
#include "tests/poolsim/value.h"

#include "common/base/poison.h"

#define BODY_MAX (300U << 10) /* XAPI's own limit of a call */

/* What the client sent, apart from its encoding. */
struct envelope {
    char *method;
    json_t *params;
    json_t *id; /* JSON only */
    bool is_json;
    bool is_version2;
};

static void envelope_done(struct envelope *envelope)
{
    free(envelope->method);
    json_decref(envelope->params);
    json_decref(envelope->id);
}

/* -1: answered. */
static int read_body(struct connection *connection, const struct request *request, struct str *body)
{
    if (!request->has_length) {
        http_reply_error(connection, request, 500,
                         "Failure(\"We require a content-length: HTTP header\")");
        return -1;
    }
    if (request->content_length > BODY_MAX) {
        http_reply_error(connection, request, 500, "Failure(\"Request body too large\")");
        return -1;
    }
    while (body->len < request->content_length) {
        size_t got;
        size_t left = (size_t)request->content_length - body->len;
        char *room = str_reserve(body, left);
        if (http_read(connection, room, left, &got) || got == 0) {
            http_close(connection, false);
            return -1;
        }
        str_set_len(body, body->len + got);
    }
    return 0;
}

static void add_ocaml_escaped(struct str *out, const char *text)
{
    for (; *text; text++)
        if (*text == '\n')
            str_add(out, "\\n");
        else if (*text == '"' || *text == '\\')
            str_add_format(out, "\\%c", *text);
        else
            str_add_char(out, *text);
}

/* In Yojson's words, as the text of an OCaml exception. */
static char *json_problem(const struct str *body, const json_error_t *problem)
{
    CLEAN_STR struct str token = STR_INIT;
    CLEAN_STR struct str quoted = STR_INIT;
    const char *text = str_text(body);
    size_t blank = strspn(text, " \t\r\n");
    size_t at = problem->position > 0 ? (size_t)problem->position - 1 : 0;

    if (blank == body->len)
        return mem_dup("Yojson__Common.Json_error(\"Blank input data\")");
    if (strstr(problem->text, "end of input") || strstr(problem->text, "premature") ||
        strstr(problem->text, "end of file"))
        return str_format("Yojson__Common.Json_error(\"Line %d, bytes %zu-%zu:\\nUnexpected end "
                          "of input\")",
                          problem->line, body->len - 1, body->len);
    str_add_n(&token, text + at, body->len - at < 33 ? body->len - at : 33);
    add_ocaml_escaped(&quoted, str_text(&token));
    return str_format("Yojson__Common.Json_error(\"Line %d, bytes %zu-%zu:\\nInvalid token "
                      "'%s'\")",
                      problem->line, at, at + token.len + 1, str_text(&quoted));
}

static char *parse_json(const struct str *body, struct envelope *ret_envelope)
{
    json_error_t problem;
    json_t *root =
        json_loadb(str_text(body), body->len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &problem);
    const json_t *version;
    const json_t *method;
    const char *bad = NULL;

    if (!root)
        return json_problem(body, &problem);
    version = json_object_get(root, "jsonrpc");
    method = json_object_get(root, "method");
    ret_envelope->id = json_incref(json_object_get(root, "id"));
    ret_envelope->params = json_incref(json_object_get(root, "params"));
    ret_envelope->is_json = true;
    ret_envelope->is_version2 = version != NULL;
    if (!json_is_object(root))
        bad = "Invalid request body";
    else if (version && (!json_is_string(version) || strcmp(json_string_value(version), "2.0")))
        bad = "Invalid field 'jsonrpc' in request body";
    else if (!json_is_string(method))
        bad = "Invalid field 'method' in request body";
    else if (!json_is_integer(ret_envelope->id) && !json_is_string(ret_envelope->id))
        bad = "Invalid field 'id' in request body";
    else if (!json_is_array(ret_envelope->params) &&
             (!version || (ret_envelope->params && !json_is_null(ret_envelope->params) &&
                           !json_is_object(ret_envelope->params))))
        bad = "Invalid field 'params' in request body";
    if (!bad)
        ret_envelope->method = mem_dup(json_string_value(method));
    json_decref(root);
    return bad ? str_format("Jsonrpc.Malformed_method_request(\"%s\")", bad) : NULL;
}

/* Named or absent parameters as the list that dispatch sees. */
static void settle_params(struct envelope *envelope)
{
    json_t *list;

    if (json_is_array(envelope->params))
        return;
    list = json_array();
    if (json_is_object(envelope->params))
        json_array_append(list, envelope->params);
    json_decref(envelope->params);
    envelope->params = list;
}

static void add_id(struct str *out, const json_t *id)
{
    if (json_is_string(id)) {
        str_add_char(out, '"');
        answer_escape_json(out, json_string_value(id));
        str_add_char(out, '"');
    } else {
        str_add_format(out, "%lld", (long long)json_integer_value(id));
    }
}

static void add_texts(struct str *out, const struct text_list *list, size_t from)
{
    str_add_char(out, '[');
    for (size_t i = from; i < list->n; i++) {
        str_add(out, i > from ? ",\"" : "\"");
        answer_escape_json(out, list->items[i]);
        str_add_char(out, '"');
    }
    str_add_char(out, ']');
}

static void format_json(const struct envelope *envelope, const struct answer *answer,
                        const struct failure *failure, enum error_shape shape, struct str *out)
{
    bool is_failed = failure_is_set(failure);
    bool is_v2 = envelope->is_version2 || shape == SHAPE_EARLY;

    str_add(out, is_v2 ? "{\"jsonrpc\":\"2.0\"," : "{");
    if (is_v2 && !is_failed) {
        str_add(out, "\"result\":");
        str_add_n(out, str_text(&answer->text), answer->text.len);
    } else if (is_v2 && shape == SHAPE_OBJECT) {
        str_add(out, "\"error\":{\"code\":1,\"message\":\"");
        answer_escape_json(out, failure_code(failure));
        str_add(out, "\",\"data\":");
        add_texts(out, &failure->params, 1);
        str_add_char(out, '}');
    } else if (is_v2) {
        str_add(out, "\"error\":");
        add_texts(out, &failure->params, 0);
    } else if (is_failed) {
        str_add(out, "\"result\":null,\"error\":");
        add_texts(out, &failure->params, 0);
    } else {
        str_add(out, "\"result\":");
        str_add_n(out, str_text(&answer->text), answer->text.len);
        str_add(out, ",\"error\":null");
    }
    str_add(out, ",\"id\":");
    if (shape == SHAPE_EARLY)
        str_add_char(out, '0');
    else
        add_id(out, envelope->id);
    str_add_char(out, '}');
}

static void format_xml(const struct envelope *envelope, const struct answer *answer,
                       const struct failure *failure, struct str *out)
{
    str_add(out, "<?xml version=\"1.0\"?><methodResponse><params><param>");
    if (failure_is_set(failure)) {
        str_add(out, "<value><struct><member><name>Status</name><value>Failure</value></member>"
                     "<member><name>ErrorDescription</name><value><array><data>");
        for (size_t i = 0; i < failure->params.n; i++) {
            str_add(out, "<value>");
            answer_escape_xml(out, failure->params.items[i]);
            str_add(out, "</value>");
        }
        str_add(out, "</data></array></value></member></struct></value>");
    } else if (strcmp(envelope->method, "system.listMethods") == 0) {
        str_add_n(out, str_text(&answer->text), answer->text.len);
    } else {
        str_add(out, "<value><struct><member><name>Status</name><value>Success</value></member>"
                     "<member><name>Value</name>");
        str_add_n(out, str_text(&answer->text), answer->text.len);
        str_add(out, "</member></struct></value>");
    }
    str_add(out, "</param></params></methodResponse>");
}

static void answer_envelope(struct connection *connection, struct request *request,
                            struct envelope *envelope)
{
    CLEAN_ANSWER struct answer answer;
    CLEAN_FAILURE struct failure failure = FAILURE_INIT;
    CLEAN_STR struct str out = STR_INIT;
    struct incoming incoming = {.request = request,
                                .method = envelope->method,
                                .params = envelope->params,
                                .answer = &answer,
                                .failure = &failure,
                                .shape = SHAPE_OBJECT};

    bool is_wait = str_starts(envelope->method, "event.");

    answer_init(&answer, envelope->is_json ? ENCODING_JSON : ENCODING_XML);
    if (!is_wait)
        call_log_enter(request->pool);
    dispatch(&incoming);
    if (!is_wait)
        call_log_leave(request->pool);
    if (incoming.drops_connection) {
        http_close(connection, false);
        return;
    }
    if (!request->pool->profile->has_jsonrpc2)
        envelope->is_version2 = false;
    if (envelope->is_json)
        format_json(envelope, &answer, &failure, incoming.shape, &out);
    else
        format_xml(envelope, &answer, &failure, &out);
    http_reply_rpc(connection, request, envelope->is_json ? "application/json" : "text/xml",
                   str_text(&out), out.len);
}

void rpc_handle(struct connection *connection, struct request *request, bool is_json)
{
    CLEAN_STR struct str body = STR_INIT;
    CLEAN_CHAR char *problem = NULL;
    struct envelope envelope = {0};

    if (read_body(connection, request, &body))
        return;
    if (is_json) {
        problem = parse_json(&body, &envelope);
    } else {
        value_parse_xml_call(str_text(&body), body.len, &envelope.method, &envelope.params,
                             &problem);
    }
    if (problem) {
        http_reply_error(connection, request, 500, problem);
    } else {
        settle_params(&envelope);
        answer_envelope(connection, request, &envelope);
    }
    envelope_done(&envelope);
}

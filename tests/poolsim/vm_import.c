/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VM.import: the server itself fetches an XVA from a URL and imports it.
 *
 * Plain HTTP is fetched; a server behind TLS is refused as XAPI refuses one whose certificate no
 * authority of the world has signed, and none that a test makes is. The lock is given up meanwhile.
 * Source: xapi_vm.ml import_inner, open_uri.ml.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "tests/poolsim/import_archive.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

#define REDIRECTS_MAX 5
#define HEAD_MAX      65536
#define SILENCE_S     60

struct address {
    char host[256], port[8];
    const char *path;
    bool is_tls;
};

/* "http://host[:port]/path"; IPv6 in brackets. */
static bool parse_url(const char *url, struct address *ret_address)
{
    struct address address = {.port = "80"};
    const char *rest;
    const char *end;
    size_t n;

    address.is_tls = str_starts(url, "https://");
    if (!address.is_tls && !str_starts(url, "http://"))
        return false;
    if (address.is_tls)
        (void)str_copy(address.port, sizeof address.port, "443");
    rest = url + (address.is_tls ? 8 : 7);
    end = *rest == '[' ? strchr(++rest, ']') : rest + strcspn(rest, ":/?");
    n = end ? (size_t)(end - rest) : 0;
    if (n == 0 || n >= sizeof address.host)
        return false;
    memcpy(address.host, rest, n);
    rest = end + (*end == ']');
    if (*rest == ':') {
        n = strcspn(++rest, "/?");
        if (n == 0 || n >= sizeof address.port)
            return false;
        memset(address.port, 0, sizeof address.port);
        memcpy(address.port, rest, n);
        rest += n;
    }
    address.path = *rest ? rest : "/";
    *ret_address = address;
    return true;
}

static int import_error(struct failure *failure, const char *text)
{
    return failure_set(failure, "IMPORT_ERROR", text, NULL);
}

static int connect_to(const struct address *address)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct timeval silence = {.tv_sec = SILENCE_S};
    struct addrinfo *list = NULL;
    int fd = -1;

    if (getaddrinfo(address->host, address->port, &hints, &list))
        return -1;
    for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen)) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    return fd;
}

/* The status line and the headers, byte by byte: the body stays in the socket. */
static int read_head(int fd, struct str *head, struct failure *failure)
{
    char byte;

    while (!str_ends(str_text(head), "\r\n\r\n")) {
        if (head->len >= HEAD_MAX)
            return import_error(failure, "the header has no end");
        if (read(fd, &byte, 1) != 1)
            return failure_set(failure, "IMPORT_ERROR_PREMATURE_EOF", NULL);
        str_add_char(head, byte);
    }
    return 0;
}

/* The value of "Location:", or NULL. */
static char *find_location(const char *head)
{
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, "location:", 9) != 0)
            continue;
        line += 9;
        line += strspn(line, " \t");
        return mem_dup_n(line, strcspn(line, "\r"));
    }
    return NULL;
}

/* 0 and the body in *ret_fd, or another place to ask in *ret_location. */
static int ask(const struct address *address, int *ret_fd, char **ret_location,
               struct failure *failure)
{
    CLEAN_FD int fd = connect_to(address);
    CLEAN_STR struct str head = STR_INIT;
    CLEAN_CHAR char *request = str_format(
        "GET %s HTTP/1.1\r\nhost: %s:%s\r\nuser-agent: xapi\r\nconnection: close\r\n\r\n",
        address->path, address->host, address->port);
    const char *status;

    if (fd < 0)
        return failure_set(failure, "INTERNAL_ERROR",
                           "Unix.Unix_error(Unix.ECONNREFUSED, \"connect\", \"\")", NULL);
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
        return failure_set(failure, "IMPORT_ERROR_PREMATURE_EOF", NULL);
    if (read_head(fd, &head, failure))
        return -1;
    status = strchr(str_text(&head), ' ');
    if (!str_starts(str_text(&head), "HTTP/1.") || !status)
        return import_error(failure, "Malformed response first line");
    if (str_starts(status, " 200")) {
        *ret_fd = fd;
        fd = -1;
        return 0;
    }
    if (status[1] == '3') {
        *ret_location = find_location(str_text(&head));
        return *ret_location ? 0 : import_error(failure, "Redirect with no new location");
    }
    CLEAN_CHAR char *text = mem_dup_n(status + 1, strcspn(status + 1, "\r"));
    return import_error(failure, text);
}

static int fetch(const char *url, int *ret_fd, struct failure *failure)
{
    CLEAN_CHAR char *at = mem_dup(url);

    for (int n = 0; n <= REDIRECTS_MAX; n++) {
        struct address address;
        char *location = NULL;
        if (!parse_url(at, &address))
            return import_error(failure, "Failure(\"Unsupported URI scheme\")");
        if (address.is_tls)
            return failure_set(failure, "TLS_CONNECTION_FAILED", address.host, address.port, NULL);
        if (ask(&address, ret_fd, &location, failure))
            return -1;
        if (!location)
            return 0;
        free(at);
        at = location;
    }
    return import_error(failure, "Maximum redirect limit reached");
}

static int read_socket(void *context, void *bytes, size_t n, size_t *ret_n)
{
    const int *fd = context;
    ssize_t got = read(*fd, bytes, n);

    if (got < 0)
        return -1;
    *ret_n = (size_t)got;
    return 0;
}

static int import_from(struct call *call, int fd, struct import_archive *archive)
{
    struct handler_context context = {.pool = call->pool, .host = call->host};
    struct error err = ERROR_INIT;
    int failed;

    (void)str_copy(context.task_ref, sizeof context.task_ref, call->task_ref);
    (void)str_copy(archive->import.task_ref, sizeof archive->import.task_ref, call->task_ref);
    archive->context = &context;
    archive->source = (struct source){read_socket, &fd};
    pool_unlock(call->pool);
    failed = import_archive_read(archive, &err);
    pool_lock(call->pool);
    if (!failed)
        return 0;
    if (err.code == ERROR_CANCELLED)
        return failure_set(call->failure, "TASK_CANCELLED", call->task_ref, NULL);
    import_archive_set_failure(archive, &err);
    return failure_set_list(call->failure, failure_params(&archive->failure));
}

/* Snapshots only if there is nothing else, as in the task of a PUT. */
static void answer_vms(struct call *call, const struct text_list *vms)
{
    CLEAN_TEXT_LIST struct text_list plain = TEXT_LIST_INIT;

    for (size_t i = 0; i < vms->n; i++) {
        const struct object *vm = store_find(call->pool, CLASS_VM, vms->items[i]);
        if (vm && !object_bool(vm, F_VM_is_a_snapshot))
            text_list_add(&plain, vms->items[i]);
    }
    answer_texts(call->answer, plain.n ? &plain : vms);
}

static int import(struct call *call)
{
    struct pool *pool = call->pool;
    const struct object *sr = call_object(call, 1, CLASS_SR);
    struct import_archive archive = {.failure = FAILURE_INIT,
                                     .import = {.pool = pool,
                                                .is_restore = call_bool(call, 2),
                                                .is_forced = call_bool(call, 3)}};
    CLEAN_FD int fd = -1;
    CLEAN_CHAR char *ignored = NULL;
    int failed;

    if (!sr)
        return -1;
    if (strcmp(object_text(sr, F_SR_content_type), "iso") == 0)
        return failure_set(call->failure, "SR_OPERATION_NOT_SUPPORTED", object_ref(sr), NULL);
    (void)str_copy(archive.import.sr_ref, sizeof archive.import.sr_ref, object_ref(sr));
    pool_unlock(pool);
    failed = fetch(call_text(call, 0), &fd, call->failure);
    pool_lock(pool);
    if (!failed)
        failed = import_from(call, fd, &archive);
    if (!failed) {
        answer_vms(call, &archive.import.vms);
        ignored = import_finish(&archive.import);
    }
    import_archive_done(&archive);
    return failed;
}

const struct method_row vm_import_methods[] = {
    {"VM.import", import},
    {NULL, NULL},
};

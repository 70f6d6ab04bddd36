/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whatever a client sends, the simulated pool neither crashes nor hangs nor loses an object that
 * it counts: requests over a socket pair into a pool of one host that lives for all runs.
 *
 * "@SESSION", "@VM" and "@VDI" in an input stand for references of the pool (with "~" behind them
 * up to a reference's length, so that a Content-Length stays right). The pool is in its
 * ending state, in which every wait is over at once.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "tests/fuzz/fuzz.h"
#include "tests/poolsim/build.h"
#include "tests/poolsim/http.h"
#include "tests/poolsim/server.h"
#include "tests/poolsim/session.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

#define INPUT_MAX (32u << 10) /* fits into a socket's buffer */

static struct pool *the_pool;
static struct server *the_server;
static char the_folder[] = "/tmp/fuzz-poolsim-XXXXXX";

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static void end_pool(void)
{
    server_free(the_server);
    pool_free(the_pool);
    nftw(the_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void begin_pool(void)
{
    static const char text[] = "{\"login_delay_ms\": 0, \"profile\": \"head\", \"srs\": "
                               "[{\"name\": \"nfs\", \"size_mib\": 64}],"
                               "\"vms\": [{\"name\": \"one\", \"disks\": [{\"size_mib\": 1}]}]}";
    struct error err = ERROR_INIT;
    json_t *file = json_loads(text, 0, NULL);

    FUZZ_MUST(file && mkdtemp(the_folder));
    if (build_pool(file, the_folder, &the_pool, &err) || server_open(the_pool, &the_server, &err)) {
        fprintf(stderr, "%s\n", err.text);
        fuzz_fail("the pool starts");
    }
    json_decref(file);
    the_pool->is_ending = true;
    atexit(end_pool);
}

static const struct object *any_vm(void)
{
    const struct object *vm = store_first(the_pool, CLASS_VM);

    while (vm && (object_bool(vm, F_VM_is_control_domain) || object_bool(vm, F_VM_is_a_template)))
        vm = store_next(the_pool, vm);
    return vm;
}

static void add_replaced(struct str *out, const uint8_t *bytes, size_t n)
{
    struct object *session = store_first(the_pool, CLASS_session);
    const struct object *vm = any_vm();
    const struct object *vdi = store_first(the_pool, CLASS_VDI);
    const struct {
        const char *name;
        const char *ref;
    } names[] = {
        {"@SESSION", object_ref(session ? session : session_make(the_pool->master, "root", "f"))},
        {"@VM", vm ? object_ref(vm) : REF_NULL},
        {"@VDI", vdi ? object_ref(vdi) : REF_NULL}};

    for (size_t at = 0; at < n;) {
        size_t i = 0;
        while (i < 3 && (n - at < strlen(names[i].name) ||
                         memcmp(bytes + at, names[i].name, strlen(names[i].name)) != 0))
            i++;
        if (i < 3) {
            str_add(out, names[i].ref);
            at += strlen(names[i].name);
            while (at < n && bytes[at] == '~')
                at++;
        } else {
            str_add_char(out, (char)bytes[at++]);
        }
    }
}

/* Objects that are counted are there, each once. */
static void check_store(void)
{
    for (int class = 0; class < CLASSES_N; class ++) {
        size_t n = 0;
        for (struct object *object = store_first(the_pool, (enum class_id) class); object;
             object = store_next(the_pool, object)) {
            FUZZ_MUST(store_find(the_pool, (enum class_id) class, object_ref(object)) == object);
            n++;
        }
        FUZZ_MUST(n == store_count(the_pool, (enum class_id) class));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct timeval patience = {.tv_sec = 0, .tv_usec = 200000};
    struct connection *connection;
    CLEAN_STR struct str input = STR_INIT;
    int room = 4 << 20;
    int fds[2];

    if (!the_pool)
        begin_pool();
    if (n > INPUT_MAX)
        return 0;
    pool_lock(the_pool);
    add_replaced(&input, bytes, n);
    pool_unlock(the_pool);
    FUZZ_MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    FUZZ_MUST(write(fds[1], str_text(&input), input.len) == (ssize_t)input.len);
    shutdown(fds[1], SHUT_WR);
    FUZZ_MUST(connection_open(the_pool->hosts[0], TRANSPORT_UNIX, fds[0], NULL, &connection) == 0);
    connection_set_control(connection);
    server_serve(connection, n && bytes[0] == '!');
    connection_free(connection);
    close(fds[1]);
    pool_lock(the_pool);
    while (the_pool->background_n)
        pool_wait_until(the_pool, pool_now_ms() + 1000);
    check_store();
    pool_unlock(the_pool);
    return 0;
}

#define REF_BYTES 46

static void add_padded(struct str *out, const char *text)
{
    for (; *text; text++) {
        size_t n = strspn(text + 1, "SESIONVMD");
        str_add_char(out, *text);
        if (*text != '@')
            continue;
        str_add_n(out, text + 1, n);
        text += n;
        for (size_t i = n + 1; i < REF_BYTES; i++)
            str_add_char(out, '~');
    }
}

static void add_post(struct str *out, const char *path, const char *body)
{
    CLEAN_STR struct str padded = STR_INIT;

    add_padded(&padded, body);
    str_add_format(out, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n%s", path,
                   padded.len, str_text(&padded));
}

static void add_call(struct str *out, const char *method, const char *params)
{
    CLEAN_CHAR char *body = str_format(
        "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":[%s],\"id\":1}", method, params);

    add_post(out, "/jsonrpc", body);
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char *const calls[][2] = {
        {"session.login_with_password", "\"root\",\"x\",\"1.0\",\"fuzz\""},
        {"VM.get_all_records", "\"@SESSION\""},
        {"VM.snapshot", "\"@SESSION\",\"@VM\",\"s\",[]"},
        {"Async.VM.clone", "\"@SESSION\",\"@VM\",\"c\""},
        {"VM.get_all_records_where", "\"@SESSION\",\"field \\\"name__label\\\" = \\\"one\\\"\""},
        {"VM.add_to_other_config", "\"@SESSION\",\"@VM\",\"k\",\"v\""},
        {"VM.set_tags", "\"@SESSION\",\"@VM\",[\"a\",\"b\"]"},
        {"VDI.destroy", "\"@SESSION\",\"@VDI\""},
        {"event.from", "\"@SESSION\",[\"*\"],\"\",1.0"},
        {"event.from",
         "\"@SESSION\",[\"vm/@VM\"],\"00000000000000000001,00000000000000000000\",1.0"},
        {"VDI.create", "\"@SESSION\",{\"name_label\":\"n\",\"SR\":\"x\",\"virtual_size\":\"1024\","
                       "\"type\":\"user\","
                       "\"sharable\":false,\"read_only\":false,\"other_config\":{}}"},
        {"VBD.create",
         "\"@SESSION\",{\"VM\":\"@VM\",\"VDI\":\"@VDI\",\"userdevice\":\"autodetect\","
         "\"bootable\":false,\"mode\":\"RO\",\"type\":\"Disk\",\"empty\":false,\"other_config\":{},"
         "\"qos_algorithm_type\":\"\",\"qos_algorithm_params\":{}}"},
        {"message.get_since", "\"@SESSION\",\"20200101T00:00:00Z\""}};
    static const char *const controls[][2] = {
        {"fault.inject", "{\"method\":\"VM.snapshot\",\"error\":[\"A\",\"b\"],\"count\":2}"},
        {"fault.inject", "{\"action\":\"cut\",\"stream\":\"export\",\"at_byte\":5}"},
        {"guest.write", "{\"vdi\":\"@VDI\",\"offset\":0,\"hex\":\"00ff\"}"},
        {"object.set",
         "{\"class\":\"VM\",\"object\":\"@VM\",\"field\":\"tags\",\"value\":[\"x\"]}"},
        {"state.refs", "{}"},
        {"calls.log", "{\"after\":0}"},
        {"fault.clear", "{}"}};
    const unsigned calls_n = sizeof calls / sizeof *calls;
    const unsigned controls_n = sizeof controls / sizeof *controls;
    CLEAN_CHAR char *body = NULL;

    if (i < calls_n) {
        add_call(out, calls[i][0], calls[i][1]);
    } else if (i < calls_n + controls_n) {
        body = str_format("{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":%s,\"id\":1}",
                          controls[i - calls_n][0], controls[i - calls_n][1]);
        add_post(out, "/poolsim", body);
    } else if (i == calls_n + controls_n) {
        add_post(out, "/RPC2",
                 "<?xml version='1.0'?><methodCall><methodName>VM.get_record</methodName><params>"
                 "<param><value><string>@SESSION</string></value></param><param><value>@VM</value>"
                 "</param></params></methodCall>");
    } else if (i == calls_n + controls_n + 1) {
        str_add(out,
                "GET /export?ref=@VM&session_id=@SESSION&use_compression=gzip HTTP/1.1\r\n\r\n");
    } else if (i == calls_n + controls_n + 2) {
        str_add(out, "OPTIONS / HTTP/1.0\r\nCookie: session_id=@SESSION; a=b&c=%41\r\n\r\n");
    } else if (i == calls_n + controls_n + 3) {
        str_add(out, "PUT /import?sr_uuid=x HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789");
    } else {
        return false;
    }
    return true;
}

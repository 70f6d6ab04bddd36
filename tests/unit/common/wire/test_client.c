/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Agent and coordinator over real sockets: ipc in a folder of its own, tcp on a probed port.
 *
 * The client's clock is the test's, so ten seconds of silence take none. What the sockets need is
 * waited for by polling both descriptors under a deadline.
 */
#include "common/wire/client.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/wire/link.h"
#include "common/wire/seal.h"
#include "common/wire/server.h"
#include "tests/unit/common/wire/samples.h"

#define DEADLINE_MS 20000

struct bench {
    char folder[64];
    char address[128];
    struct sample_time time;
    struct sample_time server_time;
    struct wire_pool_key pool;
    struct wire_server *server;
    struct wire_client *client;
    struct wire_sync heard; /* the last Sync, texts taken over */
    size_t asked_n;
    uint64_t boot;
};

static int answer(void *context, struct wire_sync *sync, struct wire_orders *ret_orders,
                  struct error *err)
{
    struct bench *bench = context;
    (void)err;
    bench->asked_n++;
    bench->boot = sync->boot;
    wire_sync_done(&bench->heard);
    bench->heard = *sync;
    memset(sync, 0, sizeof *sync);
    ret_orders->lease = bench->asked_n;
    ret_orders->next_ms = 1000;
    sample_vm_job(wire_orders_add_job(ret_orders));
    return 0;
}

static void start_server(struct bench *bench)
{
    struct error err = ERROR_INIT;
    bench->server =
        wire_server_new(&bench->pool, &bench->server_time.clock, random_system(), answer, bench);
    assert_int_equal(wire_server_listen(bench->server, bench->address, &err), 0);
}

static void start_client(struct bench *bench, const struct wire_pool_key *pool)
{
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key key;
    assert_int_equal(wire_agent_key_make(pool, SAMPLE_HOST, &key, NULL), 0);
    assert_int_equal(wire_client_open(bench->address, &key, &bench->time.clock, random_system(),
                                      &bench->client, NULL),
                     0);
}

static int set_up(void **state)
{
    struct bench *bench = mem_zero(1, sizeof *bench);
    sample_time_init(&bench->time);
    sample_time_init(&bench->server_time);
    bench->pool.bytes[0] = 42;
    str_copy(bench->folder, sizeof bench->folder, "/tmp/onyx-wire-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    CLEAN_CHAR char *address = str_format("ipc://%s/s", bench->folder);
    str_copy(bench->address, sizeof bench->address, address);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    CLEAN_CHAR char *socket = str_format("%s/s", bench->folder);
    wire_client_close(&bench->client);
    wire_server_free(&bench->server);
    wire_sync_done(&bench->heard);
    unlink(socket);
    assert_int_equal(rmdir(bench->folder), 0);
    free(bench);
    return 0;
}

/* One round of both loops; what wire_client_step gave. */
static int round_of_both(struct bench *bench, struct wire_orders *orders, struct error *err)
{
    struct pollfd fds[2] = {{.fd = -1, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    if (bench->server != NULL)
        fds[0].fd = wire_server_fd(bench->server);
    if (bench->client != NULL)
        fds[1].fd = wire_client_fd(bench->client);
    poll(fds, 2, 5);
    if (bench->server != NULL)
        assert_int_equal(wire_server_serve(bench->server, NULL), 0);
    return wire_client_step(bench->client, orders, err);
}

/* Until the client can send a Sync (0) or has something to say (-1). */
static int until_ready(struct bench *bench, struct error *err)
{
    int64_t deadline = clock_monotonic_ms(clock_system()) + DEADLINE_MS;
    while (!wire_client_can_send(bench->client)) {
        struct wire_orders none = {0};
        int rc = round_of_both(bench, &none, err);
        if (rc != 0)
            return rc;
        assert_true(clock_monotonic_ms(clock_system()) < deadline);
    }
    return 0;
}

/* Until Orders (1) or something to say (-1). */
static int until_orders(struct bench *bench, struct wire_orders *orders, struct error *err)
{
    int64_t deadline = clock_monotonic_ms(clock_system()) + DEADLINE_MS;
    for (;;) {
        int rc = round_of_both(bench, orders, err);
        if (rc != 0)
            return rc;
        assert_true(clock_monotonic_ms(clock_system()) < deadline);
    }
}

static void one_sync(struct bench *bench)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    struct error err = ERROR_INIT;
    size_t log_n = 9;
    size_t asked_n = bench->asked_n;
    sample_sync(&sync);
    assert_int_equal(until_ready(bench, &err), 0);
    assert_int_equal(wire_client_send(bench->client, &sync, &log_n, &err), 0);
    assert_int_equal(log_n, 1);
    assert_false(wire_client_can_send(bench->client));
    assert_int_equal(until_orders(bench, &orders, &err), 1);
    assert_int_equal(bench->asked_n, asked_n + 1);
    assert_int_equal(orders.lease, bench->asked_n);
    assert_string_equal(orders.assign[0].vm_uuid, SAMPLE_VM);
    assert_true(wire_client_is_connected(bench->client));
}

static void talk(struct bench *bench)
{
    start_server(bench);
    start_client(bench, &bench->pool);
    for (uint64_t i = 1; i <= 3; i++) {
        one_sync(bench);
        assert_int_equal(bench->heard.seq, i);
    }
    assert_string_equal(bench->heard.host_uuid, SAMPLE_HOST);
    assert_int_equal(bench->heard.reports_n, 2);
    assert_false(bench->heard.is_partial);
}

static void agent_and_coordinator_talk_over_a_unix_socket(void **state)
{
    talk(*state);
}

/* A port that was free a moment ago. */
static unsigned probe_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void agent_and_coordinator_talk_over_tcp(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 20; i++) {
        struct wire_link *probe = NULL;
        CLEAN_CHAR char *address = str_format("127.0.0.1:%u", probe_port());
        if (wire_link_listen(address, &probe, NULL) < 0)
            continue;
        wire_link_close(&probe);
        str_copy(bench->address, sizeof bench->address, address);
        break;
    }
    talk(bench);
}

static void a_new_coordinator_at_the_same_address_is_greeted_again(void **state)
{
    struct bench *bench = *state;
    start_server(bench);
    start_client(bench, &bench->pool);
    one_sync(bench);
    uint64_t boot = bench->boot;
    wire_server_free(&bench->server);
    start_server(bench);
    /* The Sync under way reaches a coordinator that knows no session: refused, Hello, again. */
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    struct error err = ERROR_INIT;
    size_t log_n;
    int64_t deadline = clock_monotonic_ms(clock_system()) + DEADLINE_MS;
    sample_sync(&sync);
    assert_int_equal(wire_client_send(bench->client, &sync, &log_n, &err), 0);
    while (wire_client_is_connected(bench->client)) {
        struct wire_orders none = {0};
        assert_int_equal(round_of_both(bench, &none, &err), 0);
        assert_true(clock_monotonic_ms(clock_system()) < deadline);
    }
    bench->time.ms += WIRE_CLIENT_AGAIN_MS;
    one_sync(bench);
    assert_int_equal(bench->boot, boot);
    assert_int_equal(bench->heard.seq, 3);
}

static void a_restarted_agent_is_another_boot(void **state)
{
    struct bench *bench = *state;
    start_server(bench);
    start_client(bench, &bench->pool);
    one_sync(bench);
    uint64_t boot = bench->boot;
    wire_client_close(&bench->client);
    start_client(bench, &bench->pool);
    bench->server_time.ms += WIRE_SERVER_TWIN_MS;
    one_sync(bench);
    assert_int_not_equal(bench->boot, boot);
    assert_int_equal(bench->heard.seq, 1);
}

static void a_second_agent_of_a_host_waits_until_the_first_is_silent(void **state)
{
    struct bench *bench = *state;
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    struct wire_orders none = {0};
    struct error err = ERROR_INIT;
    size_t log_n;
    start_server(bench);
    start_client(bench, &bench->pool);
    one_sync(bench);
    struct wire_client *first = bench->client;
    bench->client = NULL;
    start_client(bench, &bench->pool);
    sample_sync(&sync);
    assert_int_equal(until_ready(bench, &err), 0);
    assert_int_equal(wire_client_send(bench->client, &sync, &log_n, &err), 0);
    while (wire_client_is_connected(bench->client))
        assert_int_equal(round_of_both(bench, &none, &err), 0);
    assert_int_equal(wire_client_wait_ms(bench->client), WIRE_CLIENT_TWIN_MS);
    assert_int_equal(bench->asked_n, 1);
    bench->time.ms += WIRE_CLIENT_SILENCE_MS;
    assert_int_equal(until_ready(bench, &err), 0);
    assert_int_equal(wire_client_send(bench->client, &sync, &log_n, &err), 0);
    assert_int_equal(until_orders(bench, &none, &err), -1);
    assert_int_equal(err.code, ERROR_BUSY);
    assert_int_equal(bench->asked_n, 1);
    bench->server_time.ms += WIRE_SERVER_TWIN_MS;
    bench->time.ms += WIRE_CLIENT_TWIN_MS;
    one_sync(bench);
    wire_client_close(&first);
}

static void a_new_key_is_taken_with_the_same_boot(void **state)
{
    struct bench *bench = *state;
    struct wire_pool_keys keys = {.now = {{7}}, .has_old = true, .old_until = INT64_MAX};
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key key;
    start_server(bench);
    start_client(bench, &bench->pool);
    one_sync(bench);
    uint64_t boot = bench->boot;
    keys.old = bench->pool;
    wire_server_set_keys(bench->server, &keys);
    one_sync(bench); /* with the older key, in its session */
    assert_int_equal(wire_agent_key_make(&keys.now, SAMPLE_HOST, &key, NULL), 0);
    bench->time.ms += WIRE_CLIENT_AGAIN_MS;
    wire_client_rekey(bench->client, &key);
    keys.has_old = false;
    wire_server_set_keys(bench->server, &keys);
    one_sync(bench);
    assert_int_equal(bench->boot, boot);
    assert_int_equal(bench->heard.seq, 3);
}

static void silence_is_told_once_and_hello_said_again(void **state)
{
    struct bench *bench = *state;
    struct error err = ERROR_INIT;
    struct wire_orders none = {0};
    start_client(bench, &bench->pool);
    assert_int_equal(wire_client_fd(bench->client), -1);
    assert_int_equal(wire_client_wait_ms(bench->client), 0);
    assert_int_equal(wire_client_step(bench->client, &none, &err), 0);
    assert_true(wire_client_fd(bench->client) >= 0);
    assert_int_equal(wire_client_wait_ms(bench->client), WIRE_CLIENT_SILENCE_MS);
    bench->time.ms += WIRE_CLIENT_SILENCE_MS - 1;
    assert_int_equal(wire_client_step(bench->client, &none, &err), 0);
    bench->time.ms += 1;
    assert_int_equal(wire_client_step(bench->client, &none, &err), -1);
    assert_int_equal(err.code, ERROR_TIMEOUT);
    assert_non_null(strstr(err.text, bench->address));
    assert_int_equal(wire_client_step(bench->client, &none, &err), 0);
    bench->time.ms += WIRE_CLIENT_SILENCE_MS;
    assert_int_equal(wire_client_step(bench->client, &none, &err), 0);
    start_server(bench);
    one_sync(bench);
}

static void a_wrong_key_is_told_with_what_to_do(void **state)
{
    struct bench *bench = *state;
    struct wire_pool_key rival = {{7}};
    struct error err = ERROR_INIT;
    start_server(bench);
    start_client(bench, &rival);
    assert_int_equal(until_ready(bench, &err), -1);
    assert_int_equal(err.code, ERROR_AUTH);
    assert_non_null(strstr(err.text, "onyxpool keygen --host " SAMPLE_HOST));
    assert_non_null(strstr(err.text, bench->address));
    assert_int_equal(wire_client_wait_ms(bench->client), WIRE_CLIENT_REFUSED_MS);
    assert_int_equal(bench->asked_n, 0);
}

static void moving_leads_to_the_other_coordinator(void **state)
{
    struct bench *bench = *state;
    struct error err = ERROR_INIT;
    start_client(bench, &bench->pool);
    CLEAN_CHAR char *here = mem_dup(bench->address);
    assert_int_equal(wire_client_move(bench->client, "nowhere", &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
    assert_int_equal(wire_client_move(bench->client, "ipc:///nowhere", &err), 0);
    struct wire_orders none = {0};
    bench->time.ms += WIRE_CLIENT_AGAIN_MS;
    assert_int_equal(wire_client_step(bench->client, &none, &err), 0);
    start_server(bench);
    assert_int_equal(wire_client_move(bench->client, here, &err), 0);
    bench->time.ms += WIRE_CLIENT_AGAIN_MS;
    one_sync(bench);
    assert_int_equal(wire_client_move(bench->client, here, &err), 0);
    assert_true(wire_client_is_connected(bench->client));
}

static void a_forged_refusal_changes_nothing(void **state)
{
    struct bench *bench = *state;
    struct wire_link *liar = NULL;
    struct error err = ERROR_INIT;
    CLEAN_STR struct str frame = STR_INIT;
    int64_t deadline = clock_monotonic_ms(clock_system()) + DEADLINE_MS;
    assert_int_equal(wire_link_listen(bench->address, &liar, &err), 0);
    start_client(bench, &bench->pool);
    int found = 0;
    while (found == 0) {
        struct wire_orders none = {0};
        assert_int_equal(round_of_both(bench, &none, &err), 0);
        found = wire_link_receive(liar, &frame, &err);
        assert_true(clock_monotonic_ms(clock_system()) < deadline);
    }
    struct seal_refusal refusal = {SEAL_REASON_KEY, {1, 1}, 12345};
    unsigned char bytes[SEAL_REFUSAL_BYTES];
    seal_refusal_make(&refusal, bytes);
    assert_int_equal(wire_link_send(liar, bytes, sizeof bytes, &err), 0);
    for (int i = 0; i < 20; i++) {
        struct wire_orders none = {0};
        assert_int_equal(round_of_both(bench, &none, &err), 0);
    }
    assert_false(wire_client_is_connected(bench->client));
    wire_link_close(&liar);
}

/* A coordinator made by hand, to say what ours never would. */
struct hand {
    struct wire_link *link;
    struct seal_session session;
    uint64_t counter; /* of the last Sync */
};

/* The next frame that the client sends. */
static void hand_hear(struct bench *bench, struct hand *hand, struct str *frame)
{
    int64_t deadline = clock_monotonic_ms(clock_system()) + DEADLINE_MS;
    struct error err = ERROR_INIT;
    for (int found = 0; found == 0;) {
        struct wire_orders none = {0};
        assert_int_equal(round_of_both(bench, &none, &err), 0);
        found = wire_link_receive(hand->link, frame, &err);
        assert_true(clock_monotonic_ms(clock_system()) < deadline);
    }
}

static void hand_welcome(struct bench *bench, struct hand *hand)
{
    static const struct seal_versions v1 = {1, 1};
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key key;
    CLEAN_STR struct str frame = STR_INIT;
    unsigned char welcome[SEAL_WELCOME_BYTES];
    struct error err = ERROR_INIT;
    assert_int_equal(wire_agent_key_make(&bench->pool, SAMPLE_HOST, &key, NULL), 0);
    hand_hear(bench, hand, &frame);
    assert_int_equal(seal_welcome_make(frame.data, frame.len, &key, v1, random_system(), welcome,
                                       &hand->session, &err),
                     0);
    assert_int_equal(wire_link_send(hand->link, welcome, sizeof welcome, &err), 0);
    assert_int_equal(until_ready(bench, &err), 0);
}

/* The client sends a Sync, which arrives here. */
static void hand_sync(struct bench *bench, struct hand *hand)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_STR struct str frame = STR_INIT;
    uint64_t id;
    size_t log_n;
    sample_sync(&sync);
    assert_int_equal(wire_client_send(bench->client, &sync, &log_n, NULL), 0);
    hand_hear(bench, hand, &frame);
    assert_int_equal(seal_frame_look(frame.data, frame.len, &id, &hand->counter, NULL), 0);
}

static void hand_orders(struct hand *hand, uint64_t counter, const char *body, size_t n)
{
    CLEAN_STR struct str frame = STR_INIT;
    assert_int_equal(seal_frame_make(&hand->session, SEAL_ORDERS, counter, body, n, &frame, NULL),
                     0);
    assert_int_equal(wire_link_send(hand->link, frame.data, frame.len, NULL), 0);
}

static void orders_that_can_not_be_read_are_told(void **state)
{
    struct bench *bench = *state;
    struct hand hand = {.link = NULL};
    struct wire_orders none = {0};
    struct error err = ERROR_INIT;
    assert_int_equal(wire_link_listen(bench->address, &hand.link, &err), 0);
    start_client(bench, &bench->pool);
    hand_welcome(bench, &hand);
    hand_sync(bench, &hand);
    hand_orders(&hand, hand.counter, "\xff\xff", 2);
    assert_int_equal(until_orders(bench, &none, &err), -1);
    assert_int_equal(err.code, ERROR_PROTOCOL);
    assert_non_null(strstr(err.text, bench->address));
    assert_false(wire_client_is_connected(bench->client));
    assert_int_equal(wire_client_wait_ms(bench->client), WIRE_CLIENT_REFUSED_MS);
    wire_link_close(&hand.link);
}

static void old_orders_that_are_played_again_are_dropped(void **state)
{
    struct bench *bench = *state;
    struct hand hand = {.link = NULL};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    struct error err = ERROR_INIT;
    const char body[] = "\x40\xe8\x07"; /* next_ms: 1000 */
    assert_int_equal(wire_link_listen(bench->address, &hand.link, &err), 0);
    start_client(bench, &bench->pool);
    hand_welcome(bench, &hand);
    hand_sync(bench, &hand);
    hand_orders(&hand, 1, body, 3);
    assert_int_equal(until_orders(bench, &orders, &err), 1);
    assert_int_equal(orders.next_ms, 1000);
    hand_sync(bench, &hand);
    assert_int_equal(hand.counter, 2);
    hand_orders(&hand, 1, body, 3);
    for (int i = 0; i < 20; i++) {
        struct wire_orders none = {0};
        assert_int_equal(round_of_both(bench, &none, &err), 0);
    }
    assert_false(wire_client_can_send(bench->client));
    bench->time.ms += WIRE_CLIENT_SILENCE_MS;
    struct wire_orders none = {0};
    assert_int_equal(wire_client_step(bench->client, &none, &err), -1);
    assert_int_equal(err.code, ERROR_TIMEOUT);
    wire_link_close(&hand.link);
}

static void reports_that_do_not_fit_follow_in_the_next_sync(void **state)
{
    struct bench *bench = *state;
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    struct error err = ERROR_INIT;
    bool is_seen[300] = {false};
    size_t seen_n = 0;
    sample_sync(&sync);
    for (size_t i = sync.reports_n; i < 300; i++) {
        CLEAN_CHAR char *id = str_format("%016zx", i);
        struct job_report *report = wire_sync_add_report(&sync);
        sample_report_done(report);
        str_copy(report->id, sizeof report->id, id);
        text_list_add_format(&report->warnings, "%0900zu", i);
    }
    start_server(bench);
    start_client(bench, &bench->pool);
    for (int turn = 0; turn < 12; turn++) {
        CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
        size_t log_n;
        assert_int_equal(until_ready(bench, &err), 0);
        assert_int_equal(wire_client_send(bench->client, &sync, &log_n, &err), 0);
        assert_int_equal(until_orders(bench, &orders, &err), 1);
        assert_true(bench->heard.is_partial);
        for (size_t i = 0; i < bench->heard.reports_n; i++) {
            unsigned long id = strtoul(bench->heard.reports[i].id, NULL, 16);
            if (id < 300 && !is_seen[id]) {
                is_seen[id] = true;
                seen_n++;
            }
        }
    }
    assert_int_equal(seen_n, 298);
}

static void addresses_are_read_or_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *address; /* NULL: refused */
    } cases[] = {
        {"10.0.0.1:7451", "tcp://10.0.0.1:7451"},
        {"tcp://10.0.0.1:7451", "tcp://10.0.0.1:7451"},
        {"localhost:80", "tcp://127.0.0.1:80"},
        {"*:7451", "tcp://*:7451"},
        {"[fd00::1]:7451", "tcp://[fd00::1]:7451"},
        {"ipc:///run/onyx", "ipc:///run/onyx"},
        {"master.example:7451", NULL},
        {"10.0.0.1", NULL},
        {"10.0.0.1:0", NULL},
        {"10.0.0.1:65536", NULL},
        {"10.0.0.1:http", NULL},
        {"10.0.0.300:80", NULL},
        {"fd00::1:7451", NULL},
        {"[fd00::1]", NULL},
        {"[fd00::x]:80", NULL},
        {"ipc://", NULL},
        {":80", NULL},
        {"", NULL},
        {"[", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char address[WIRE_ADDRESS_MAX];
        struct error err = ERROR_INIT;
        int rc = wire_address_parse(cases[i].text, address, &err);
        assert_int_equal(rc, cases[i].address != NULL ? 0 : -1);
        if (rc == 0)
            assert_string_equal(address, cases[i].address);
        else
            assert_int_equal(err.code, ERROR_SETTINGS);
    }
    CLEAN_CHAR char *deep = str_format("ipc:///%0107d", 1);
    char address[WIRE_ADDRESS_MAX];
    assert_int_equal(wire_address_parse(deep, address, NULL), -1);
}

static void an_address_in_use_or_foreign_is_told_with_what_to_do(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct wire_link *first = NULL;
    struct wire_link *second = NULL;
    CLEAN_CHAR char *address = NULL;
    for (int i = 0; i < 20 && first == NULL; i++) {
        free(address);
        address = str_format("127.0.0.1:%u", probe_port());
        wire_link_listen(address, &first, NULL);
    }
    assert_non_null(first);
    assert_int_equal(wire_link_listen(address, &second, &err), -1);
    assert_int_equal(err.code, ERROR_BUSY);
    assert_non_null(strstr(err.text, "already in use"));
    assert_non_null(strstr(err.text, "--listen"));
    assert_null(second);
    wire_link_close(&first);
    assert_int_equal(wire_link_listen("192.0.2.1:7451", &second, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
    assert_non_null(strstr(err.text, "no such address"));
    assert_int_equal(wire_link_connect("*:7451", &second, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
}

static void a_frame_over_the_ceiling_is_never_sent(void **state)
{
    struct bench *bench = *state;
    static char bytes[WIRE_FRAME_MAX + 1];
    struct wire_link *link = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(wire_link_connect(bench->address, &link, &err), 0);
    assert_int_equal(wire_link_send(link, bytes, sizeof bytes, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    wire_link_close(&link);
    assert_null(link);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(agent_and_coordinator_talk_over_a_unix_socket),
        CASE(agent_and_coordinator_talk_over_tcp),
        CASE(a_new_coordinator_at_the_same_address_is_greeted_again),
        CASE(a_restarted_agent_is_another_boot),
        CASE(a_second_agent_of_a_host_waits_until_the_first_is_silent),
        CASE(a_new_key_is_taken_with_the_same_boot),
        CASE(silence_is_told_once_and_hello_said_again),
        CASE(a_wrong_key_is_told_with_what_to_do),
        CASE(moving_leads_to_the_other_coordinator),
        CASE(a_forged_refusal_changes_nothing),
        CASE(orders_that_can_not_be_read_are_told),
        CASE(old_orders_that_are_played_again_are_dropped),
        CASE(reports_that_do_not_fit_follow_in_the_next_sync),
        cmocka_unit_test(addresses_are_read_or_refused_with_a_reason),
        cmocka_unit_test(an_address_in_use_or_foreign_is_told_with_what_to_do),
        CASE(a_frame_over_the_ceiling_is_never_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which connections give way, as values and with real ones.
 */
#include "common/wire/guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/str.h"

static struct wire_guard_peer peer(int fd, unsigned char address, int64_t idle_ms)
{
    struct wire_guard_peer made = {.fd = fd, .idle_ms = idle_ms};
    made.address[15] = address;
    return made;
}

static void as_many_as_may_stand_all_stay(void **state)
{
    struct wire_guard_peer peers[] = {peer(1, 1, 5), peer(2, 1, 6)};
    (void)state;
    assert_int_equal(wire_guard_choose(peers, 2, 2), 0);
    assert_int_equal(wire_guard_choose(peers, 0, 0), 0);
}

static void the_fullest_address_gives_way_first_and_its_most_silent_one(void **state)
{
    struct wire_guard_peer peers[] = {peer(1, 1, 900), peer(2, 2, 10), peer(3, 2, 30),
                                      peer(4, 2, 20),  peer(5, 3, 5),  peer(6, 3, 6)};
    (void)state;
    assert_int_equal(wire_guard_choose(peers, 6, 4), 2);
    assert_int_equal(peers[0].fd, 3); /* of address 2, which has three */
    assert_true(peers[1].fd == 4 || peers[1].fd == 6);
}

static void an_address_with_one_connection_goes_last(void **state)
{
    enum { N = 200 };
    struct wire_guard_peer peers[N];
    (void)state;
    for (int i = 0; i < N; i++)
        peers[i] = peer(i, i < 10 ? (unsigned char)(100 + i) : 1, i < 10 ? 100000 : 1);
    assert_int_equal(wire_guard_choose(peers, N, 20), N - 20);
    for (int i = 0; i < N - 20; i++)
        assert_int_equal(peers[i].address[15], 1);
}

static int listen_somewhere(uint16_t *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, size), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    *ret_port = ntohs(name.sin_port);
    return fd;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

/* Whether the other side has hung up, waiting for it a little. */
static bool is_shut(int fd, int wait_ms)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    char byte;
    return poll(&one, 1, wait_ms) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void the_address_of_most_is_named_among_any_number(void **state)
{
    enum { N = 4096 };
    static struct wire_guard_peer peers[N];
    char worst[WIRE_GUARD_ADDRESS_MAX];

    (void)state;
    for (int i = 0; i < N; i++) {
        peers[i] = peer(i, 1, i);
        peers[i].address[0] = 0x20; /* 20..:: but for three of them, each with another end */
        peers[i].address[14] = (unsigned char)(i >> 8);
        peers[i].address[15] = (unsigned char)i;
    }
    for (int i = 0; i < 3; i++) {
        static const unsigned char v4[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 7};

        memcpy(peers[i * 1000].address, v4, sizeof v4);
    }
    wire_guard_name_worst(peers, N, worst);
    assert_string_equal(worst, "192.0.2.7");
    memset(peers[0].address, 0, sizeof peers[0].address);
    peers[0].address[15] = 1;
    wire_guard_name_worst(peers, 1, worst);
    assert_string_equal(worst, "::1");
}

static void connections_of_the_port_are_shut_and_of_no_other(void **state)
{
    char worst[WIRE_GUARD_ADDRESS_MAX] = "";
    enum { N = 24, MAX = 8 };
    uint16_t port, other_port;
    int listener = listen_somewhere(&port);
    int other = listen_somewhere(&other_port);
    int mine[N], theirs[N], foreign = connect_to(other_port);
    int foreign_accepted = accept(other, NULL, NULL);
    CLEAN_CHAR char *address = str_format("127.0.0.1:%u", (unsigned)port);
    CLEAN_WIRE_GUARD struct wire_guard *guard = wire_guard_new(address, MAX);
    (void)state;
    assert_non_null(guard);
    assert_int_equal(wire_guard_look(guard, worst), 0);
    for (int i = 0; i < N; i++) {
        mine[i] = connect_to(port);
        theirs[i] = accept(listener, NULL, NULL);
        assert_true(theirs[i] >= 0);
    }
    assert_int_equal(wire_guard_look(guard, worst), N - (MAX - MAX / 8));
    assert_string_equal(worst, "127.0.0.1");
    /* Nobody has closed them. */
    assert_int_equal(wire_guard_look(guard, worst), N - (MAX - MAX / 8));
    int shut_n = 0;
    for (int i = 0; i < N; i++)
        shut_n += is_shut(mine[i], 100);
    assert_true(shut_n >= N - (MAX - MAX / 8));
    assert_false(is_shut(foreign, 0));
    for (int i = 0; i < N; i++) {
        close(mine[i]);
        close(theirs[i]);
    }
    assert_int_equal(wire_guard_look(guard, worst), 0);
    close(foreign);
    close(foreign_accepted);
    close(other);
    close(listener);
}

static void a_socket_file_needs_no_guard(void **state)
{
    char worst[WIRE_GUARD_ADDRESS_MAX] = "";
    struct wire_guard *guard = wire_guard_new("ipc:///tmp/x", 5);
    (void)state;
    assert_null(guard);
    assert_int_equal(wire_guard_look(guard, worst), 0);
}

static void the_guard_works_when_no_descriptor_is_left(void **state)
{
    char worst[WIRE_GUARD_ADDRESS_MAX] = "";
    enum { LIMIT = 96 };
    struct rlimit before, low;
    uint16_t port;
    int listener = listen_somewhere(&port);
    int mine[LIMIT], theirs[LIMIT];
    int n = 0;
    CLEAN_CHAR char *address = str_format("127.0.0.1:%u", (unsigned)port);
    CLEAN_WIRE_GUARD struct wire_guard *guard = wire_guard_new(address, 16);
    (void)state;
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = LIMIT;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (; n < LIMIT; n++) {
        mine[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (mine[n] < 0)
            break;
        close(mine[n]);
        mine[n] = connect_to(port);
        theirs[n] = accept(listener, NULL, NULL);
        if (theirs[n] < 0) {
            close(mine[n]);
            break;
        }
    }
    int more = dup(0);
    while (dup(0) >= 0)
        ;
    assert_int_equal(errno, EMFILE);
    assert_true(n > 20);
    assert_true(wire_guard_look(guard, worst) >= (size_t)n - 16);
    setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < n; i++) {
        close(mine[i]);
        close(theirs[i]);
    }
    close(more);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_as_may_stand_all_stay),
        cmocka_unit_test(the_fullest_address_gives_way_first_and_its_most_silent_one),
        cmocka_unit_test(an_address_with_one_connection_goes_last),
        cmocka_unit_test(the_address_of_most_is_named_among_any_number),
        cmocka_unit_test(connections_of_the_port_are_shut_and_of_no_other),
        cmocka_unit_test(a_socket_file_needs_no_guard),
        cmocka_unit_test(the_guard_works_when_no_descriptor_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nbdkit opens such a connection for every client of its own, so a refusal here ends the client's.
 */
#include "tests/poolsim/nbd_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "tests/poolsim/attach.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/nbd.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

#define OPTION_MAGIC       UINT64_C(0x49484156454F5054)
#define REPLY_MAGIC        UINT64_C(0x3e889045565a9)
#define REQUEST_MAGIC      0x25609513U
#define SIMPLE_REPLY_MAGIC 0x67446698U
#define FLAGS_SERVER       3U /* fixed newstyle, no zeroes */
#define FLAG_NO_ZEROES     2U
#define FLAGS_EXPORT       0x103U /* has flags, read-only, may multi-conn */
#define OPTION_DATA_MAX    4096U
#define READ_MAX           (32U << 20)

enum option { OPTION_EXPORT_NAME = 1, OPTION_ABORT = 2, OPTION_INFO = 6, OPTION_GO = 7 };
enum reply { REPLY_ACK = 1, REPLY_INFO = 3 };
#define REPLY_UNSUPPORTED 0x80000001U
#define REPLY_UNKNOWN     0x80000006U

struct nbd_client {
    struct host *host;
    int fd;
    int *connections;
    struct disk *disk; /* once an export is open */
    char vbd_ref[REF_MAX];
    bool is_counted;
    uint32_t flags;
};

static void put_u16(unsigned char *bytes, unsigned value)
{
    bytes[0] = (unsigned char)(value >> 8);
    bytes[1] = (unsigned char)value;
}

static void put_u32(unsigned char *bytes, uint32_t value)
{
    put_u16(bytes, value >> 16);
    put_u16(bytes + 2, value & 0xFFFFU);
}

static void put_u64(unsigned char *bytes, uint64_t value)
{
    put_u32(bytes, (uint32_t)(value >> 32));
    put_u32(bytes + 4, (uint32_t)value);
}

static uint32_t get_u32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint64_t get_u64(const unsigned char *bytes)
{
    return (uint64_t)get_u32(bytes) << 32 | get_u32(bytes + 4);
}

static int take(struct nbd_client *client, void *bytes, size_t n)
{
    size_t got = 0;
    return fd_read_upto(client->fd, bytes, n, &got, NULL) == 0 && got == n ? 0 : -1;
}

static int give(struct nbd_client *client, const void *bytes, size_t n)
{
    return fd_write_all(client->fd, bytes, n, NULL);
}

/* "/<uuid>?session_id=<ref>" taken apart; false when it is not of that form. */
static bool parse_name(const char *name, char *uuid, size_t uuid_size, const char **ret_session)
{
    static const char key[] = "session_id=";
    const char *query = strchr(name, '?');
    CLEAN_CHAR char *first =
        query && name[0] == '/' ? mem_dup_n(name + 1, (size_t)(query - name - 1)) : NULL;
    if (!first || !str_copy(uuid, uuid_size, first) || !str_starts(query + 1, key))
        return false;
    *ret_session = query + 1 + strlen(key);
    return true;
}

/* Lock held. */
static bool may_open(struct nbd_client *client, const char *session, const struct object *vdi)
{
    struct pool *pool = client->host->pool;
    return vdi && nbd_mode(pool) != NBD_MODE_NONE && store_find(pool, CLASS_session, session) &&
           *client->connections < NBD_CONNECTIONS_MAX && !client->host->is_down &&
           pool_host_sees_sr(pool, client->host, object_text(vdi, F_VDI_SR));
}

static bool open_export(struct nbd_client *client, const char *name)
{
    struct pool *pool = client->host->pool;
    char uuid[DISK_UUID_MAX];
    const char *session = NULL;
    if (client->disk)
        return true;
    if (!parse_name(name, uuid, sizeof uuid, &session))
        return false;
    struct disk *disk = disks_find(pool->disks, uuid);
    pool_lock(pool);
    const struct object *vdi = store_find_uuid(pool, CLASS_VDI, uuid);
    bool is_open = disk && may_open(client, session, vdi);
    if (is_open) {
        attach_to_dom0(client->host, object_ref(vdi), true, client->vbd_ref);
        ++*client->connections;
        client->is_counted = true;
    }
    pool_unlock(pool);
    if (is_open)
        client->disk = disk;
    else
        disk_release(&disk);
    return is_open;
}

static int reply_option(struct nbd_client *client, uint32_t option, uint32_t type,
                        const void *bytes, uint32_t n)
{
    unsigned char head[20];
    put_u64(head, REPLY_MAGIC);
    put_u32(head + 8, option);
    put_u32(head + 12, type);
    put_u32(head + 16, n);
    if (give(client, head, sizeof head) != 0)
        return -1;
    return n > 0 ? give(client, bytes, n) : 0;
}

/* GO and INFO: 1 the reads begin, 0 another option follows, -1 over. */
static int answer_go(struct nbd_client *client, uint32_t option, const unsigned char *data,
                     uint32_t n)
{
    unsigned char info[12];
    uint32_t name_n = n >= 4 ? get_u32(data) : UINT32_MAX;
    if (name_n > n - 4)
        return reply_option(client, option, REPLY_UNKNOWN, NULL, 0);
    CLEAN_CHAR char *name = mem_dup_n((const char *)data + 4, name_n);
    if (!open_export(client, name))
        return reply_option(client, option, REPLY_UNKNOWN, NULL, 0);
    put_u16(info, 0);
    put_u64(info + 2, disk_size(client->disk));
    put_u16(info + 10, FLAGS_EXPORT);
    if (reply_option(client, option, REPLY_INFO, info, sizeof info) != 0 ||
        reply_option(client, option, REPLY_ACK, NULL, 0) != 0)
        return -1;
    return option == OPTION_GO ? 1 : 0;
}

static int answer_export_name(struct nbd_client *client, const unsigned char *data, uint32_t n)
{
    unsigned char answer[134] = {0};
    CLEAN_CHAR char *name = mem_dup_n((const char *)data, n);
    if (!open_export(client, name))
        return -1;
    put_u64(answer, disk_size(client->disk));
    put_u16(answer + 8, FLAGS_EXPORT);
    size_t size = client->flags & FLAG_NO_ZEROES ? 10 : sizeof answer;
    return give(client, answer, size) == 0 ? 1 : -1;
}

static int answer_option(struct nbd_client *client)
{
    unsigned char head[16];
    unsigned char data[OPTION_DATA_MAX];
    if (take(client, head, sizeof head) != 0 || get_u64(head) != OPTION_MAGIC)
        return -1;
    uint32_t option = get_u32(head + 8);
    uint32_t n = get_u32(head + 12);
    if (n > sizeof data || take(client, data, n) != 0)
        return -1;
    if (option == OPTION_EXPORT_NAME)
        return answer_export_name(client, data, n);
    if (option == OPTION_GO || option == OPTION_INFO)
        return answer_go(client, option, data, n);
    if (option == OPTION_ABORT) {
        (void)reply_option(client, option, REPLY_ACK, NULL, 0);
        return -1;
    }
    return reply_option(client, option, REPLY_UNSUPPORTED, NULL, 0);
}

static bool negotiate(struct nbd_client *client)
{
    unsigned char hello[18];
    unsigned char flags[4];
    int state = 0;
    memcpy(hello, "NBDMAGIC", 8);
    put_u64(hello + 8, OPTION_MAGIC);
    put_u16(hello + 16, FLAGS_SERVER);
    if (give(client, hello, sizeof hello) != 0 || take(client, flags, sizeof flags) != 0)
        return false;
    client->flags = get_u32(flags);
    while (state == 0)
        state = answer_option(client);
    return state == 1;
}

static int answer_read(struct nbd_client *client, const unsigned char handle[8], uint64_t offset,
                       uint32_t n)
{
    unsigned char head[16];
    unsigned char *bytes = n <= READ_MAX ? mem_try(n + 1, NULL) : NULL;
    bool is_read = bytes && disk_read(client->disk, offset, bytes, n, NULL) == 0;
    put_u32(head, SIMPLE_REPLY_MAGIC);
    put_u32(head + 4, is_read ? 0 : EIO);
    memcpy(head + 8, handle, 8);
    pool_pace(client->host, n);
    int failed = give(client, head, sizeof head);
    if (!failed && is_read)
        failed = give(client, bytes, n);
    free(bytes);
    return failed;
}

static int answer_request(struct nbd_client *client)
{
    unsigned char request[28];
    unsigned char refusal[16];
    if (take(client, request, sizeof request) != 0 || get_u32(request) != REQUEST_MAGIC)
        return -1;
    unsigned type = (unsigned)request[6] << 8 | request[7];
    if (type == 2)
        return -1;
    if (type == 0)
        return answer_read(client, request + 8, get_u64(request + 16), get_u32(request + 24));
    put_u32(refusal, SIMPLE_REPLY_MAGIC);
    put_u32(refusal + 4, type == 3 ? 0 : EPERM);
    memcpy(refusal + 8, request + 8, 8);
    /* What a write carries is not read: the connection ends with it. */
    return give(client, refusal, sizeof refusal) == 0 && type == 3 ? 0 : -1;
}

void nbd_backend_serve(struct host *host, int fd, int *connections)
{
    struct nbd_client client = {.host = host, .fd = fd, .connections = connections};
    if (negotiate(&client))
        while (answer_request(&client) == 0)
            continue;
    pool_lock(host->pool);
    if (client.is_counted) {
        --*connections;
        attach_end(host->pool, client.vbd_ref);
    }
    pool_unlock(host->pool);
    disk_release(&client.disk);
}

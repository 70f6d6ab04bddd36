/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Key files: one line of words, read with the same care whatever is in them.
 *
 * A key that others may read, or that somebody else can replace, is refused rather than used.
 */
#include "common/wire/key.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define FILE_MAX     512
#define POOL_WORD    "onyxpool-pool-key-1"
#define AGENT_WORD   "onyxpool-agent-key-1"
#define OLD_WORD     "onyxpool-old-pool-key-1"
#define OLD_SUFFIX   ".old"
#define HEX_MAX      (2 * WIRE_KEY_BYTES + 1)
#define CLEAN_SECRET CLEANUP(wire_secret_done)

void wire_secret_wipe(void *bytes, size_t n)
{
    sodium_memzero(bytes, n);
}

void wire_secret_lock(void *bytes, size_t n)
{
    (void)sodium_mlock(bytes, n);
}

void wire_secret_unlock(void *bytes, size_t n)
{
    (void)sodium_munlock(bytes, n); /* overwrites, whether it was locked or not */
}

void wire_secret_done(struct str *text)
{
    if (text->data != NULL)
        sodium_memzero(text->data, text->cap);
    str_done(text);
}

void wire_pool_key_done(struct wire_pool_key *key)
{
    sodium_memzero(key, sizeof *key);
}

void wire_pool_keys_done(struct wire_pool_keys *keys)
{
    sodium_memzero(keys, sizeof *keys);
}

void wire_agent_key_done(struct wire_agent_key *key)
{
    sodium_memzero(key, sizeof *key);
}

/* The file's text, checked, at most FILE_MAX bytes. how_to_make completes "... is missing: ". */
static int read_key_file(const char *path, const char *how_to_make, struct str *text,
                         struct error *err)
{
    CLEAN_FD int fd = -1;
    size_t n;

    if (access(path, F_OK) != 0 && errno == ENOENT)
        return error_set(err, ERROR_SETTINGS, "key file %s is missing: %s", path, how_to_make);
    if (fd_open_secret(path, "key file", &fd, err) < 0)
        return -1;
    if (fd_read_upto(fd, str_reserve(text, FILE_MAX + 1), FILE_MAX + 1, &n, err) < 0)
        return error_add(err, "key file %s", path);
    str_set_len(text, n);
    if (n > FILE_MAX || strlen(str_text(text)) != n)
        return error_set(err, ERROR_SETTINGS,
                         "key file %s is no key file: it is too long or binary", path);
    return 0;
}

/* Cut the first word off *text; "" when there is none. */
static char *next_word(char **text)
{
    char *word = *text + strspn(*text, " \t\r\n");
    char *end = word + strcspn(word, " \t\r\n");

    *text = *end == '\0' ? end : end + 1;
    *end = '\0';
    return word;
}

/* The error never repeats what stands in the file. */
static int refuse(struct error *err, const char *path, const char *why)
{
    return error_set(err, ERROR_SETTINGS, "key file %s: %s", path, why);
}

int wire_pool_key_read(const char *path, struct wire_pool_key *ret_key, struct error *err)
{
    CLEAN_SECRET struct str text = STR_INIT;
    CLEAN_WIRE_POOL_KEY struct wire_pool_key key;

    if (read_key_file(path, "make one with \"onyxpool keygen --key FILE\"", &text, err) < 0)
        return -1;
    char *rest = text.data;
    const char *kind = next_word(&rest);
    if (strcmp(kind, AGENT_WORD) == 0)
        return refuse(err, path, "this is a host's agent key, the coordinator needs the pool key");
    if (strcmp(kind, POOL_WORD) != 0)
        return refuse(err, path, "does not begin with \"" POOL_WORD "\"");
    if (num_parse_hex(next_word(&rest), key.bytes, sizeof key.bytes, NULL) < 0 ||
        next_word(&rest)[0] != '\0')
        return refuse(err, path, "64 hex digits and nothing else must follow \"" POOL_WORD "\"");
    *ret_key = key;
    return 0;
}

/* 1, or 0 when there is none. Whether its time is over is asked when it is used. */
static int read_old_key(const char *path, struct wire_pool_keys *keys, struct error *err)
{
    CLEAN_SECRET struct str text = STR_INIT;

    if (access(path, F_OK) != 0 && errno == ENOENT)
        return 0;
    if (read_key_file(path, "", &text, err) < 0)
        return -1;
    char *rest = text.data;
    if (strcmp(next_word(&rest), OLD_WORD) != 0)
        return refuse(err, path,
                      "does not begin with \"" OLD_WORD "\"; remove it if no host needs it");
    if (num_parse_hex(next_word(&rest), keys->old.bytes, sizeof keys->old.bytes, NULL) < 0 ||
        clock_parse_utc(next_word(&rest), &keys->old_until, NULL) < 0 ||
        next_word(&rest)[0] != '\0')
        return refuse(err, path,
                      "64 hex digits and a time (2026-11-22T20:27:34Z), and nothing else, must "
                      "follow \"" OLD_WORD "\"");
    return 1;
}

int wire_pool_keys_read(const char *path, struct wire_pool_keys *ret_keys, struct error *err)
{
    CLEAN_WIRE_POOL_KEYS struct wire_pool_keys keys = {.has_old = false};
    CLEAN_CHAR char *old_path = str_format("%s" OLD_SUFFIX, path);

    if (wire_pool_key_read(path, &keys.now, err) < 0)
        return -1;
    int found = read_old_key(old_path, &keys, err);
    if (found < 0)
        return -1;
    keys.has_old = found == 1;
    *ret_keys = keys;
    return 0;
}

static void format_pool_key(const char *word, const struct wire_pool_key *key, struct str *out)
{
    char hex[HEX_MAX];

    str_reserve(out, FILE_MAX);
    str_add(out, word);
    str_add_char(out, ' ');
    str_add(out, num_format_hex(key->bytes, sizeof key->bytes, hex));
    sodium_memzero(hex, sizeof hex);
}

int wire_pool_key_rotate(const char *path, int64_t now, int64_t until, const struct random *random,
                         struct error *err)
{
    CLEAN_WIRE_POOL_KEYS struct wire_pool_keys keys = {.has_old = false};
    CLEAN_WIRE_POOL_KEY struct wire_pool_key key;
    CLEAN_CHAR char *old_path = str_format("%s" OLD_SUFFIX, path);
    CLEAN_SECRET struct str old_text = STR_INIT;
    CLEAN_SECRET struct str text = STR_INIT;
    char when[CLOCK_ISO_MAX];

    if (wire_pool_keys_read(path, &keys, err) < 0)
        return -1;
    if (keys.has_old && keys.old_until > now && until > now &&
        memcmp(&keys.old, &keys.now, sizeof keys.old) != 0)
        return error_set(err, ERROR_EXISTS,
                         "%s counts until %s: hosts that have not got their new key by then would "
                         "be refused; remove it when all have, then rotate again",
                         old_path, clock_format_utc(keys.old_until, when));
    format_pool_key(OLD_WORD, &keys.now, &old_text);
    str_add_char(&old_text, ' ');
    str_add(&old_text, clock_format_utc(until, when));
    str_add_char(&old_text, '\n');
    random_fill(random, key.bytes, sizeof key.bytes);
    format_pool_key(POOL_WORD, &key, &text);
    str_add_char(&text, '\n');
    if (fd_replace_file(old_path, 0600, old_text.data, old_text.len, err) < 0 ||
        fd_replace_file(path, 0600, text.data, text.len, err) < 0)
        return error_add(err, "rotate the pool key");
    return 0;
}

int wire_key_stamp_look(const char *path, struct wire_key_stamp *stamp)
{
    struct wire_key_stamp now = {0};
    struct stat facts;

    if (stat(path, &facts) == 0) {
        now.inode = (uint64_t)facts.st_ino;
        now.changed_ns = (int64_t)facts.st_ctim.tv_sec * 1000000000 + facts.st_ctim.tv_nsec;
        now.size = (int64_t)facts.st_size;
    }
    if (now.inode == stamp->inode && now.changed_ns == stamp->changed_ns && now.size == stamp->size)
        return 0;
    *stamp = now;
    return 1;
}

int wire_pool_keys_stamp_look(const char *path, struct wire_pool_keys_stamp *stamp)
{
    CLEAN_CHAR char *old_path = str_format("%s" OLD_SUFFIX, path);
    int is_new = wire_key_stamp_look(path, &stamp->now);

    return wire_key_stamp_look(old_path, &stamp->old) == 1 || is_new == 1;
}

int wire_agent_key_read(const char *path, struct wire_agent_key *ret_key, struct error *err)
{
    CLEAN_SECRET struct str text = STR_INIT;
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key key = {.host_uuid = ""};

    if (read_key_file(path,
                      "make one on the coordinator with \"onyxpool keygen --key POOLKEY --host "
                      "UUID\" and copy it here",
                      &text, err) < 0)
        return -1;
    char *rest = text.data;
    const char *kind = next_word(&rest);
    if (strcmp(kind, POOL_WORD) == 0)
        return refuse(err, path,
                      "this is the pool key, which must not leave the coordinator: make an agent "
                      "key with \"onyxpool keygen --key POOLKEY --host UUID\"");
    if (strcmp(kind, AGENT_WORD) != 0)
        return refuse(err, path, "does not begin with \"" AGENT_WORD "\"");
    const char *uuid = next_word(&rest);
    if (!uuid_is_valid(uuid))
        return refuse(err, path, "a host uuid must follow \"" AGENT_WORD "\"");
    str_copy(key.host_uuid, sizeof key.host_uuid, uuid);
    if (num_parse_hex(next_word(&rest), key.bytes, sizeof key.bytes, NULL) < 0 ||
        next_word(&rest)[0] != '\0')
        return refuse(err, path, "64 hex digits and nothing else must follow the host uuid");
    *ret_key = key;
    return 0;
}

int wire_agent_key_make(const struct wire_pool_key *pool_key, const char *host_uuid,
                        struct wire_agent_key *ret_key, struct error *err)
{
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key key = {.host_uuid = ""};

    if (!uuid_is_valid(host_uuid))
        return error_set(err, ERROR_USAGE,
                         "'%s' is no host uuid: \"xe host-list params=uuid,name-label\" shows them",
                         host_uuid);
    for (size_t i = 0; host_uuid[i] != '\0'; i++)
        key.host_uuid[i] = (char)tolower((unsigned char)host_uuid[i]);
    crypto_generichash(key.bytes, sizeof key.bytes, (const unsigned char *)key.host_uuid,
                       strlen(key.host_uuid), pool_key->bytes, sizeof pool_key->bytes);
    *ret_key = key;
    return 0;
}

void wire_agent_key_format(const struct wire_agent_key *key, struct str *out)
{
    char hex[HEX_MAX];

    str_reserve(out, FILE_MAX);
    str_add(out, AGENT_WORD " ");
    str_add(out, key->host_uuid);
    str_add_char(out, ' ');
    str_add(out, num_format_hex(key->bytes, sizeof key->bytes, hex));
    str_add_char(out, '\n');
    sodium_memzero(hex, sizeof hex);
}

static int write_new_file(const char *path, const struct str *text, struct error *err)
{
    CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERROR_EXISTS,
                         "%s exists and is never overwritten: give another name, or remove it "
                         "first if no agent uses it any more",
                         path);
    if (fd < 0)
        return error_set_sys(err, ERROR_IO, errno, "make key file %s", path);
    int rc = fd_write_all(fd, text->data, text->len, err);
    if (rc == 0 && (fchmod(fd, 0600) != 0 || fsync(fd) != 0))
        rc = error_set_sys(err, ERROR_IO, errno, "write");
    if (rc < 0) {
        unlink(path);
        return error_add(err, "key file %s", path);
    }
    return 0;
}

int wire_pool_key_create(const char *path, const struct random *random, struct error *err)
{
    CLEAN_WIRE_POOL_KEY struct wire_pool_key key;
    CLEAN_SECRET struct str text = STR_INIT;

    random_fill(random, key.bytes, sizeof key.bytes);
    format_pool_key(POOL_WORD, &key, &text);
    str_add_char(&text, '\n');
    return write_new_file(path, &text, err);
}

int wire_agent_key_create(const char *path, const struct wire_agent_key *key, struct error *err)
{
    CLEAN_SECRET struct str text = STR_INIT;

    wire_agent_key_format(key, &text);
    return write_new_file(path, &text, err);
}

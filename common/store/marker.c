/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Marker and nonce as small "key=value" texts in the store's own folder.
 */
#include "common/store/marker.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/base/text_map.h"
#include "common/store/root.h"

#include "common/base/poison.h"

#define NONCE_BYTES 16

/* "key=value" lines into map; what has no "=" is passed over. */
static void parse_lines(const struct str *text, struct text_map *map)
{
    const char *at = str_text(text);
    const char *end = at + text->len;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((line_end != NULL ? line_end : end) - at);
        CLEAN_CHAR char *line = mem_dup_n(at, n);
        char *is = strchr(line, '=');
        if (is != NULL) {
            *is = '\0';
            text_map_set(map, str_trim(line), str_trim(is + 1));
        }
        at += n + 1;
    }
}

/* The own folder's file as a map. 1 read, 0 absent, -1 failed. */
static int read_own(struct store *store, const char *name, struct text_map *map, struct error *err)
{
    CLEAN_FD int own = -1;
    CLEAN_STR struct str text = STR_INIT;
    if (store_open_own(store, false, &own, err) != 0) {
        if (err != NULL && err->code == ERROR_NOT_FOUND) {
            error_clear(err);
            return 0;
        }
        return -1;
    }
    int found = store_read_small(store, own, name, &text, err);
    if (found == 1)
        parse_lines(&text, map);
    return found;
}

static int bad_file(const struct store *store, const char *name, struct error *err)
{
    return error_set(err, ERROR_STORE_FOREIGN,
                     "%s/" STORE_OWN_FOLDER "/%s is damaged or of a newer onyxpool: look at it, or "
                     "move it away and run onyxpool init-store -d %s",
                     store_root(store), name, store_root(store));
}

int marker_read(struct store *store, struct marker *ret_marker, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    CLEAN_TEXT_MAP struct text_map map = TEXT_MAP_INIT;
    int found = read_own(store, MARKER_FILE, &map, err);
    if (found != 1)
        return found;
    struct marker marker = {0};
    const char *uuid = text_map_get(&map, "store_uuid");
    const char *pool = text_map_get(&map, "pool_uuid");
    const char *created = text_map_get(&map, "created");
    const char *allow = text_map_get(&map, "allow_root_fs");
    const char *accepted = text_map_get(&map, "accepted");
    if (!str_equal(text_map_get(&map, "onyxpool_store"), "1") || uuid == NULL || pool == NULL ||
        !uuid_is_valid(uuid) || !uuid_is_valid(pool))
        return bad_file(store, MARKER_FILE, err);
    (void)str_copy(marker.store_uuid, sizeof marker.store_uuid, uuid);
    (void)str_copy(marker.pool_uuid, sizeof marker.pool_uuid, pool);
    struct error ignored = ERROR_INIT;
    if (created != NULL)
        (void)clock_parse_utc(created, &marker.created_at, &ignored);
    if (allow != NULL && num_parse_bool(allow, &marker.allow_root_fs, err) != 0)
        return bad_file(store, MARKER_FILE, err);
    if (accepted != NULL)
        (void)str_copy(marker.accepted, sizeof marker.accepted, accepted);
    *ret_marker = marker;
    return 1;
}

int marker_write(struct store *store, const struct marker *marker, struct error *err)
{
    struct error own_err = ERROR_INIT;
    err = err != NULL ? err : &own_err;
    struct marker old;
    int found = marker_read(store, &old, err);
    if (found == 1)
        return error_set(err, ERROR_EXISTS, "%s is marked already, as the store %s of the pool %s",
                         store_root(store), old.store_uuid, old.pool_uuid);
    return found < 0 ? -1 : marker_rewrite(store, marker, err);
}

int marker_rewrite(struct store *store, const struct marker *marker, struct error *err)
{
    CLEAN_FD int own = -1;
    if (store_open_own(store, true, &own, err) != 0)
        return -1;
    char created[CLOCK_ISO_MAX];
    CLEAN_CHAR char *text =
        str_format("onyxpool_store=1\nstore_uuid=%s\npool_uuid=%s\ncreated=%s\nallow_root_fs=%s\n"
                   "accepted=%s\n",
                   marker->store_uuid, marker->pool_uuid,
                   clock_format_utc(marker->created_at, created),
                   marker->allow_root_fs ? "yes" : "no", marker->accepted);
    return store_replace_small(store, own, MARKER_FILE, 0644, text, strlen(text), err);
}

int marker_check(struct store *store, const char *pool_uuid, struct marker *ret_marker,
                 struct error *err)
{
    struct marker marker;
    int found = marker_read(store, &marker, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_STORE_MISSING,
                         "%s is not marked as a store: mount its share, or run onyxpool init-store "
                         "-d %s if backups shall go there",
                         store_root(store), store_root(store));
    if (pool_uuid != NULL && strcmp(pool_uuid, marker.pool_uuid) != 0)
        return error_set(err, ERROR_STORE_FOREIGN,
                         "%s is the store of another pool (%s): choose another folder with -d",
                         store_root(store), marker.pool_uuid);
    bool is_on_root = false;
    if (!marker.allow_root_fs) {
        if (store_is_on_root_device(store, &is_on_root, err) != 0)
            return -1;
        if (is_on_root)
            return error_set(err, ERROR_STORE_MISSING,
                             "%s lies on the device of /: mount its share, or allow this by "
                             "onyxpool init-store --allow-root-fs -d %s",
                             store_root(store), store_root(store));
    }
    *ret_marker = marker;
    return 0;
}

int marker_judge_mount(const struct marker *marker, const struct mount *mount,
                       enum mount_kind share, const char *root, struct error *err)
{
    if (mount_is_share(mount, share) ||
        (marker->accepted[0] != '\0' && str_equal(marker->accepted, mount->type)))
        return 0;
    return error_set(err, ERROR_STORE_MISSING,
                     "%s lies on %s (mounted at %s), not on a mounted %s share as share_type says. "
                     "Mount the share, or set share_type, or accept what is there by onyxpool "
                     "init-store -d %s",
                     root, mount->type, mount->point, mount_kind_name(share), root);
}

int marker_read_nonce(struct store *store, struct marker_nonce *ret_nonce, struct error *err)
{
    CLEAN_TEXT_MAP struct text_map map = TEXT_MAP_INIT;
    int found = read_own(store, MARKER_NONCE_FILE, &map, err);
    if (found != 1)
        return found;
    const char *run = text_map_get(&map, "run");
    const char *nonce = text_map_get(&map, "nonce");
    unsigned char bytes[NONCE_BYTES];
    struct error ignored = ERROR_INIT;
    if (!str_equal(text_map_get(&map, "onyxpool_nonce"), "1") || run == NULL || nonce == NULL ||
        !job_id_is_valid(run) || num_parse_hex(nonce, bytes, sizeof bytes, &ignored) != 0)
        return bad_file(store, MARKER_NONCE_FILE, err);
    (void)str_copy(ret_nonce->run, sizeof ret_nonce->run, run);
    (void)str_copy(ret_nonce->nonce, sizeof ret_nonce->nonce, nonce);
    return 1;
}

int marker_write_nonce(struct store *store, const char *run, const struct random *random,
                       struct marker_nonce *ret_nonce, struct error *err)
{
    struct marker_nonce nonce = {{0}, {0}};
    unsigned char bytes[NONCE_BYTES];
    if (!job_id_is_valid(run))
        return error_set(err, ERROR_INTERNAL, "'%s' is no run's id", run);
    random_fill(random, bytes, sizeof bytes);
    (void)str_copy(nonce.run, sizeof nonce.run, run);
    num_format_hex(bytes, sizeof bytes, nonce.nonce);
    CLEAN_CHAR char *text =
        str_format("onyxpool_nonce=1\nrun=%s\nnonce=%s\n", nonce.run, nonce.nonce);
    CLEAN_FD int own = -1;
    if (store_open_own(store, true, &own, err) != 0 ||
        store_replace_small(store, own, MARKER_NONCE_FILE, 0644, text, strlen(text), err) != 0)
        return -1;
    *ret_nonce = nonce;
    return 0;
}

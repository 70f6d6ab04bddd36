/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The registry of disks by uuid, and the calls on one disk.
 *
 * Locks: disks->lock guards the table and the reference counts of disks; a disk's own lock guards
 * its top layer, so a write and a snapshot of one disk exclude each other and a snapshot is one
 * instant. The table's lock may be taken while a disk's is held, never the other way round.
 */
#include "tests/poolsim/disks.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "tests/poolsim/layer.h"

#include "common/base/poison.h"

#define READ_BYTES (UINT64_C(1) << 20)

struct disk {
    struct disk *next; /* in the table's chain */
    unsigned refs;
    struct disks *owner;
    char uuid[DISK_UUID_MAX];
    pthread_mutex_t lock;
    struct layer *top;
    uint64_t size_bytes;
    bool is_dropped;
    enum disk_fault fault;
    uint64_t fault_at;
};

/* A file system made of one folder at one size is one layer for all disks that ask for it. */
struct shared_bottom {
    char *folder;
    uint64_t size_bytes;
    struct layer *layer;
};

struct disks {
    char *dir;
    pthread_mutex_t lock;
    struct disk **table;
    size_t table_n; /* a power of two */
    size_t n;
    uint64_t files_n; /* numbers the layers' files */
    struct shared_bottom *bottoms;
    size_t bottoms_n, bottoms_cap;
};

static bool is_ours(const char *name)
{
    char uuid[DISK_UUID_MAX];
    if (strlen(name) < DISK_UUID_MAX)
        return false;
    memcpy(uuid, name, DISK_UUID_MAX - 1);
    uuid[DISK_UUID_MAX - 1] = '\0';
    return uuid_is_valid(uuid) && (str_ends(name, ".raw") || str_ends(name, ".ext4"));
}

static int remove_old_files(const char *dir, struct error *err)
{
    DIR *folder = opendir(dir);
    const struct dirent *entry;
    if (!folder)
        return error_set_sys(err, ERROR_IO, errno, "open the folder %s", dir);
    while ((entry = readdir(folder)) != NULL)
        if (is_ours(entry->d_name))
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    return 0;
}

int disks_open(const char *dir, struct disks **ret_disks, struct error *err)
{
    CLEAN_CHAR char *inside = str_format("%s/disks", dir);
    if ((mkdir(dir, 0700) != 0 && errno != EEXIST) || (mkdir(inside, 0700) != 0 && errno != EEXIST))
        return error_set_sys(err, ERROR_IO, errno, "make the disks' folder %s", inside);
    if (remove_old_files(inside, err) != 0)
        return -1;
    struct disks *disks = mem_zero(1, sizeof *disks);
    disks->dir = mem_dup(inside);
    disks->table_n = 1024;
    disks->table = mem_zero(disks->table_n, sizeof(struct disk *));
    pthread_mutex_init(&disks->lock, NULL);
    *ret_disks = disks;
    return 0;
}

static void disk_free(struct disk *disk)
{
    layer_release(disk->top);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}

static void drop_ref(struct disk *disk)
{
    struct disks *disks = disk->owner;
    pthread_mutex_lock(&disks->lock);
    bool is_last = --disk->refs == 0;
    pthread_mutex_unlock(&disks->lock);
    if (is_last)
        disk_free(disk);
}

void disks_free(struct disks *disks)
{
    if (!disks)
        return;
    for (size_t i = 0; i < disks->table_n; i++) {
        while (disks->table[i]) {
            struct disk *disk = disks->table[i];
            disks->table[i] = disk->next;
            disk_free(disk);
        }
    }
    for (size_t i = 0; i < disks->bottoms_n; i++) {
        layer_release(disks->bottoms[i].layer);
        free(disks->bottoms[i].folder);
    }
    pthread_mutex_destroy(&disks->lock);
    free(disks->bottoms);
    free(disks->table);
    free(disks->dir);
    free(disks);
}

static size_t table_slot(const char *uuid, size_t table_n)
{
    uint64_t hash = UINT64_C(1469598103934665603);
    for (; *uuid; uuid++)
        hash = (hash ^ (unsigned char)*uuid) * UINT64_C(1099511628211);
    return (size_t)(hash ^ (hash >> 32)) & (table_n - 1);
}

static struct disk **table_find(struct disks *disks, const char *uuid)
{
    struct disk **at = &disks->table[table_slot(uuid, disks->table_n)];
    while (*at && strcmp((*at)->uuid, uuid) != 0)
        at = &(*at)->next;
    return at;
}

static void table_grow(struct disks *disks)
{
    size_t table_n = disks->table_n * 2;
    struct disk **table = mem_zero(table_n, sizeof(struct disk *));
    for (size_t i = 0; i < disks->table_n; i++) {
        while (disks->table[i]) {
            struct disk *disk = disks->table[i];
            size_t slot = table_slot(disk->uuid, table_n);
            disks->table[i] = disk->next;
            disk->next = table[slot];
            table[slot] = disk;
        }
    }
    free(disks->table);
    disks->table = table;
    disks->table_n = table_n;
}

/* Put a disk with this top (taken in every case) into the table. */
static int table_add_take(struct disks *disks, const char *uuid, uint64_t size_bytes,
                          struct layer *top, struct error *err)
{
    struct disk *disk = mem_zero(1, sizeof *disk);
    disk->refs = 1;
    disk->owner = disks;
    disk->top = top;
    disk->size_bytes = size_bytes;
    pthread_mutex_init(&disk->lock, NULL);
    bool fits = str_copy(disk->uuid, sizeof disk->uuid, uuid);
    pthread_mutex_lock(&disks->lock);
    if (disks->n > disks->table_n * 2)
        table_grow(disks);
    struct disk **at = table_find(disks, uuid);
    bool is_new = fits && !*at;
    if (is_new) {
        *at = disk;
        disks->n++;
    }
    pthread_mutex_unlock(&disks->lock);
    if (is_new)
        return 0;
    disk_free(disk);
    return error_set(err, fits ? ERROR_EXISTS : ERROR_BAD_INPUT, "disk %s %s", uuid,
                     fits ? "exists" : "has no uuid as its name");
}

static char *new_path(struct disks *disks, const char *uuid, const char *end)
{
    pthread_mutex_lock(&disks->lock);
    uint64_t number = disks->files_n++;
    pthread_mutex_unlock(&disks->lock);
    return str_format("%s/%s-%llu.%s", disks->dir, uuid, (unsigned long long)number, end);
}

/* Called at the start, from one thread. */
static struct layer *bottom_find_shared(struct disks *disks, const struct content_spec *spec,
                                        uint64_t size_bytes)
{
    struct layer *found = NULL;
    pthread_mutex_lock(&disks->lock);
    for (size_t i = 0; i < disks->bottoms_n && !found; i++)
        if (disks->bottoms[i].size_bytes == size_bytes &&
            strcmp(disks->bottoms[i].folder, spec->path) == 0)
            found = layer_ref(disks->bottoms[i].layer);
    pthread_mutex_unlock(&disks->lock);
    return found;
}

static void bottom_share(struct disks *disks, const struct content_spec *spec, struct layer *layer)
{
    pthread_mutex_lock(&disks->lock);
    disks->bottoms =
        mem_grow(disks->bottoms, &disks->bottoms_cap, disks->bottoms_n + 1, sizeof *disks->bottoms);
    disks->bottoms[disks->bottoms_n++] = (struct shared_bottom){
        .folder = mem_dup(spec->path), .size_bytes = layer->size_bytes, .layer = layer_ref(layer)};
    layer->is_frozen = true;
    pthread_mutex_unlock(&disks->lock);
}

int disks_add(struct disks *disks, const char *uuid, uint64_t size_bytes,
              const struct content_spec *spec, struct error *err)
{
    bool is_made = spec && spec->kind == CONTENT_EXT4;
    struct layer *layer = is_made ? bottom_find_shared(disks, spec, size_bytes) : NULL;
    if (!layer) {
        struct content *content = NULL;
        CLEAN_CHAR char *made = is_made ? new_path(disks, uuid, "ext4") : NULL;
        if (content_open(spec, size_bytes, made, &content, err) != 0)
            return error_add(err, "disk %s", uuid);
        layer = layer_new_bottom_take(content, size_bytes, new_path(disks, uuid, "raw"));
        if (is_made)
            bottom_share(disks, spec, layer);
    }
    return table_add_take(disks, uuid, size_bytes, layer, err);
}

struct disk *disks_find(struct disks *disks, const char *uuid)
{
    pthread_mutex_lock(&disks->lock);
    struct disk *disk = *table_find(disks, uuid);
    if (disk)
        disk->refs++;
    pthread_mutex_unlock(&disks->lock);
    return disk;
}

void disk_release(struct disk **disk)
{
    if (*disk)
        drop_ref(*disk);
    *disk = NULL;
}

static int find(struct disks *disks, const char *uuid, struct disk **ret_disk, struct error *err)
{
    struct disk *disk = disks_find(disks, uuid);
    if (!disk)
        return error_set(err, ERROR_NOT_FOUND, "there is no disk %s", uuid);
    *ret_disk = disk;
    return 0;
}

int disks_snapshot(struct disks *disks, const char *uuid, const char *new_uuid, struct error *err)
{
    CLEAN_DISK struct disk *disk = NULL;
    if (find(disks, uuid, &disk, err) != 0)
        return -1;
    pthread_mutex_lock(&disk->lock);
    disk->top->is_frozen = true;
    struct layer *shared = layer_ref(disk->top);
    uint64_t size_bytes = disk->size_bytes;
    pthread_mutex_unlock(&disk->lock);
    return table_add_take(disks, new_uuid, size_bytes, shared, err);
}

static int copy_bytes(struct disk *from, struct disk *to, struct error *err)
{
    unsigned char *bytes = mem_try(READ_BYTES, err);
    int failed = bytes ? 0 : -1;
    for (uint64_t at = 0; !failed && at < from->size_bytes; at += READ_BYTES) {
        uint64_t left = from->size_bytes - at;
        size_t n = (size_t)(left < READ_BYTES ? left : READ_BYTES);
        if (!disk_has_data(from, at, n))
            continue;
        failed = disk_read(from, at, bytes, n, err) != 0 || disk_write(to, at, bytes, n, err) != 0;
    }
    free(bytes);
    return failed ? -1 : 0;
}

int disk_copy_into(struct disk *from, struct disk *base, struct disk *to, struct error *err)
{
    unsigned char *bytes = mem_try(DISK_CLUSTER_BYTES, err);
    int failed = bytes ? 0 : -1;
    for (uint64_t at = 0; !failed && at < from->size_bytes; at += DISK_CLUSTER_BYTES) {
        uint64_t left = from->size_bytes - at;
        size_t n = (size_t)(left < DISK_CLUSTER_BYTES ? left : DISK_CLUSTER_BYTES);
        bool is_wanted = base ? disk_cluster_differs(from, base, at / DISK_CLUSTER_BYTES)
                              : disk_has_data(from, at, n) || disk_has_data(to, at, n);
        if (is_wanted)
            failed = disk_read(from, at, bytes, n, err) || disk_write(to, at, bytes, n, err);
    }
    free(bytes);
    return failed ? -1 : 0;
}

int disks_copy(struct disks *disks, const char *uuid, const char *new_uuid, struct error *err)
{
    CLEAN_DISK struct disk *from = NULL;
    CLEAN_DISK struct disk *to = NULL;
    if (find(disks, uuid, &from, err) != 0 ||
        disks_add(disks, new_uuid, from->size_bytes, NULL, err) != 0 ||
        find(disks, new_uuid, &to, err) != 0)
        return -1;
    if (copy_bytes(from, to, err) == 0)
        return 0;
    (void)disks_remove(disks, new_uuid, NULL);
    return error_add(err, "copy disk %s", uuid);
}

int disks_remove(struct disks *disks, const char *uuid, struct error *err)
{
    pthread_mutex_lock(&disks->lock);
    struct disk **at = table_find(disks, uuid);
    struct disk *disk = *at;
    if (disk) {
        *at = disk->next;
        disks->n--;
    }
    pthread_mutex_unlock(&disks->lock);
    if (!disk)
        return error_set(err, ERROR_NOT_FOUND, "there is no disk %s", uuid);
    drop_ref(disk);
    return 0;
}

int disks_drop_data(struct disks *disks, const char *uuid, struct error *err)
{
    CLEAN_DISK struct disk *disk = NULL;
    if (find(disks, uuid, &disk, err) != 0)
        return -1;
    pthread_mutex_lock(&disk->lock);
    disk->is_dropped = true;
    pthread_mutex_unlock(&disk->lock);
    return 0;
}

/* Make the top a layer that this disk alone may write. Called with the disk's lock. */
static void own_top(struct disk *disk)
{
    if (disk->top->is_frozen)
        disk->top = layer_new_over_take(disk->top, disk->size_bytes,
                                        new_path(disk->owner, disk->uuid, "raw"));
}

int disks_resize(struct disks *disks, const char *uuid, uint64_t size_bytes, struct error *err)
{
    CLEAN_DISK struct disk *disk = NULL;
    if (find(disks, uuid, &disk, err) != 0)
        return -1;
    pthread_mutex_lock(&disk->lock);
    disk->size_bytes = size_bytes;
    /* A bottom keeps its size: its content must not show behind the former end. */
    disk->top->is_frozen = disk->top->is_frozen || disk->top->content != NULL;
    own_top(disk);
    layer_resize(disk->top, size_bytes);
    pthread_mutex_unlock(&disk->lock);
    return 0;
}

int disks_write(struct disks *disks, const char *uuid, uint64_t offset, const void *bytes, size_t n,
                struct error *err)
{
    CLEAN_DISK struct disk *disk = NULL;
    if (find(disks, uuid, &disk, err) != 0)
        return -1;
    return disk_write(disk, offset, bytes, n, err);
}

int disks_sha256(struct disks *disks, const char *uuid, char *text, struct error *err)
{
    CLEAN_DISK struct disk *disk = NULL;
    unsigned char digest[32];
    if (find(disks, uuid, &disk, err) != 0)
        return -1;
    unsigned char *bytes = mem_try(READ_BYTES, err);
    if (!bytes)
        return -1;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    int failed = EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1
                     ? error_set(err, ERROR_INTERNAL, "sha256 is not to be had")
                     : 0;
    for (uint64_t at = 0; !failed && at < disk_size(disk); at += READ_BYTES) {
        uint64_t left = disk_size(disk) - at;
        size_t n = (size_t)(left < READ_BYTES ? left : READ_BYTES);
        failed = disk_read(disk, at, bytes, n, err);
        if (!failed)
            EVP_DigestUpdate(hash, bytes, n);
    }
    if (!failed) {
        EVP_DigestFinal_ex(hash, digest, NULL);
        num_format_hex(digest, sizeof digest, text);
    }
    EVP_MD_CTX_free(hash);
    free(bytes);
    return failed;
}

uint64_t disks_physical_bytes(struct disks *disks, const char *uuid)
{
    CLEAN_DISK struct disk *disk = disks_find(disks, uuid);
    uint64_t clusters = 0;
    if (!disk)
        return 0;
    pthread_mutex_lock(&disk->lock);
    for (uint64_t at = 0; at < disk->size_bytes; at += DISK_CLUSTER_BYTES)
        for (const struct layer *layer = disk->top;
             layer && !disk->is_dropped && atomic_load(&layer->refs) == 1; layer = layer->parent)
            if (layer_has_range(layer, at, DISK_CLUSTER_BYTES))
                clusters++;
    pthread_mutex_unlock(&disk->lock);
    return clusters * (DISK_CLUSTER_BYTES + 512);
}

int disks_set_fault(struct disks *disks, const char *uuid, enum disk_fault fault, uint64_t offset,
                    struct error *err)
{
    CLEAN_DISK struct disk *disk = NULL;
    if (find(disks, uuid, &disk, err) != 0)
        return -1;
    pthread_mutex_lock(&disk->lock);
    disk->fault = fault;
    disk->fault_at = offset;
    pthread_mutex_unlock(&disk->lock);
    return 0;
}

uint64_t disk_size(const struct disk *disk)
{
    return disk->size_bytes;
}

static int check_range(const struct disk *disk, uint64_t offset, size_t n, struct error *err)
{
    if (offset <= disk->size_bytes && n <= disk->size_bytes - offset)
        return 0;
    return error_set(err, ERROR_LIMIT, "%zu bytes at %llu are beyond the end of disk %s", n,
                     (unsigned long long)offset, disk->uuid);
}

static int check_fault(const struct disk *disk, uint64_t offset, size_t n, struct error *err)
{
    if (disk->is_dropped)
        return error_set(err, ERROR_IO, "disk %s has no data any more", disk->uuid);
    if (disk->fault == DISK_FAULT_NONE || offset + n <= disk->fault_at)
        return 0;
    if (disk->fault == DISK_FAULT_SHORT)
        return error_set(err, ERROR_SHORT, "disk %s ends too early", disk->uuid);
    return error_set_sys(err, ERROR_IO, EIO, "read disk %s", disk->uuid);
}

int disk_read(struct disk *disk, uint64_t offset, void *bytes, size_t n, struct error *err)
{
    pthread_mutex_lock(&disk->lock);
    int failed = check_range(disk, offset, n, err) != 0 || check_fault(disk, offset, n, err) != 0 ||
                 layer_read(disk->top, offset, bytes, n, err) != 0;
    pthread_mutex_unlock(&disk->lock);
    return failed ? -1 : 0;
}

int disk_write(struct disk *disk, uint64_t offset, const void *bytes, size_t n, struct error *err)
{
    pthread_mutex_lock(&disk->lock);
    int failed = check_range(disk, offset, n, err);
    if (!failed && n > 0) {
        own_top(disk);
        failed = layer_write(disk->top, offset, bytes, n, err);
    }
    pthread_mutex_unlock(&disk->lock);
    return failed;
}

bool disk_has_data(struct disk *disk, uint64_t offset, uint64_t n)
{
    bool has = false;
    pthread_mutex_lock(&disk->lock);
    for (const struct layer *layer = disk->top; layer && !has; layer = layer->parent)
        has = layer_has_range(layer, offset, n);
    pthread_mutex_unlock(&disk->lock);
    return has;
}

/* The top as a counted reference: frozen layers below it can be walked without a lock. */
static struct layer *take_top(struct disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    struct layer *top = layer_ref(disk->top);
    pthread_mutex_unlock(&disk->lock);
    return top;
}

static bool differs_above(const struct layer *top, const struct layer *common, uint64_t offset,
                          uint64_t n)
{
    for (const struct layer *layer = top; layer && layer != common; layer = layer->parent)
        if (layer_has_range(layer, offset, n))
            return true;
    return false;
}

bool disk_cluster_differs(struct disk *disk, struct disk *base, uint64_t index)
{
    struct layer *a = take_top(disk);
    struct layer *b = take_top(base);
    const struct layer *common = layer_common(a, b);
    uint64_t at = index * DISK_CLUSTER_BYTES;
    bool differs = differs_above(a, common, at, DISK_CLUSTER_BYTES) ||
                   differs_above(b, common, at, DISK_CLUSTER_BYTES);
    layer_release(a);
    layer_release(b);
    return differs;
}

size_t disk_changed_bytes(const struct disk *disk)
{
    uint64_t grains = (disk->size_bytes + DISK_GRAIN_BYTES - 1) / DISK_GRAIN_BYTES;
    return (size_t)((grains + 31) / 32 * 4);
}

void disk_changed_grains(struct disk *from, struct disk *to, unsigned char *bytes)
{
    struct layer *a = take_top(from);
    struct layer *b = take_top(to);
    const struct layer *common = layer_common(a, b);
    uint64_t grains = (to->size_bytes + DISK_GRAIN_BYTES - 1) / DISK_GRAIN_BYTES;
    memset(bytes, 0, disk_changed_bytes(to));
    for (uint64_t grain = 0; grain < grains; grain++) {
        uint64_t at = grain * DISK_GRAIN_BYTES;
        if (!common || differs_above(a, common, at, DISK_GRAIN_BYTES) ||
            differs_above(b, common, at, DISK_GRAIN_BYTES))
            bytes[grain / 8] = (unsigned char)(bytes[grain / 8] | (0x80U >> (grain % 8)));
    }
    layer_release(a);
    layer_release(b);
}

void disk_layer_uuid(struct disk *disk, unsigned char uuid[16])
{
    pthread_mutex_lock(&disk->lock);
    memcpy(uuid, disk->top->uuid, 16);
    pthread_mutex_unlock(&disk->lock);
}

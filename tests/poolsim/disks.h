/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The disks behind the VDIs of a simulated pool: their bytes, and nothing XAPI says about them.
 *
 * A disk is a chain of layers as VHDs form one: the bottom is a content, each layer above holds
 * what was written since. Snapshot and clone freeze the writable layer and share it, so the guest
 * goes on writing and the snapshot does not move. A layer has a file (sparse, in the folder) only
 * once something was written to it: thousands of disks cost a few hundred bytes each.
 *
 * Disks are named by VDI uuid. A struct disk got by disks_find is a counted reference: it can
 * still be read after disks_remove, as an open device can. All calls are safe from any thread.
 */
#ifndef ONYX_TESTS_POOLSIM_DISKS_H
#define ONYX_TESTS_POOLSIM_DISKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "tests/poolsim/content.h"

struct error;
struct disks;
struct disk;

#define DISK_CLUSTER_BYTES (UINT64_C(2) << 20)  /* unit of allocation, as a VHD's block */
#define DISK_GRAIN_BYTES   (UINT64_C(64) << 10) /* unit of copy on write and of changed blocks */
#define DISK_UUID_MAX      37
#define DISK_SHA256_MAX    65

/* dir is made if it is not there; files of an earlier pool in it are removed. */
int disks_open(const char *dir, struct disks **ret_disks, struct error *err);
void disks_free(struct disks *disks); /* after the last disk_release; the files stay */

/* A new disk; spec NULL is zero. ERROR_EXISTS, and content_open's errors. */
int disks_add(struct disks *disks, const char *uuid, uint64_t size_bytes,
              const struct content_spec *spec, struct error *err);

/* A disk with the bytes that uuid has at this instant; both can be written from then on. */
int disks_snapshot(struct disks *disks, const char *uuid, const char *new_uuid, struct error *err);

/* As disks_snapshot, but the bytes are copied: no layer is shared (VDI.copy). */
int disks_copy(struct disks *disks, const char *uuid, const char *new_uuid, struct error *err);

/* The bytes of one disk written into another that is not smaller; with a base, only the clusters in
 * which from differs from it (VDI.copy with into_vdi). */
int disk_copy_into(struct disk *from, struct disk *base, struct disk *to, struct error *err);

/* Forget the name; bytes go with the last reference and the last disk that shares them. */
int disks_remove(struct disks *disks, const char *uuid, struct error *err);

/* VDI.data_destroy: from now on reads fail, disk_changed_grains still works. */
int disks_drop_data(struct disks *disks, const char *uuid, struct error *err);

int disks_resize(struct disks *disks, const char *uuid, uint64_t size_bytes, struct error *err);

/* What a guest writes. ERROR_LIMIT beyond the end. */
int disks_write(struct disks *disks, const char *uuid, uint64_t offset, const void *bytes, size_t n,
                struct error *err);

/* Lower-case sha256 of all bytes. text has DISK_SHA256_MAX bytes. */
int disks_sha256(struct disks *disks, const char *uuid, char *text, struct error *err);

/* Bytes that a VHD of its own would take (clusters allocated by layers nobody shares): VDI
 * physical_utilisation. 0 for an unknown uuid. */
uint64_t disks_physical_bytes(struct disks *disks, const char *uuid);

/* NULL when there is none. disk_release the result. */
struct disk *disks_find(struct disks *disks, const char *uuid);
void disk_release(struct disk **disk);
#define CLEAN_DISK CLEANUP(disk_release)

uint64_t disk_size(const struct disk *disk);

/* ERROR_LIMIT beyond the end, ERROR_IO (also once the data are dropped), ERROR_SHORT when the file
 * behind it is shorter than it was (disks_set_fault, or a file cut by a test). */
int disk_read(struct disk *disk, uint64_t offset, void *bytes, size_t n, struct error *err);
int disk_write(struct disk *disk, uint64_t offset, const void *bytes, size_t n, struct error *err);

/* Whether some layer allocates the range: false means that it reads as zero. */
bool disk_has_data(struct disk *disk, uint64_t offset, uint64_t n);

/* Whether cluster number index is allocated in a layer that only one of the two chains has, which
 * is what export_raw_vdi with base= sends. Source: contract 7, base=. */
bool disk_cluster_differs(struct disk *disk, struct disk *base, uint64_t index);

/* One bit per 64 KiB grain, most significant first, 1 = written between the two; bytes has
 * disk_changed_bytes(to) bytes. Source: contract 8.2. */
size_t disk_changed_bytes(const struct disk *disk);
void disk_changed_grains(struct disk *from, struct disk *to, unsigned char *bytes);

/* The uuid of the writable layer's file, which a differencing VHD names as its parent. */
void disk_layer_uuid(struct disk *disk, unsigned char uuid[16]);

/* A fault of the device: reads that touch offset or what is behind it fail so. */
enum disk_fault { DISK_FAULT_NONE, DISK_FAULT_EIO, DISK_FAULT_SHORT };
int disks_set_fault(struct disks *disks, const char *uuid, enum disk_fault fault, uint64_t offset,
                    struct error *err);

#endif

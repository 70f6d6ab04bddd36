/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What calls do to VMs and disks, for each other and for handlers.
 *
 * Lock: held; functions that take a reference may give it up while they wait. On -1 the failure is
 *       set and nothing is left half-made.
 */
#ifndef ONYX_TESTS_POOLSIM_BEHAVIOUR_H
#define ONYX_TESTS_POOLSIM_BEHAVIOUR_H

#include "tests/poolsim/failure.h"
#include "tests/poolsim/store.h"

struct error;

#define WAIT_NORMAL_MS (7200 * 1000) /* how long XAPI itself waits for another operation */

/* --- vdi.c --- */

/* MIRROR is FULL of a disk that may be in use (storage migration). */
enum vdi_copy { VDI_COPY_SNAPSHOT, VDI_COPY_CLONE, VDI_COPY_FULL, VDI_COPY_MIRROR };

/* A VDI from this one. task_ref: key of its current_operations meanwhile. sr_ref NULL: the same. */
int vdi_duplicate(struct pool *pool, const char *vdi_ref, enum vdi_copy how, const char *sr_ref,
                  const char *task_ref, struct failure *failure, char ret_ref[REF_MAX]);

/* The VDI, its disk and its VBDs. */
int vdi_destroy(struct pool *pool, const char *vdi_ref, struct failure *failure);

/* A record for a disk that is there or made by the caller under the object's uuid. */
struct object *vdi_make(struct pool *pool, const char *sr_ref, const char *uuid, const char *name,
                        int64_t size_bytes, const char *type);

/* "CBT metadata" for cbt_metadata, as error parameters have it. Source: record_util.ml. */
const char *vdi_type_name(const char *type);

/* other_config content_id: its bytes are no longer those of before. */
void vdi_renew_content(struct pool *pool, const char *vdi_ref);

/* physical_utilisation of the VDI and of its SR, and the SR's virtual_allocation. */
void vdi_recount(struct pool *pool, const char *vdi_ref);
void sr_recount(struct pool *pool, const char *sr_ref);

/* Room for bytes more? SR_BACKEND_FAILURE_44. */
int sr_check_space(struct pool *pool, const char *sr_ref, int64_t bytes, struct failure *failure);

/* An error of a disk as SM reports it: SR_BACKEND_FAILURE_44 for no space, 46 otherwise. */
int sr_backend_failure(struct failure *failure, const struct error *err);

/* --- device.c --- */

struct object *vbd_make(struct pool *pool, const char *vm_ref, const char *vdi_ref,
                        const char *userdevice, const char *type, const char *mode);
struct object *vif_make(struct pool *pool, const char *vm_ref, const char *network_ref,
                        const char *device, const char *mac);
/* Whether a VBD of the VM has this userdevice; the lowest number that none has. */
bool vbd_has_device(struct pool *pool, const struct object *vm, const char *device);
int vbd_free_device(struct pool *pool, const struct object *vm);
/* Two VMs at once can only read a disk that is not sharable, dom0 aside. VDI_IN_USE with the VDI
 * alone, VDI_READONLY. */
int vbd_check_sharing(struct pool *pool, const struct object *vbd, struct failure *failure);
/* The name that the guest gives the device: "xvda", empty while it is not plugged. */
void vbd_name_device(struct pool *pool, struct object *vbd, bool is_plugged);
/* dom0's VBD while it reads a disk, as export makes one; detaching deletes it. */
struct object *vbd_attach_to_dom0(struct host *host, const char *vdi_ref, bool is_writable);
void vbd_detach_from_dom0(struct pool *pool, const char *vbd_ref);

/* --- vm.c --- */

/* Fields as a fresh VM.create leaves them: mac_seed, metrics, memory_overhead, generation_id. */
struct object *vm_make(struct pool *pool, const char *uuid, const char *name);
void vm_renew_generation(struct pool *pool, struct object *vm); /* generation_id */
void vm_delete(struct pool *pool, struct object *vm); /* with VBDs, VIFs, metrics; not the disks */
/* Every value but the identity, back references and current operations. */
void object_copy_values(struct pool *pool, const struct object *from, struct object *to);
char *vm_format_snapshot_metadata(const struct object *vm);

/* --- vm_power.c --- */

/* Change of power state with everything that follows: resident_on, domid, devices, metrics. */
void vm_set_running(struct pool *pool, struct object *vm, struct host *host);
void vm_set_halted(struct pool *pool, struct object *vm);
/* With a suspend VDI, if some SR takes one and the VM has none yet. */
void vm_set_suspended(struct pool *pool, struct object *vm);
/* A VDI for the VM's memory: in its suspend_SR, its host's, the pool's, beside its first disk.
 * REF_NULL when there is no SR at all. */
int vm_make_suspend_image(struct pool *pool, const struct object *vm, char ret_ref[REF_MAX],
                          struct failure *failure);
void vm_drop_suspend_image(struct pool *pool, struct object *vm); /* as resume does */

/* --- vtpm.c --- */

bool vtpm_is_base64(const char *text);
/* Contents that are no base64 are left out. */
struct object *vtpm_make(struct pool *pool, const char *vm_ref, bool is_unique,
                         const char *contents);
/* As snapshot and clone do; the contents of a unique one can't be copied. */
void vtpm_copy_all(struct pool *pool, const char *from_vm, const char *to_vm);

/* --- message.c --- */

void message_add(struct pool *pool, const char *name, const char *class_name,
                 const struct object *object, const char *body);

#endif

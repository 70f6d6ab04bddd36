/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Objects that backups touch in passing: USB devices taken away before a snapshot, secrets that
 * device_config names, blobs.
 *
 * Source: xapi_vusb.ml, xapi_secret.ml, xapi_blob.ml.
 */
#include <string.h>

#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/value.h"

#include "common/base/poison.h"

/* Plugged is what a running VM's device is, here as there for as long as it exists. */
static bool is_plugged(struct pool *pool, const struct object *vusb)
{
    const struct object *vm = object_follow(pool, vusb, F_VUSB_VM);

    return vm && object_bool(vusb, F_VUSB_currently_attached) &&
           strcmp(object_text(vm, F_VM_power_state), "Running") == 0;
}

static int vusb_unplug(struct call *call)
{
    struct object *vusb = call_object(call, 0, CLASS_VUSB);

    if (!vusb)
        return -1;
    if (!is_plugged(call->pool, vusb))
        return failure_set(call->failure, "DEVICE_ALREADY_DETACHED", object_ref(vusb), NULL);
    object_set_bool(call->pool, vusb, F_VUSB_currently_attached, false);
    return 0;
}

static int vusb_destroy(struct call *call)
{
    struct object *vusb = call_object(call, 0, CLASS_VUSB);

    if (!vusb)
        return -1;
    if (is_plugged(call->pool, vusb))
        return failure_set(call->failure, "OPERATION_NOT_ALLOWED",
                           "VUSB is still attached to the VM", NULL);
    store_destroy(call->pool, vusb);
    return 0;
}

static int vusb_create(struct call *call)
{
    struct pool *pool = call->pool;
    const struct object *vm = call_object(call, 0, CLASS_VM);
    struct object *vusb;

    if (!vm)
        return -1;
    if (object_set(vm, F_VM_VUSBs)->n)
        return failure_set(call->failure, "TOO_MANY_VUSBS", "1", NULL);
    vusb = store_create(pool, CLASS_VUSB);
    object_set_text(pool, vusb, F_VUSB_VM, object_ref(vm));
    object_set_text(pool, vusb, F_VUSB_USB_group, call_text(call, 1));
    answer_text(call->answer, object_ref(vusb));
    return 0;
}

static int secret_create(struct call *call)
{
    struct pool *pool = call->pool;
    const json_t *record = call_value(call, 0);
    const char *value = json_string_value(json_object_get(record, "value"));
    struct object *secret;
    const char *key;
    json_t *item;

    if (!value)
        return failure_set(call->failure, "INTERNAL_ERROR",
                           "Server_helpers.Dispatcher_FieldNotFound(\"value\")", NULL);
    if (value_check_record(record, CLASS_secret, call->failure))
        return -1;
    secret = store_create(pool, CLASS_secret);
    object_set_text(pool, secret, F_secret_value, value);
    json_object_foreach(json_object_get(record, "other_config"), key, item)
        object_map_put(pool, secret, F_secret_other_config, key, json_string_value(item));
    answer_text(call->answer, object_ref(secret));
    return 0;
}

static int secret_destroy(struct call *call)
{
    struct object *secret = call_object(call, 0, CLASS_secret);

    if (!secret)
        return -1;
    store_destroy(call->pool, secret);
    return 0;
}

static int blob_create(struct call *call)
{
    struct object *blob = store_create(call->pool, CLASS_blob);

    object_set_text(call->pool, blob, F_blob_mime_type, call_text(call, 0));
    object_set_bool(call->pool, blob, F_blob_public, call_bool(call, 1));
    answer_text(call->answer, object_ref(blob));
    return 0;
}

static int blob_destroy(struct call *call)
{
    struct object *blob = call_object(call, 0, CLASS_blob);

    if (!blob)
        return -1;
    store_destroy(call->pool, blob);
    return 0;
}

const struct method_row minor_methods[] = {
    {"VUSB.create", vusb_create},       {"VUSB.unplug", vusb_unplug},
    {"VUSB.destroy", vusb_destroy},     {"secret.create", secret_create},
    {"secret.destroy", secret_destroy}, {"blob.create", blob_create},
    {"blob.destroy", blob_destroy},     {NULL, NULL},
};

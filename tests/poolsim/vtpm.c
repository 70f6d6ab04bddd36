/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VTPMs: a VM's secrets, which its archive carries.
 *
 * The contents stand in XAPI's table of secrets; here they are a field that no record shows.
 * Source: xapi_vtpm.ml.
 */
#include <string.h>

#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/rpc.h"

#include "common/base/poison.h"

bool vtpm_is_base64(const char *text)
{
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t padding = strspn(text + n, "=");

    return text[n + padding] == '\0' && padding <= 2 && (n + padding) % 4 == 0;
}

struct object *vtpm_make(struct pool *pool, const char *vm_ref, bool is_unique,
                         const char *contents)
{
    struct object *vtpm = store_create(pool, CLASS_VTPM);

    object_set_text(pool, vtpm, F_VTPM_VM, vm_ref);
    object_set_bool(pool, vtpm, F_VTPM_is_unique, is_unique);
    object_set_text(pool, vtpm, F_VTPM_contents, vtpm_is_base64(contents) ? contents : "");
    return vtpm;
}

void vtpm_copy_all(struct pool *pool, const char *from_vm, const char *to_vm)
{
    CLEAN_TEXT_LIST struct text_list vtpms = TEXT_LIST_INIT;

    text_list_copy(&vtpms, object_set(store_find(pool, CLASS_VM, from_vm), F_VM_VTPMs));
    for (size_t i = 0; i < vtpms.n; i++) {
        const struct object *vtpm = store_find(pool, CLASS_VTPM, vtpms.items[i]);
        bool is_unique = object_bool(vtpm, F_VTPM_is_unique);
        vtpm_make(pool, to_vm, is_unique, is_unique ? "" : object_text(vtpm, F_VTPM_contents));
    }
}

static int check_halted(struct call *call, const struct object *vm)
{
    const char *state = object_text(vm, F_VM_power_state);

    if (strcmp(state, "Halted") == 0)
        return 0;
    return failure_set(call->failure, "VM_BAD_POWER_STATE", object_ref(vm), "halted",
                       strcmp(state, "Running") == 0  ? "running"
                       : strcmp(state, "Paused") == 0 ? "paused"
                                                      : "suspended",
                       NULL);
}

static int create(struct call *call)
{
    const struct object *vm = call_object(call, 0, CLASS_VM);

    if (!vm)
        return -1;
    if (object_set(vm, F_VM_VTPMs)->n)
        return failure_set(call->failure, "VTPM_MAX_AMOUNT_REACHED", "1", NULL);
    if (check_halted(call, vm))
        return -1;
    answer_text(call->answer,
                object_ref(vtpm_make(call->pool, object_ref(vm), call_bool(call, 1), "")));
    return 0;
}

static int destroy(struct call *call)
{
    struct object *vtpm = call_object(call, 0, CLASS_VTPM);
    const struct object *vm = vtpm ? object_follow(call->pool, vtpm, F_VTPM_VM) : NULL;

    if (!vtpm || (vm && check_halted(call, vm)))
        return -1;
    store_destroy(call->pool, vtpm);
    return 0;
}

static int get_contents(struct call *call)
{
    const struct object *vtpm = call_object(call, 0, CLASS_VTPM);

    if (!vtpm)
        return -1;
    answer_text(call->answer, object_text(vtpm, F_VTPM_contents));
    return 0;
}

static int set_contents(struct call *call)
{
    struct object *vtpm = call_object(call, 0, CLASS_VTPM);

    if (!vtpm)
        return -1;
    if (!vtpm_is_base64(call_text(call, 1)))
        return failure_set(call->failure, "INTERNAL_ERROR",
                           "Invalid_argument(\"Base64: invalid character\")", NULL);
    object_set_text(call->pool, vtpm, F_VTPM_contents, call_text(call, 1));
    return 0;
}

const struct method_row vtpm_methods[] = {
    {"VTPM.create", create},
    {"VTPM.destroy", destroy},
    {"VTPM.get_contents", get_contents},
    {"VTPM.set_contents", set_contents},
    {NULL, NULL},
};

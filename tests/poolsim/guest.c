/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VM_guest_metrics: made at the first boot, filled by the tools.
 */
#include "tests/poolsim/guest.h"

#include <string.h>

#include "common/base/str.h"

#include "common/base/poison.h"

#define UNTOLD_OS "Debian GNU/Linux 12"

static struct object *metrics_of(struct pool *pool, struct object *vm)
{
    struct object *metrics = object_follow(pool, vm, F_VM_guest_metrics);
    char now[32];

    if (!metrics) {
        metrics = store_create(pool, CLASS_VM_guest_metrics);
        object_set_text(pool, vm, F_VM_guest_metrics, object_ref(metrics));
    }
    object_set_bool(pool, metrics, F_VM_guest_metrics_live, true);
    object_set_text(pool, metrics, F_VM_guest_metrics_last_updated,
                    pool_format_time(pool->master, now));
    return metrics;
}

void guest_report_tools(struct pool *pool, struct object *vm, const char *os)
{
    struct object *metrics = metrics_of(pool, vm);
    bool is_windows = strstr(os, "Windows");

    object_map_put(pool, metrics, F_VM_guest_metrics_os_version, "name", os);
    object_map_put(pool, metrics, F_VM_guest_metrics_os_version, "uname",
                   is_windows ? "" : "6.1.0-18-amd64");
    object_map_put(pool, metrics, F_VM_guest_metrics_os_version, "distro",
                   is_windows ? "windows" : "debian");
    object_map_put(pool, metrics, F_VM_guest_metrics_PV_drivers_version, "major", "7");
    object_map_put(pool, metrics, F_VM_guest_metrics_PV_drivers_version, "minor", "30");
    object_map_put(pool, metrics, F_VM_guest_metrics_networks, "0/ip", "192.0.2.10");
    object_set_bool(pool, metrics, F_VM_guest_metrics_PV_drivers_up_to_date, true);
    object_set_bool(pool, metrics, F_VM_guest_metrics_PV_drivers_detected, true);
    object_set_text(pool, metrics, F_VM_guest_metrics_can_use_hotplug_vbd, "yes");
    object_set_text(pool, metrics, F_VM_guest_metrics_can_use_hotplug_vif, "yes");
}

static bool has_disk(struct pool *pool, const struct object *vm)
{
    const struct text_list *vbds = object_set(vm, F_VM_VBDs);

    for (size_t i = 0; i < vbds->n; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, vbds->items[i]);
        if (vbd && strcmp(object_text(vbd, F_VBD_type), "Disk") == 0 &&
            object_follow(pool, vbd, F_VBD_VDI))
            return true;
    }
    return false;
}

void guest_boot(struct pool *pool, struct object *vm)
{
    struct object *old = object_follow(pool, vm, F_VM_guest_metrics);
    bool has_tools = old && object_bool(old, F_VM_guest_metrics_PV_drivers_detected);
    const char *told = old ? object_map_get(old, F_VM_guest_metrics_os_version, "name") : NULL;
    CLEAN_CHAR char *os = mem_dup(told ? told : UNTOLD_OS);

    if (old) {
        object_set_text(pool, vm, F_VM_guest_metrics, NULL);
        store_destroy(pool, old);
    }
    (void)metrics_of(pool, vm);
    if (has_tools || (pool->guests_report && has_disk(pool, vm)))
        guest_report_tools(pool, vm, os);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Records come from the store as XML text; the members that an export changes are replaced while
 * the text is copied, as the rules below say. What has no rule stays as it is, so references in
 * VM.children or VDI.snapshots are those of the pool: XAPI leaves them so.
 */
#include "tests/poolsim/ova.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

enum change {
    CHANGE_LOOKUP, /* a reference: the file's own, or null */
    CHANGE_FILTER, /* a set of references: those that are in the file */
    CHANGE_NO_SET,
    CHANGE_NO_MAP,
    CHANGE_NO_TEXT,
    CHANGE_NULL,
    CHANGE_FALSE,
    CHANGE_HALTED,
    CHANGE_EPOCH
};

enum when { WHEN_ALWAYS, WHEN_FULL, WHEN_METADATA, WHEN_NO_POWER, WHEN_POWER };

struct rule {
    enum class_id class;
    const char *field;
    enum change change;
    enum when when;
};

static const struct rule rules[] = {
    {CLASS_VM, "power_state", CHANGE_HALTED, WHEN_NO_POWER},
    {CLASS_VM, "suspend_VDI", CHANGE_NULL, WHEN_NO_POWER},
    {CLASS_VM, "suspend_VDI", CHANGE_LOOKUP, WHEN_POWER},
    {CLASS_VM, "is_a_snapshot", CHANGE_FALSE, WHEN_FULL},
    {CLASS_VM, "snapshot_of", CHANGE_NULL, WHEN_FULL},
    {CLASS_VM, "snapshot_of", CHANGE_LOOKUP, WHEN_METADATA},
    {CLASS_VM, "snapshots", CHANGE_NO_SET, WHEN_FULL},
    {CLASS_VM, "snapshot_time", CHANGE_EPOCH, WHEN_FULL},
    {CLASS_VM, "transportable_snapshot_id", CHANGE_NO_TEXT, WHEN_FULL},
    {CLASS_VM, "parent", CHANGE_NULL, WHEN_FULL},
    {CLASS_VM, "parent", CHANGE_LOOKUP, WHEN_METADATA},
    {CLASS_VM, "current_operations", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_VM, "allowed_operations", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_VM, "VIFs", CHANGE_FILTER, WHEN_ALWAYS},
    {CLASS_VM, "VBDs", CHANGE_FILTER, WHEN_ALWAYS},
    {CLASS_VM, "VGPUs", CHANGE_FILTER, WHEN_ALWAYS},
    {CLASS_VM, "VTPMs", CHANGE_FILTER, WHEN_ALWAYS},
    {CLASS_VM, "crash_dumps", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_VM, "resident_on", CHANGE_LOOKUP, WHEN_ALWAYS},
    {CLASS_VM, "affinity", CHANGE_LOOKUP, WHEN_ALWAYS},
    {CLASS_VM, "consoles", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_VM, "metrics", CHANGE_LOOKUP, WHEN_ALWAYS},
    {CLASS_VM, "guest_metrics", CHANGE_LOOKUP, WHEN_ALWAYS},
    {CLASS_VM, "protection_policy", CHANGE_NULL, WHEN_ALWAYS},
    {CLASS_VM, "blobs", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_VBD, "currently_attached", CHANGE_FALSE, WHEN_NO_POWER},
    {CLASS_VBD, "VDI", CHANGE_LOOKUP, WHEN_ALWAYS},
    {CLASS_VBD, "VM", CHANGE_LOOKUP, WHEN_ALWAYS},
    {CLASS_VBD, "metrics", CHANGE_NULL, WHEN_ALWAYS},
    {CLASS_VBD, "current_operations", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_VBD, "allowed_operations", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_VIF, "currently_attached", CHANGE_FALSE, WHEN_NO_POWER},
    {CLASS_VIF, "network", CHANGE_LOOKUP, WHEN_ALWAYS},
    {CLASS_VIF, "VM", CHANGE_LOOKUP, WHEN_ALWAYS},
    {CLASS_VIF, "metrics", CHANGE_NULL, WHEN_ALWAYS},
    {CLASS_VIF, "current_operations", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_VIF, "allowed_operations", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_network, "VIFs", CHANGE_FILTER, WHEN_ALWAYS},
    {CLASS_network, "PIFs", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_network, "current_operations", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_network, "allowed_operations", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_VDI, "VBDs", CHANGE_FILTER, WHEN_ALWAYS},
    {CLASS_VDI, "crash_dumps", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_VDI, "SR", CHANGE_LOOKUP, WHEN_ALWAYS},
    {CLASS_VDI, "current_operations", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_VDI, "allowed_operations", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_SR, "VDIs", CHANGE_FILTER, WHEN_ALWAYS},
    {CLASS_SR, "PBDs", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_SR, "current_operations", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_SR, "allowed_operations", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "PIFs", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "PBDs", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "PGPUs", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "PCIs", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "host_CPUs", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "license_params", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_host, "blobs", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_host, "external_auth_type", CHANGE_NO_TEXT, WHEN_ALWAYS},
    {CLASS_host, "external_auth_service_name", CHANGE_NO_TEXT, WHEN_ALWAYS},
    {CLASS_host, "external_auth_configuration", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_host, "metrics", CHANGE_NULL, WHEN_ALWAYS},
    {CLASS_host, "patches", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "crashdumps", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "logging", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_host, "supported_bootloaders", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "cpu_configuration", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_host, "other_config", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_host, "capabilities", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "software_version", CHANGE_NO_MAP, WHEN_ALWAYS},
    {CLASS_host, "sched_policy", CHANGE_NO_TEXT, WHEN_ALWAYS},
    {CLASS_host, "ha_statefiles", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "ha_network_peers", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "tags", CHANGE_NO_SET, WHEN_ALWAYS},
    {CLASS_host, "crash_dump_sr", CHANGE_LOOKUP, WHEN_ALWAYS},
    {CLASS_host, "suspend_image_sr", CHANGE_LOOKUP, WHEN_ALWAYS},
    {CLASS_host, "resident_VMs", CHANGE_FILTER, WHEN_ALWAYS},
};

static const enum class_id class_order[] = {
    CLASS_host, CLASS_VM,  CLASS_VM_metrics, CLASS_VM_guest_metrics,
    CLASS_VBD,  CLASS_VIF, CLASS_network,    CLASS_VDI,
    CLASS_SR,   CLASS_VTPM};

struct ref_entry {
    char ref[REF_MAX];
    char id[24];
};

struct walk {
    struct pool *pool;
    const struct ova_options *options;
    void *tree;               /* entries by reference */
    struct ref_entry **order; /* as they were met */
    size_t n, cap;
};

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct ref_entry *)a)->ref, ((const struct ref_entry *)b)->ref);
}

static const struct ref_entry *find_entry(const struct walk *walk, const char *ref)
{
    struct ref_entry key;
    if (!str_copy(key.ref, sizeof key.ref, ref))
        return NULL;
    void *node = tfind(&key, &walk->tree, compare_entries);
    return node ? *(struct ref_entry *const *)node : NULL;
}

static bool add(struct walk *walk, const char *ref)
{
    if (find_entry(walk, ref))
        return false;
    struct ref_entry *entry = mem_zero(1, sizeof *entry);
    CLEAN_CHAR char *id = str_format("Ref:%llu", (unsigned long long)walk->pool->next_xva_ref++);
    (void)str_copy(entry->ref, sizeof entry->ref, ref);
    (void)str_copy(entry->id, sizeof entry->id, id);
    walk->order = mem_grow(walk->order, &walk->cap, walk->n + 1, sizeof(struct ref_entry *));
    walk->order[walk->n++] = entry;
    (void)tsearch(entry, &walk->tree, compare_entries);
    return true;
}

static void walk_done(struct walk *walk)
{
    for (size_t i = 0; i < walk->n; i++) {
        (void)tdelete(walk->order[i], &walk->tree, compare_entries);
        free(walk->order[i]);
    }
    free(walk->order);
}

static void add_vdi(struct walk *walk, const char *ref)
{
    const struct object *vdi = store_find(walk->pool, CLASS_VDI, ref);
    while (vdi && add(walk, object_ref(vdi))) {
        const char *parent = walk->options->has_vhd_parents
                                 ? object_map_get(vdi, F_VDI_sm_config, "vhd-parent")
                                 : NULL;
        add(walk, object_text(vdi, F_VDI_SR));
        vdi = parent ? store_find_uuid(walk->pool, CLASS_VDI, parent) : NULL;
    }
}

static void add_devices(struct walk *walk, const struct object *vm)
{
    const struct text_list *vifs = object_set(vm, F_VM_VIFs);
    const struct text_list *vbds = object_set(vm, F_VM_VBDs);
    const struct text_list *vtpms = object_set(vm, F_VM_VTPMs);
    for (size_t i = 0; !walk->options->has_no_vifs && i < vifs->n; i++) {
        const struct object *vif = store_find(walk->pool, CLASS_VIF, vifs->items[i]);
        if (vif && add(walk, object_ref(vif)))
            add(walk, object_text(vif, F_VIF_network));
    }
    for (size_t i = 0; !walk->options->has_no_vbds && i < vbds->n; i++) {
        const struct object *vbd = store_find(walk->pool, CLASS_VBD, vbds->items[i]);
        if (vbd && add(walk, object_ref(vbd)) && !object_bool(vbd, F_VBD_empty))
            add_vdi(walk, object_text(vbd, F_VBD_VDI));
    }
    for (size_t i = 0; !walk->options->has_no_vtpms && i < vtpms->n; i++)
        if (store_find(walk->pool, CLASS_VTPM, vtpms->items[i]))
            add(walk, vtpms->items[i]);
}

static void add_vm(struct walk *walk, const char *ref, bool has_snapshots)
{
    const struct object *vm = store_find(walk->pool, CLASS_VM, ref);
    if (!vm || !add(walk, ref))
        return;
    add_devices(walk, vm);
    const struct text_list *snapshots = object_set(vm, F_VM_snapshots);
    for (size_t i = 0; has_snapshots && i < snapshots->n; i++)
        add_vm(walk, snapshots->items[i], false);
    if (walk->options->keeps_power_state &&
        strcmp(object_text(vm, F_VM_power_state), "Suspended") == 0)
        add_vdi(walk, object_text(vm, F_VM_suspend_VDI));
    add(walk, object_text(vm, F_VM_metrics));
    add(walk, object_text(vm, F_VM_guest_metrics));
    add(walk, object_text(vm, F_VM_resident_on));
    add(walk, object_text(vm, F_VM_affinity));
    if (has_snapshots)
        add_vm(walk, object_text(vm, F_VM_parent), false);
}

static bool rule_is_on(const struct rule *rule, const struct ova_options *options)
{
    switch (rule->when) {
    case WHEN_ALWAYS:
        return true;
    case WHEN_FULL:
        return !options->has_snapshots;
    case WHEN_METADATA:
        return options->has_snapshots;
    case WHEN_NO_POWER:
        return !options->keeps_power_state;
    case WHEN_POWER:
        return options->keeps_power_state;
    }
    return false;
}

static const struct rule *find_rule(enum class_id class, const char *name, size_t name_n,
                                    const struct ova_options *options)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].class == class && strlen(rules[i].field) == name_n &&
            memcmp(rules[i].field, name, name_n) == 0 && rule_is_on(&rules[i], options))
            return &rules[i];
    return NULL;
}

static void put_reference(const struct walk *walk, const char *ref, struct str *out)
{
    const struct ref_entry *entry = find_entry(walk, ref);
    str_add_format(out, "<value>%s</value>", entry ? entry->id : REF_NULL);
}

static void put_filtered(const struct walk *walk, const struct text_list *refs, struct str *out)
{
    str_add(out, "<value><array><data>");
    for (size_t i = 0; i < refs->n; i++)
        if (find_entry(walk, refs->items[i]))
            put_reference(walk, refs->items[i], out);
    str_add(out, "</data></array></value>");
}

static void put_changed(const struct walk *walk, const struct object *object,
                        const struct rule *rule, struct str *out)
{
    enum field_id field;
    switch (rule->change) {
    case CHANGE_LOOKUP:
        if (schema_find_field(rule->class, rule->field, &field) == 1)
            put_reference(walk, object_text(object, field), out);
        break;
    case CHANGE_FILTER:
        if (schema_find_field(rule->class, rule->field, &field) == 1)
            put_filtered(walk, object_set(object, field), out);
        break;
    case CHANGE_NO_SET:
        str_add(out, "<value><array><data></data></array></value>");
        break;
    case CHANGE_NO_MAP:
        str_add(out, "<value><struct></struct></value>");
        break;
    case CHANGE_NO_TEXT:
        str_add(out, "<value></value>");
        break;
    case CHANGE_NULL:
        str_add(out, "<value>" REF_NULL "</value>");
        break;
    case CHANGE_FALSE:
        str_add(out, "<value><boolean>0</boolean></value>");
        break;
    case CHANGE_HALTED:
        str_add(out, "<value>Halted</value>");
        break;
    case CHANGE_EPOCH:
        str_add(out, "<value><dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601></value>");
        break;
    }
}

/* Behind the value that begins at text. */
static const char *skip_value(const char *text)
{
    int depth = 0;
    do {
        const char *open = strstr(text, "<value");
        const char *close = strstr(text, "</value>");
        assert(close);
        if (open && open < close) {
            const char *end = strchr(open, '>');
            assert(end);
            text = end + 1;
            depth += end[-1] == '/' ? 0 : 1;
        } else {
            text = close + strlen("</value>");
            depth--;
        }
    } while (depth > 0);
    return text;
}

static void put_record(const struct walk *walk, const struct object *object, struct str *out)
{
    static const char name_tag[] = "<member><name>", name_end[] = "</name>";
    CLEAN_STR struct str record = STR_INIT;
    object_format_xml(walk->pool, object, &record);
    const char *at = str_text(&record);
    const char *member;
    while ((member = strstr(at, name_tag)) != NULL) {
        const char *name = member + strlen(name_tag);
        const char *end = strstr(name, name_end);
        assert(end);
        const char *value = end + strlen(name_end);
        const char *after = skip_value(value);
        const struct rule *rule =
            find_rule(object_class(object), name, (size_t)(end - name), walk->options);
        str_add_n(out, at, (size_t)(value - at));
        if (rule)
            put_changed(walk, object, rule, out);
        else
            str_add_n(out, value, (size_t)(after - value));
        at = after;
    }
    str_add(out, at);
}

static void put_vtpm(const struct walk *walk, const struct object *vtpm, struct str *out)
{
    str_add(out, "<value><struct><member><name>VM</name>");
    put_reference(walk, object_text(vtpm, F_VTPM_VM), out);
    str_add_format(out,
                   "</member><member><name>uuid</name><value>%s</value></member>"
                   "<member><name>is_unique</name><value><boolean>%d</boolean></value></member>"
                   "<member><name>is_protected</name><value><boolean>%d</boolean></value></member>"
                   "<member><name>content</name><value>%s</value></member></struct></value>",
                   object_uuid(vtpm), object_bool(vtpm, F_VTPM_is_unique),
                   object_bool(vtpm, F_VTPM_is_protected), object_text(vtpm, F_VTPM_contents));
}

static void put_objects(const struct walk *walk, struct str *out)
{
    for (size_t c = 0; c < sizeof class_order / sizeof class_order[0]; c++) {
        for (size_t i = 0; i < walk->n; i++) {
            const struct object *object =
                store_find(walk->pool, class_order[c], walk->order[i]->ref);
            if (!object)
                continue;
            str_add_format(out,
                           "<value><struct><member><name>class</name><value>%s</value></member>"
                           "<member><name>id</name><value>%s</value></member>"
                           "<member><name>snapshot</name>",
                           schema_class(class_order[c])->name, walk->order[i]->id);
            if (class_order[c] == CLASS_VTPM)
                put_vtpm(walk, object, out);
            else
                put_record(walk, object, out);
            str_add(out, "</member></struct></value>");
        }
    }
}

static void put_text_member(struct str *out, const char *name, const char *value)
{
    str_add_format(out, "<member><name>%s</name><value>%s</value></member>", name,
                   value ? value : "");
}

static void put_version(struct pool *pool, const struct host *host, struct str *out)
{
    const struct object *record = store_find(pool, CLASS_host, host->ref);
    const struct profile *profile = pool->profile;
    const char *dot = strchr(profile->xapi_version, '.');
    CLEAN_CHAR char *major =
        mem_dup_n(profile->xapi_version,
                  dot ? (size_t)(dot - profile->xapi_version) : strlen(profile->xapi_version));
    CLEAN_CHAR char *minor = mem_dup_n(dot ? dot + 1 : "0", dot ? strcspn(dot + 1, ".-") : 1);
    str_add(out, "<member><name>version</name><value><struct>");
    put_text_member(out, "hostname", record ? object_text(record, F_host_hostname) : "");
    put_text_member(out, "date",
                    record ? object_map_get(record, F_host_software_version, "date") : "");
    put_text_member(out, "product_version", profile->product_version);
    put_text_member(out, "product_brand", profile->product_brand);
    put_text_member(out, "build_number",
                    record ? object_map_get(record, F_host_software_version, "build_number") : "");
    put_text_member(out, "xapi_major", major);
    put_text_member(out, "xapi_minor", minor);
    put_text_member(out, "export_vsn", "2");
    str_add(out, "</struct></value></member>");
}

static void add_disk(const struct walk *walk, const struct object *vdi, struct ova *ova)
{
    const struct ref_entry *entry = vdi ? find_entry(walk, object_ref(vdi)) : NULL;
    const struct object *sr = vdi ? object_follow(walk->pool, vdi, F_VDI_SR) : NULL;
    if (!entry || (sr && strcmp(object_text(sr, F_SR_content_type), "iso") == 0))
        return;
    for (size_t i = 0; i < ova->disks_n; i++)
        if (strcmp(ova->disks[i].id, entry->id) == 0)
            return;
    ova->disks = mem_grow(ova->disks, &ova->disks_cap, ova->disks_n + 1, sizeof *ova->disks);
    struct ova_disk *disk = &ova->disks[ova->disks_n++];
    (void)str_copy(disk->id, sizeof disk->id, entry->id);
    (void)str_copy(disk->vdi_ref, sizeof disk->vdi_ref, object_ref(vdi));
    (void)str_copy(disk->vdi_uuid, sizeof disk->vdi_uuid, object_uuid(vdi));
    (void)str_copy(disk->sr_ref, sizeof disk->sr_ref, object_text(vdi, F_VDI_SR));
}

static int compare_disks(const void *a, const void *b)
{
    return strcmp(((const struct ova_disk *)a)->id, ((const struct ova_disk *)b)->id);
}

static void find_disks(const struct walk *walk, const char *vm_ref, struct ova *ova)
{
    const struct object *vm = store_find(walk->pool, CLASS_VM, vm_ref);
    if (!vm)
        return;
    const struct text_list *vbds = object_set(vm, F_VM_VBDs);
    for (size_t i = 0; i < vbds->n; i++) {
        const struct object *vbd = store_find(walk->pool, CLASS_VBD, vbds->items[i]);
        if (vbd && strcmp(object_text(vbd, F_VBD_type), "CD") != 0)
            add_disk(walk, object_follow(walk->pool, vbd, F_VBD_VDI), ova);
    }
    if (walk->options->keeps_power_state &&
        strcmp(object_text(vm, F_VM_power_state), "Suspended") == 0)
        add_disk(walk, object_follow(walk->pool, vm, F_VM_suspend_VDI), ova);
    if (ova->disks_n > 1)
        qsort(ova->disks, ova->disks_n, sizeof *ova->disks, compare_disks);
}

void ova_done(struct ova *ova)
{
    str_done(&ova->xml);
    free(ova->disks);
    ova->disks = NULL;
    ova->disks_n = 0;
}

void ova_make(struct pool *pool, const struct host *host, const char *const *vm_refs, size_t n,
              const struct ova_options *options, struct ova *ret_ova)
{
    struct walk walk = {.pool = pool, .options = options};
    struct str *xml = &ret_ova->xml;
    for (size_t i = 0; i < n; i++)
        add_vm(&walk, vm_refs[i], options->has_snapshots);
    str_add(xml, "<value><struct>");
    put_version(pool, host, xml);
    str_add(xml, "<member><name>objects</name><value><array><data>");
    put_objects(&walk, xml);
    str_add(xml, "</data></array></value></member></struct></value>");
    if (n > 0)
        find_disks(&walk, vm_refs[0], ret_ova);
    walk_done(&walk);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One table says which key of which section is which field of which struct; writing and reading
 * both go by it.
 */
#include "common/format/meta.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/percent.h"
#include "common/base/str.h"

#include "common/base/poison.h"

enum section { S_NONE, S_VM, S_DISK, S_VDI, S_VIF, S_OURS };

enum type {
    T_TEXT,          /* char * */
    T_TEXT_OPTIONAL, /* char *, not written when NULL */
    T_SIZE,          /* uint64_t */
    T_SIZE_OPTIONAL, /* uint64_t, not written when 0 */
    T_BOOL,          /* bool, as Python prints it */
    T_TIME,          /* int64_t, UTC, not written when 0 */
    T_MS,            /* int64_t */
    T_ATTEMPT,       /* uint32_t */
    T_ID,            /* char[JOB_ID_MAX] */
    T_KIND,
    T_CONSISTENCY,
    T_COMPRESS
};

static const struct {
    enum section section;
    const char *line;
} markers[] = {
    {S_VM, "******* VM *******"},   {S_DISK, "******* DISK *******"},     {S_VDI, "---- VDI ----"},
    {S_VIF, "******* VIF *******"}, {S_OURS, "******* ONYXPOOL *******"},
};

struct field {
    enum section section;
    const char *key;
    enum type type;
    size_t offset; /* in struct meta, meta_disk or meta_vif */
};

#define VM(key, type, field)                                                                       \
    {                                                                                              \
        S_VM, key, type, offsetof(struct meta, field)                                              \
    }
#define DISK(key, type, field)                                                                     \
    {                                                                                              \
        S_DISK, key, type, offsetof(struct meta_disk, field)                                       \
    }
#define VDI(key, type, field)                                                                      \
    {                                                                                              \
        S_VDI, key, type, offsetof(struct meta_disk, field)                                        \
    }
#define VIF(key, type, field)                                                                      \
    {                                                                                              \
        S_VIF, key, type, offsetof(struct meta_vif, field)                                         \
    }
#define OURS(key, type, field)                                                                     \
    {                                                                                              \
        S_OURS, key, type, offsetof(struct meta, field)                                            \
    }

static const struct field fields[] = {
    VM("name_label", T_TEXT, vm_name),
    VM("name_description", T_TEXT, vm_description),
    VM("memory_dynamic_max", T_SIZE, memory_dynamic_max_bytes),
    VM("VCPUs_max", T_SIZE, vcpus_max),
    VM("VCPUs_at_startup", T_SIZE, vcpus_at_startup),
    VM("base_template_name", T_TEXT_OPTIONAL, base_template_name),
    VM("os_version", T_TEXT, os_version),
    VM("orig_uuid", T_TEXT, vm_uuid),

    DISK("device", T_TEXT, device),
    DISK("userdevice", T_TEXT, userdevice),
    DISK("bootable", T_BOOL, bootable),
    DISK("mode", T_TEXT, mode),
    DISK("type", T_TEXT, type),
    DISK("unpluggable", T_BOOL, unpluggable),
    DISK("empty", T_BOOL, empty),
    DISK("orig_uuid", T_TEXT, uuid),

    VDI("name_label", T_TEXT, vdi_name),
    VDI("name_description", T_TEXT, vdi_description),
    VDI("virtual_size", T_SIZE, virtual_size_bytes),
    VDI("type", T_TEXT, vdi_type),
    VDI("sharable", T_BOOL, sharable),
    VDI("read_only", T_BOOL, read_only),
    VDI("orig_uuid", T_TEXT, vdi_uuid),
    VDI("orig_sr_uuid", T_TEXT, sr_uuid),

    VIF("device", T_TEXT, device),
    VIF("network_name_label", T_TEXT, network_name),
    VIF("MTU", T_SIZE, mtu),
    VIF("MAC", T_TEXT, mac),
    VIF("other_config", T_TEXT, other_config),
    VIF("orig_uuid", T_TEXT, uuid),

    OURS("kind", T_KIND, backup.kind),
    OURS("file", T_TEXT_OPTIONAL, backup.file),
    OURS("size", T_SIZE, backup.size_bytes),
    OURS("sha256", T_TEXT_OPTIONAL, backup.sha256),
    OURS("stream_size", T_SIZE_OPTIONAL, backup.stream_bytes),
    OURS("stream_xxh128", T_TEXT_OPTIONAL, backup.stream_xxh128),
    OURS("sparse_xxh128", T_TEXT_OPTIONAL, backup.sparse_xxh128),
    OURS("proof", T_TEXT_OPTIONAL, backup.proof),
    OURS("compression", T_COMPRESS, compress),
    OURS("consistency", T_CONSISTENCY, backup.consistency),
    OURS("vm_uuid", T_TEXT_OPTIONAL, backup.vm_uuid),
    OURS("vm_name", T_TEXT_OPTIONAL, backup.vm_name),
    OURS("device", T_TEXT_OPTIONAL, backup.device),
    OURS("job", T_ID, backup.job),
    OURS("attempt", T_ATTEMPT, backup.attempt),
    OURS("run", T_ID, backup.run),
    OURS("host_uuid", T_TEXT_OPTIONAL, backup.host_uuid),
    OURS("host_name", T_TEXT_OPTIONAL, backup.host_name),
    OURS("snapshot_at", T_TIME, backup.snapshot_at),
    OURS("started_at", T_TIME, backup.started_at),
    OURS("finished_at", T_TIME, backup.finished_at),
    OURS("stream_ms", T_MS, backup.stream_ms),
    OURS("tool", T_TEXT_OPTIONAL, tool),
};

#define FIELDS_N     (sizeof fields / sizeof *fields)
#define FORMAT_KEY   "onyxpool_format"
#define END_KEY      "onyxpool_end"
#define OURS_OPENING "******* ONYXPOOL *******\n" FORMAT_KEY "="

static void disk_done(struct meta_disk *disk)
{
    char **const texts[] = {
        &disk->device,   &disk->userdevice, &disk->mode,     &disk->type,
        &disk->uuid,     &disk->vdi_name,   &disk->vdi_type, &disk->vdi_description,
        &disk->vdi_uuid, &disk->sr_uuid};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        mem_free_char(texts[i]);
}

static void vif_done(struct meta_vif *vif)
{
    mem_free_char(&vif->device);
    mem_free_char(&vif->network_name);
    mem_free_char(&vif->mac);
    mem_free_char(&vif->other_config);
    mem_free_char(&vif->uuid);
}

void meta_done(struct meta *meta)
{
    for (size_t i = 0; i < meta->disks_n; i++)
        disk_done(&meta->disks[i]);
    for (size_t i = 0; i < meta->vifs_n; i++)
        vif_done(&meta->vifs[i]);
    mem_free_void(&meta->disks);
    mem_free_void(&meta->vifs);
    mem_free_char(&meta->vm_name);
    mem_free_char(&meta->vm_description);
    mem_free_char(&meta->base_template_name);
    mem_free_char(&meta->os_version);
    mem_free_char(&meta->vm_uuid);
    mem_free_char(&meta->tool);
    backup_done(&meta->backup);
    *meta = (struct meta){.disks = NULL};
}

struct meta_disk *meta_add_disk(struct meta *meta)
{
    meta->disks = mem_grow(meta->disks, &meta->disks_cap, meta->disks_n + 1, sizeof *meta->disks);
    meta->disks[meta->disks_n] = (struct meta_disk){.device = NULL};
    return &meta->disks[meta->disks_n++];
}

struct meta_vif *meta_add_vif(struct meta *meta)
{
    meta->vifs = mem_grow(meta->vifs, &meta->vifs_cap, meta->vifs_n + 1, sizeof *meta->vifs);
    meta->vifs[meta->vifs_n] = (struct meta_vif){.device = NULL};
    return &meta->vifs[meta->vifs_n++];
}

static void set_disk(struct meta_disk *disk, const struct pool *pool, const struct vbd *vbd)
{
    char device[16];

    mem_set(&disk->device, vbd_device_name(vbd, device));
    mem_set(&disk->userdevice, vbd->userdevice);
    disk->bootable = vbd->bootable;
    mem_set(&disk->mode, vbd->is_read_only ? "RO" : "RW");
    mem_set(&disk->type, "Disk");
    disk->unpluggable = vbd->unpluggable;
    disk->empty = vbd->empty;
    mem_set(&disk->uuid, vbd->uuid);
    if (vbd->vdi == POOL_NONE)
        return;
    const struct vdi *vdi = &pool->vdis[vbd->vdi];
    disk->has_vdi = true;
    mem_set(&disk->vdi_name, vdi->name);
    mem_set(&disk->vdi_description, vdi->description);
    disk->virtual_size_bytes = vdi->virtual_size_bytes;
    mem_set(&disk->vdi_type, vdi->type);
    disk->sharable = vdi->sharable;
    disk->read_only = vdi->read_only;
    mem_set(&disk->vdi_uuid, vdi->uuid);
    mem_set(&disk->sr_uuid, vdi->sr == POOL_NONE ? NULL : pool->srs[vdi->sr].uuid);
}

void meta_set_vm(struct meta *meta, const struct pool *pool, const struct vm *vm)
{
    meta->has_vm = true;
    mem_set(&meta->vm_name, vm->name);
    mem_set(&meta->vm_description, vm->description);
    meta->memory_dynamic_max_bytes = vm->memory_dynamic_max_bytes;
    meta->vcpus_max = vm->vcpus_max;
    meta->vcpus_at_startup = vm->vcpus_at_startup;
    mem_set(&meta->base_template_name, vm->base_template_name);
    mem_set(&meta->os_version, vm->os_version);
    mem_set(&meta->vm_uuid, vm->uuid);
    for (size_t i = 0; i < vm->vbds_n; i++)
        if (pool->vbds[vm->vbds[i]].type == VBD_DISK)
            set_disk(meta_add_disk(meta), pool, &pool->vbds[vm->vbds[i]]);
    for (size_t i = 0; i < vm->vifs_n; i++) {
        struct meta_vif *vif = meta_add_vif(meta);
        mem_set(&vif->device, vm->vifs[i].device);
        mem_set(&vif->network_name, vm->vifs[i].network_name);
        vif->mtu = vm->vifs[i].mtu;
        mem_set(&vif->mac, vm->vifs[i].mac);
        vif->other_config = text_map_format(&vm->vifs[i].other_config);
        mem_set(&vif->uuid, vm->vifs[i].uuid);
    }
}

static void add_encoded(struct str *out, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n' || text[i] == '\r' || percent_byte(text + i, n - i) >= 0)
            percent_add(out, text[i]);
        else
            str_add_char(out, text[i]);
    }
}

static char *decode(const char *text, size_t n, bool is_encoded)
{
    CLEAN_STR struct str out = STR_INIT;

    for (size_t i = 0; i < n; i++) {
        int byte = is_encoded ? percent_byte(text + i, n - i) : -1;
        str_add_char(&out, byte > 0 ? (char)byte : text[i]);
        if (byte > 0)
            i += 2;
    }
    return str_take(&out);
}

static const char *text_of(const void *at, enum type type)
{
    if (type == T_ID)
        return at;
    char *const *text = at;
    return *text;
}

static void add_line(struct str *out, const char *key, const char *value)
{
    str_add_format(out, "%s=", key);
    add_encoded(out, value);
    str_add_char(out, '\n');
}

static void format_time(struct str *out, const char *key, int64_t at)
{
    char text[CLOCK_ISO_MAX];

    if (at)
        add_line(out, key, clock_format_utc(at, text));
}

/* base is the struct that the field's section is about. */
static void format_field(struct str *out, const struct field *field, const char *base)
{
    const void *at = base + field->offset;
    const char *text;

    switch (field->type) {
    case T_TEXT:
    case T_TEXT_OPTIONAL:
    case T_ID:
        text = text_of(at, field->type);
        if (text || field->type == T_TEXT)
            add_line(out, field->key, text ? text : "");
        break;
    case T_SIZE_OPTIONAL:
        if (*(const uint64_t *)at == 0)
            break;
        /* fall through */
    case T_SIZE:
        str_add_format(out, "%s=%" PRIu64 "\n", field->key, *(const uint64_t *)at);
        break;
    case T_BOOL:
        add_line(out, field->key, *(const bool *)at ? "True" : "False");
        break;
    case T_TIME:
        format_time(out, field->key, *(const int64_t *)at);
        break;
    case T_MS:
        str_add_format(out, "%s=%" PRId64 "\n", field->key, *(const int64_t *)at);
        break;
    case T_ATTEMPT:
        str_add_format(out, "%s=%" PRIu32 "\n", field->key, *(const uint32_t *)at);
        break;
    case T_KIND:
        add_line(out, field->key, job_kind_name(*(const enum job_kind *)at));
        break;
    case T_CONSISTENCY:
        if (*(const enum job_consistency *)at)
            add_line(out, field->key, job_consistency_name(*(const enum job_consistency *)at));
        break;
    case T_COMPRESS:
        add_line(out, field->key, job_compress_name(*(const enum job_compress *)at));
        break;
    }
}

static void format_section(struct str *out, enum section section, const void *base)
{
    for (size_t i = 0; i < sizeof markers / sizeof *markers; i++)
        if (markers[i].section == section)
            str_add_format(out, "%s\n", markers[i].line);
    if (section == S_OURS)
        str_add_format(out, "%s=%d\n", FORMAT_KEY, META_FORMAT);
    for (size_t i = 0; i < FIELDS_N; i++)
        if (fields[i].section == section)
            format_field(out, &fields[i], base);
}

void meta_format(const struct meta *meta, struct str *out)
{
    if (meta->has_vm) {
        format_section(out, S_VM, meta);
        str_add_char(out, '\n');
    }
    for (size_t i = 0; i < meta->disks_n; i++) {
        format_section(out, S_DISK, &meta->disks[i]);
        if (meta->disks[i].has_vdi)
            format_section(out, S_VDI, &meta->disks[i]);
        str_add_char(out, '\n');
    }
    for (size_t i = 0; i < meta->vifs_n; i++) {
        format_section(out, S_VIF, &meta->vifs[i]);
        str_add_char(out, '\n');
    }
    if (meta->is_ours) {
        format_section(out, S_OURS, meta);
        str_add_format(out, "%s=1\n", END_KEY);
    }
}

struct parser {
    struct meta meta;
    enum section section;
    bool has_end;
};

static int bad_value(const struct field *field, const char *value, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, "meta: '%.60s' is no value for %s", value, field->key);
}

static int parse_consistency(const char *value, enum job_consistency *ret)
{
    static const enum job_consistency all[] = {JOB_CRASH_CONSISTENT, JOB_QUIESCED, JOB_HOOKED,
                                               JOB_POWERED_OFF};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (str_equal(value, job_consistency_name(all[i]))) {
            *ret = all[i];
            return 0;
        }
    return -1;
}

/* 0, or -1 when value is none of the field's type. */
static int parse_value(const struct field *field, char *base, const char *value)
{
    void *at = base + field->offset;
    uint64_t number = 0;

    switch (field->type) {
    case T_TEXT:
    case T_TEXT_OPTIONAL:
        mem_set(at, value);
        return 0;
    case T_ID:
        if (value[0] && !job_id_is_valid(value))
            return -1;
        str_copy(at, JOB_ID_MAX, value);
        return 0;
    case T_SIZE:
    case T_SIZE_OPTIONAL:
        return num_parse_unsigned(value, UINT64_MAX, at, NULL);
    case T_BOOL:
        return num_parse_bool(value, at, NULL);
    case T_TIME:
        return clock_parse_utc(value, at, NULL);
    case T_MS:
        return num_parse(value, 0, INT64_MAX, at, NULL);
    case T_ATTEMPT:
        if (num_parse_unsigned(value, JOB_ATTEMPTS_MAX, &number, NULL))
            return -1;
        *(uint32_t *)at = (uint32_t)number;
        return 0;
    case T_KIND:
        return job_kind_from_name(value, at) == 1 ? 0 : -1;
    case T_CONSISTENCY:
        return parse_consistency(value, at);
    case T_COMPRESS:
        return job_compress_from_name(value, at) == 1 ? 0 : -1;
    }
    return -1;
}

/* The struct that lines of this section are about; NULL before any section. */
static char *section_base(struct parser *parser)
{
    struct meta *meta = &parser->meta;

    switch (parser->section) {
    case S_VM:
    case S_OURS:
        return (char *)meta;
    case S_DISK:
    case S_VDI:
        return meta->disks_n ? (char *)&meta->disks[meta->disks_n - 1] : NULL;
    case S_VIF:
        return (char *)&meta->vifs[meta->vifs_n - 1];
    case S_NONE:
        break;
    }
    return NULL;
}

static int begin_section(struct parser *parser, enum section section, struct error *err)
{
    struct meta *meta = &parser->meta;

    parser->section = section;
    meta->has_vm = meta->has_vm || section == S_VM;
    if (section == S_DISK) {
        if (meta->disks_n == META_DISKS_MAX)
            return error_set(err, ERROR_LIMIT, "meta: more than %d disks", META_DISKS_MAX);
        meta_add_disk(meta);
    }
    if (section == S_VDI && meta->disks_n)
        meta->disks[meta->disks_n - 1].has_vdi = true;
    if (section == S_VIF) {
        if (meta->vifs_n == META_VIFS_MAX)
            return error_set(err, ERROR_LIMIT, "meta: more than %d interfaces", META_VIFS_MAX);
        meta_add_vif(meta);
    }
    return 0;
}

static int parse_format(const char *value, struct error *err)
{
    int64_t format = 0;

    if (num_parse(value, 1, INT32_MAX, &format, NULL))
        return error_set(err, ERROR_CORRUPT, "meta: '%.60s' is no format number", value);
    if (format > META_FORMAT)
        return error_set(err, ERROR_UNSUPPORTED,
                         "meta: written in format %lld by a newer onyxpool, this one reads %d",
                         (long long)format, META_FORMAT);
    return 0;
}

static int parse_pair(struct parser *parser, const char *key, const char *value, struct error *err)
{
    char *base = section_base(parser);

    if (parser->section == S_OURS && str_equal(key, FORMAT_KEY))
        return parse_format(value, err);
    if (parser->section == S_OURS && str_equal(key, END_KEY)) {
        parser->has_end = str_equal(value, "1");
        return 0;
    }
    if (!base)
        return 0;
    for (size_t i = 0; i < FIELDS_N; i++) {
        if (fields[i].section != parser->section || !str_equal(fields[i].key, key))
            continue;
        /* What the manual's part says is for people; ours decides about files. */
        if (parse_value(&fields[i], base, value) && parser->section == S_OURS)
            return bad_value(&fields[i], value, err);
        return 0;
    }
    return 0;
}

static int parse_line(struct parser *parser, const char *line, size_t n, struct error *err)
{
    for (size_t i = 0; i < sizeof markers / sizeof *markers; i++) {
        bool is_marker = strlen(markers[i].line) == n && memcmp(markers[i].line, line, n) == 0;
        /* Without our opening a description of OnyxBackupVM's may look like our marker. */
        if (is_marker && (markers[i].section != S_OURS || parser->meta.is_ours))
            return begin_section(parser, markers[i].section, err);
    }
    const char *equals = memchr(line, '=', n);
    if (!equals)
        return 0;
    CLEAN_CHAR char *key = mem_dup_n(line, (size_t)(equals - line));
    CLEAN_CHAR char *value =
        decode(equals + 1, n - (size_t)(equals + 1 - line), parser->meta.is_ours);
    return parse_pair(parser, key, value, err);
}

/* Whether a section of ours begins somewhere at the start of a line. */
static bool has_our_section(const char *text, size_t n)
{
    const char *from = text;

    for (;;) {
        const char *at =
            memmem(from, n - (size_t)(from - text), OURS_OPENING, sizeof OURS_OPENING - 1);
        if (!at)
            return false;
        if (at == text || at[-1] == '\n')
            return true;
        from = at + 1;
    }
}

/* Digests that are told are ones; a file without any could not be told from a damaged one. */
static int check_digests(const struct backup *backup, struct error *err)
{
    const struct {
        const char *key, *text;
        size_t n;
    } digests[] = {{"sha256", backup->sha256, 32},
                   {"stream_xxh128", backup->stream_xxh128, 16},
                   {"sparse_xxh128", backup->sparse_xxh128, 16}};
    size_t told = 0;

    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++) {
        unsigned char sum[32];
        told += digests[i].text != NULL;
        if (digests[i].text && num_parse_hex(digests[i].text, sum, digests[i].n, NULL))
            return error_set(err, ERROR_CORRUPT, "meta: %s is not %zu hex digits", digests[i].key,
                             2 * digests[i].n);
    }
    return told ? 0 : error_set(err, ERROR_CORRUPT, "meta: sha256 and all other digests are missing");
}

/* What our section must tell for a backup to be one. */
static int check_ours(const struct parser *parser, struct error *err)
{
    const struct backup *backup = &parser->meta.backup;

    if (!parser->has_end)
        return error_set(err, ERROR_CORRUPT, "meta: cut: the line %s=1 is missing", END_KEY);
    if (!backup->kind || !backup->job[0] || !backup->attempt || !backup->run[0])
        return error_set(err, ERROR_CORRUPT, "meta: kind, job, attempt or run is missing");
    if (!backup->file || !backup->file[0] || strchr(backup->file, '/'))
        return error_set(err, ERROR_CORRUPT, "meta: file is missing or no name of a file");
    return check_digests(backup, err);
}

static void parser_done(struct parser *parser)
{
    meta_done(&parser->meta);
}

int meta_parse(const char *text, size_t n, struct meta *ret, struct error *err)
{
    CLEANUP(parser_done) struct parser parser = {.section = S_NONE};

    if (n > META_MAX)
        return error_set(err, ERROR_LIMIT, "meta: larger than %u bytes", META_MAX);
    if (n && memchr(text, '\0', n))
        return error_set(err, ERROR_CORRUPT, "meta: holds a NUL byte");
    parser.meta.is_ours = n && has_our_section(text, n);
    parser.meta.compress = JOB_COMPRESS_NONE;
    parser.meta.backup.state = parser.meta.is_ours ? BACKUP_PROVEN : BACKUP_FOUND;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - text) - at : n - at;
        size_t shown = length;
        /* Files that went through another system's editor. */
        if (shown && text[at + shown - 1] == '\r')
            shown--;
        if (parse_line(&parser, text + at, shown, err))
            return -1;
        at += length + 1;
    }
    if (parser.meta.is_ours && check_ours(&parser, err))
        return -1;
    *ret = parser.meta;
    parser.meta = (struct meta){.disks = NULL};
    return 0;
}

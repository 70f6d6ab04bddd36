/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads the lines; whatever it does not understand fails the test that gave it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/model/mark.h"
#include "tests/unit/coordinator/policy/pool_text.h"

#define MIB (UINT64_C(1024) * 1024)
#define CASES_MAX (1u << 20)

void pool_text_words(const char *line, struct text_list *ret_words)
{
    while (*line) {
        size_t n = strcspn(line, " ");
        if (n > 0) {
            CLEAN_CHAR char *word = mem_dup_n(line, n);
            text_list_add(ret_words, word);
        }
        line += n + (line[n] == ' ');
    }
}

const char *pool_text_value(const struct text_list *words, const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i < words->n; i++) {
        if (strncmp(words->items[i], key, n) == 0 && words->items[i][n] == '=')
            return words->items[i] + n + 1;
    }
    return NULL;
}

/* A uuid that a kind and a name always give: FNV-1a. Caller frees. */
static char *make_uuid(const char *kind, const char *name)
{
    uint64_t hash = 14695981039346656037u;
    for (const char *at = kind; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    return str_format("%08x-0000-4000-8000-%012llx", (unsigned)(hash >> 32),
                      (unsigned long long)(hash & 0xffffffffffffu));
}

static char *make_ref(const char *kind, const char *name)
{
    return str_format("OpaqueRef:%s-%s", kind, name);
}

static char *make_mark(const char *text, const char *uuid)
{
    const char *slash = strchr(text, '/');
    struct mark mark = {.lease = 1};
    char out[MARK_TEXT_MAX];
    snprintf(mark.job, sizeof mark.job, "%.*s", (int)(slash ? slash - text : 16), text);
    snprintf(mark.uuid, sizeof mark.uuid, "%s", uuid);
    if (slash)
        mark.lease = strtoull(slash + 1, NULL, 10);
    return mem_dup(mark_format(&mark, out));
}

static size_t find_by_name(const struct pool *pool, const char *kind, const char *name)
{
    CLEAN_CHAR char *uuid = make_uuid(kind, name);
    size_t at = strcmp(kind, "host") == 0 ? pool_find_host(pool, uuid)
                : strcmp(kind, "sr") == 0 ? pool_find_sr(pool, uuid)
                                          : pool_find_vm(pool, uuid);
    if (at == POOL_NONE)
        fail_msg("there is no %s %s", kind, name);
    return at;
}

static void add_host(struct pool *pool, const struct text_list *words)
{
    struct host *host = pool_add_host(pool);
    const char *name = words->items[1];
    host->ref = make_ref("host", name);
    host->uuid = make_uuid("host", name);
    host->name = mem_dup(name);
    host->hostname = mem_dup(name);
    host->address = mem_dup("127.0.0.1");
    host->enabled = !text_list_has(words, "disabled");
    host->live = !text_list_has(words, "down");
    pool->master = 0;
}

static void add_sr(struct pool *pool, const struct text_list *words)
{
    struct sr *sr = pool_add_sr(pool);
    const char *name = words->items[1];
    const char *type = pool_text_value(words, "type");
    const char *size = pool_text_value(words, "size"), *used = pool_text_value(words, "used");
    sr->ref = make_ref("sr", name);
    sr->uuid = make_uuid("sr", name);
    sr->name = mem_dup(name);
    sr->type = mem_dup(text_list_has(words, "iso") ? "iso"
                       : type                      ? type
                                                   : "nfs");
    sr->physical_size_bytes = size ? strtoull(size, NULL, 10) * MIB : 0;
    sr->physical_utilisation_bytes = used ? strtoull(used, NULL, 10) * MIB : 0;
    sr->content_type = mem_dup(text_list_has(words, "iso") ? "iso" : "user");
    sr->can_snapshot = !text_list_has(words, "nosnap");
    bool is_host = false;
    for (size_t i = 2; i < words->n; i++) {
        if (is_host) {
            sr->hosts = mem_grow(sr->hosts, &sr->hosts_cap, sr->hosts_n + 1, sizeof *sr->hosts);
            sr->hosts[sr->hosts_n++] = find_by_name(pool, "host", words->items[i]);
        }
        is_host = is_host || strcmp(words->items[i], "on") == 0;
    }
    sr->shared = sr->hosts_n > 1;
}

/* "hour=N": N hours behind 1970; 0 when not told. */
static int64_t snapshot_hour(const struct text_list *words)
{
    const char *hour = pool_text_value(words, "hour");
    return hour ? strtoll(hour, NULL, 10) * 3600000 : 0;
}

static void add_vm(struct pool *pool, const struct text_list *words)
{
    const char *name = words->items[1];
    const char *label = pool_text_value(words, "name");
    const char *of = pool_text_value(words, "snapshot-of");
    const char *mark = pool_text_value(words, "mark");
    const char *blocked = pool_text_value(words, "blocked");
    struct vm *vm = pool_add_vm(pool);
    vm->ref = make_ref("vm", name);
    vm->uuid = make_uuid("vm", name);
    vm->name = mem_dup(label ? label : name);
    vm->description = mem_dup("");
    vm->os_version = mem_dup("");
    vm->is_template = text_list_has(words, "template");
    vm->is_control_domain = text_list_has(words, "control");
    vm->is_snapshot = of != NULL;
    vm->snapshot_of = of ? make_ref("vm", of) : NULL;
    vm->snapshot_at = snapshot_hour(words);
    vm->has_vusbs = text_list_has(words, "vusb");
    vm->power_state = text_list_has(words, "suspended") ? VM_SUSPENDED : VM_HALTED;
    if (mark) {
        CLEAN_CHAR char *other = make_uuid("vm", "somebody-else");
        vm->mark = make_mark(mark, text_list_has(words, "foreign-mark") ? other : vm->uuid);
    }
    if (blocked)
        text_map_set(&vm->blocked_operations, "snapshot", blocked);
}

static size_t add_vdi(struct pool *pool, const struct text_list *words)
{
    CLEAN_CHAR char *plain = str_format("%s/%s", words->items[1], words->items[2]);
    const char *name = pool_text_value(words, "as") ? pool_text_value(words, "as") : plain;
    const char *used = pool_text_value(words, "used");
    const char *parent = pool_text_value(words, "parent");
    const char *of = pool_text_value(words, "snapshot-of");
    const char *mark = pool_text_value(words, "mark");
    size_t sr = strcmp(words->items[3], "-") == 0 ? POOL_NONE
                                                  : find_by_name(pool, "sr", words->items[3]);
    struct vdi *vdi = pool_add_vdi(pool);
    vdi->ref = make_ref("vdi", name);
    vdi->uuid = make_uuid("vdi", name);
    vdi->name = mem_dup(name);
    vdi->description = mem_dup("");
    vdi->type = mem_dup("user");
    vdi->sr = sr;
    vdi->virtual_size_bytes = strtoull(words->items[4], NULL, 10) * MIB;
    vdi->physical_utilisation_bytes = used ? strtoull(used, NULL, 10) * MIB : 0;
    vdi->missing = text_list_has(words, "missing");
    vdi->sharable = text_list_has(words, "sharable");
    vdi->on_boot_reset = text_list_has(words, "reset");
    vdi->managed = true;
    vdi->vhd_parent = parent ? make_uuid("vdi", parent) : NULL;
    vdi->is_snapshot = of != NULL;
    vdi->snapshot_of = of ? make_ref("vdi", of) : NULL;
    vdi->snapshot_at = snapshot_hour(words);
    vdi->mark = mark ? make_mark(mark, vdi->uuid) : NULL;
    return pool->vdis_n - 1;
}

static void add_disk(struct pool *pool, const struct text_list *words)
{
    size_t vdi = add_vdi(pool, words);
    if (strcmp(words->items[1], "-") == 0)
        return;
    size_t vm_index = find_by_name(pool, "vm", words->items[1]);
    struct vbd *vbd = pool_add_vbd(pool);
    vbd->ref = str_format("OpaqueRef:vbd-%zu", pool->vbds_n);
    vbd->uuid = make_uuid("vbd", vbd->ref);
    vbd->device = mem_dup(words->items[2]);
    vbd->userdevice = mem_dup("0");
    vbd->vm = vm_index;
    vbd->vdi = vdi;
    vbd->type = text_list_has(words, "cd") ? VBD_CD : VBD_DISK;
    struct vm *vm = &pool->vms[vm_index];
    vm->vbds = mem_grow(vm->vbds, &vm->vbds_cap, vm->vbds_n + 1, sizeof *vm->vbds);
    vm->vbds[vm->vbds_n++] = pool->vbds_n - 1;
}

bool pool_text_add(struct pool *pool, const char *line)
{
    CLEAN_TEXT_LIST struct text_list words = TEXT_LIST_INIT;
    pool_text_words(line, &words);
    if (words.n < 2)
        return false;
    const char *kind = words.items[0];
    if (strcmp(kind, "host") == 0)
        add_host(pool, &words);
    else if (strcmp(kind, "sr") == 0)
        add_sr(pool, &words);
    else if (strcmp(kind, "vm") == 0)
        add_vm(pool, &words);
    else if (strcmp(kind, "disk") == 0 && words.n >= 5)
        add_disk(pool, &words);
    else
        return false;
    return true;
}

const char *pool_text_name(const struct pool *pool, const char *uuid)
{
    size_t at;
    if ((at = pool_find_host(pool, uuid)) != POOL_NONE)
        return pool->hosts[at].name;
    if ((at = pool_find_sr(pool, uuid)) != POOL_NONE)
        return pool->srs[at].name;
    if ((at = pool_find_vm(pool, uuid)) != POOL_NONE)
        return pool->vms[at].name;
    if ((at = pool_find_vdi(pool, uuid)) != POOL_NONE)
        return pool->vdis[at].name;
    return uuid;
}

void pool_text_add_names(const struct pool *pool, const struct text_list *uuids, struct str *out)
{
    for (size_t i = 0; i < uuids->n; i++)
        str_add_format(out, "%s%s", i ? "," : "", pool_text_name(pool, uuids->items[i]));
}

struct case_runner {
    pool_text_run_fn *run;
    char *name;
    struct text_list lines;
    struct str want;
    bool is_want;
    size_t cases_n, bad_n;
};

static void end_case(struct case_runner *runner)
{
    if (runner->name) {
        CLEAN_STR struct str got = STR_INIT;
        runner->run(&runner->lines, &got);
        runner->cases_n++;
        if (strcmp(str_text(&got), str_text(&runner->want)) != 0) {
            runner->bad_n++;
            print_error("case \"%s\" wanted\n%sand gave\n%s\n", runner->name,
                        str_text(&runner->want), str_text(&got));
        }
    }
    text_list_done(&runner->lines);
    str_clear(&runner->want);
    runner->is_want = false;
}

static void take_line(struct case_runner *runner, const char *line)
{
    if (str_starts(line, "== ")) {
        end_case(runner);
        mem_set(&runner->name, line + 3);
    } else if (!runner->is_want && str_equal(line, "--")) {
        runner->is_want = true;
    } else if (*line == '\0' || *line == '#') {
        return;
    } else if (runner->is_want) {
        str_add_format(&runner->want, "%s\n", line);
    } else {
        text_list_add(&runner->lines, line);
    }
}

void pool_text_run_cases(const char *file, pool_text_run_fn *run)
{
    CLEAN_CHAR char *path = str_format("%s/%s", TEST_SOURCE_ROOT, file);
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;
    struct case_runner runner = {.run = run};
    if (fd_read_file(path, CASES_MAX, &text, &err) < 0)
        fail_msg("%s", err.text);
    for (char *at = text.data; at && *at;) {
        size_t n = strcspn(at, "\n");
        CLEAN_CHAR char *line = mem_dup_n(at, n);
        take_line(&runner, line);
        at += n + (at[n] == '\n');
    }
    end_case(&runner);
    mem_free_char(&runner.name);
    str_done(&runner.want);
    assert_true(runner.cases_n > 0);
    if (runner.bad_n > 0)
        fail_msg("%zu of %zu cases of %s", runner.bad_n, runner.cases_n, file);
}

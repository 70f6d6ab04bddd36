/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * V7 headers as XAPI's: mode 0000400, numbers with a NUL behind, no magic.
 */
#include "tests/unit/common/format/make_xva.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/sha.h>
#include <xxhash.h>

#include "common/base/poison.h"

void make_header(struct str *out, const char *name, char type, uint64_t size)
{
    char block[512] = "";
    unsigned sum = 0;

    memcpy(block, name, strlen(name));
    memcpy(block + 100, "0000400", 7);
    memcpy(block + 108, "0000000", 7);
    memcpy(block + 116, "0000000", 7);
    snprintf(block + 124, 12, "%011" PRIo64, size);
    memcpy(block + 136, "00000000000", 11);
    block[156] = type;
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < sizeof block; i++)
        sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%07o", sum & 07777777);
    str_add_n(out, block, sizeof block);
}

static void add_zeros(struct str *out, size_t n)
{
    memset(str_reserve(out, n), 0, n);
    str_set_len(out, out->len + n);
}

void make_member(struct str *out, const char *name, const void *bytes, size_t n)
{
    make_header(out, name, '\0', n);
    str_add_n(out, bytes, n);
    add_zeros(out, (512 - n % 512) % 512);
}

void make_end(struct str *out)
{
    add_zeros(out, 1024);
}

static void add_pair(struct str *out, const char *name, const char *value)
{
    str_add_format(out, "<member><name>%s</name><value>%s</value></member>", name, value);
}

static void begin_object(struct str *out, const char *class, const char *id)
{
    str_add(out, "<value><struct>");
    add_pair(out, "class", class);
    add_pair(out, "id", id);
    str_add(out, "<member><name>snapshot</name><value><struct>");
}

static void end_object(struct str *out)
{
    add_pair(out, "current_operations", "<struct></struct>");
    add_pair(out, "allowed_operations", "<array><data><value>type</value></data></array>");
    add_pair(out, "other_config",
             "<struct><member><name>virtual_size</name><value>7</value></member></struct>");
    str_add(out, "</struct></value></member></struct></value>");
}

static void add_vdi(struct str *out, const char *ref, const char *uuid, const char *sr,
                    uint64_t size)
{
    begin_object(out, "VDI", ref);
    add_pair(out, "uuid", uuid);
    add_pair(out, "name_label", "disk &lt;1&gt;");
    str_add_format(out, "<member><name>virtual_size</name><value>%" PRIu64 "</value></member>",
                   size);
    add_pair(out, "SR", sr);
    add_pair(out, "type", "user");
    end_object(out);
}

static void add_vbd(struct str *out, const char *id, const char *vdi, const char *userdevice,
                    const char *type)
{
    begin_object(out, "VBD", id);
    add_pair(out, "VDI", vdi);
    add_pair(out, "device", "");
    add_pair(out, "userdevice", userdevice);
    add_pair(out, "type", type);
    end_object(out);
}

static void add_sr(struct str *out, const char *id, const char *content_type)
{
    begin_object(out, "SR", id);
    add_pair(out, "content_type", content_type);
    end_object(out);
}

static void add_vm(struct str *out)
{
    begin_object(out, "VM", "Ref:0");
    add_pair(out, "uuid", "vm-uuid");
    add_pair(out, "name_label", "web1 &amp; more");
    add_pair(out, "power_state", "Halted");
    add_pair(out, "is_a_template", "<boolean>0</boolean>");
    end_object(out);
}

void make_ova_text(struct str *out, const char *const *refs, const uint64_t *sizes, size_t n)
{
    str_add(out, "<value><struct><member><name>version</name><value><struct>");
    add_pair(out, "product_version", "8.3.0");
    add_pair(out, "product_brand", "XCP-ng");
    add_pair(out, "build_number", "0");
    add_pair(out, "xapi_major", "1");
    add_pair(out, "xapi_minor", "20");
    add_pair(out, "export_vsn", "2");
    str_add(out, "</struct></value></member><member><name>objects</name><value><array><data>");
    add_vm(out);
    for (size_t i = 0; i < n; i++) {
        CLEAN_CHAR char *id = str_format("Ref:9%zu", i);
        CLEAN_CHAR char *userdevice = str_format("%zu", i);
        CLEAN_CHAR char *uuid = str_format("vdi-%zu", i);
        add_vbd(out, id, refs[i], userdevice, "Disk");
        add_vdi(out, refs[i], uuid, "Ref:800", sizes[i]);
    }
    add_vbd(out, "Ref:801", "Ref:802", "3", "CD");
    add_vdi(out, "Ref:802", "iso", "Ref:803", 4096);
    add_sr(out, "Ref:800", "");
    add_sr(out, "Ref:803", "iso");
    str_add(out, "</data></array></value></member></struct></value>");
}

void make_ova(struct str *out, const char *const *refs, const uint64_t *sizes, size_t n)
{
    CLEAN_STR struct str text = STR_INIT;

    make_ova_text(&text, refs, sizes, n);
    make_member(out, "ova.xml", text.data, text.len);
}

static char *block_bytes(unsigned number, size_t n)
{
    char *bytes = mem_zero(n + 1, 1);

    for (size_t i = 0; i < n; i += 64)
        bytes[i] = (char)(number + i / 64);
    return bytes;
}

void make_block(struct str *out, const char *ref, unsigned number, size_t n)
{
    CLEAN_CHAR char *bytes = block_bytes(number, n);
    CLEAN_CHAR char *name = str_format("%s/%08u", ref, number);
    CLEAN_CHAR char *sum_name = str_format("%s.xxhash", name);
    CLEAN_CHAR char *sum = str_format("%016" PRIX64, (uint64_t)XXH64(bytes, n, 0));

    make_member(out, name, bytes, n);
    make_member(out, sum_name, sum, 16);
}

void make_block_sha1(struct str *out, const char *ref, unsigned number, size_t n)
{
    CLEAN_CHAR char *bytes = block_bytes(number, n);
    CLEAN_CHAR char *name = str_format("%s/%08u", ref, number);
    CLEAN_CHAR char *sum_name = str_format("%s.checksum", name);
    CLEAN_STR struct str sum = STR_INIT;
    unsigned char digest[20];

    SHA1((const unsigned char *)bytes, n, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        str_add_format(&sum, "%02x", digest[i]);
    make_member(out, name, bytes, n);
    make_member(out, sum_name, sum.data, sum.len);
}

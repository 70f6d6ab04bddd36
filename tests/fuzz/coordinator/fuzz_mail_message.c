/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mail made of any texts keeps the transport's rules: ASCII, CRLF, 78 columns, no dot in front,
 * and exactly the headers that we write.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "coordinator/mail/mail_message.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

#define FIELDS_N 5
#define ADDRESS_COLUMNS (MAIL_ADDRESS_MAX + 8) /* an address is never cut */

/* The input is up to five texts, one behind the other. */
static void cut(const uint8_t *bytes, size_t n, char *fields[FIELDS_N])
{
    for (size_t i = 0; i < FIELDS_N; i++) {
        const uint8_t *end = n ? memchr(bytes, '\0', n) : NULL;
        size_t take = end ? (size_t)(end - bytes) : n;
        fields[i] = mem_dup_n(n ? (const char *)bytes : "", take);
        bytes += take + (end != NULL);
        n -= take + (end != NULL);
    }
}

static void check(const char *message)
{
    static const char *const known[] = {
        "Date: ", "From: ", "To: ", "Subject: ", "Message-ID: ", "MIME-Version: ",
        "Auto-Submitted: ", "Content-Type: "};
    size_t header = 0;
    bool is_head = true;

    while (*message) {
        size_t n = strcspn(message, "\r\n");
        FUZZ_MUST(message[n] == '\r' && message[n + 1] == '\n');
        FUZZ_MUST(n <= (is_head ? ADDRESS_COLUMNS : 78) && message[0] != '.');
        for (size_t i = 0; i < n; i++)
            FUZZ_MUST((message[i] >= 0x20 && message[i] < 0x7f) || message[i] == '\t');
        is_head = is_head && n > 0;
        if (is_head && message[0] != ' ') {
            FUZZ_MUST(header < sizeof known / sizeof *known);
            FUZZ_MUST(str_starts(message, known[header]));
            header++;
        }
        message += n + 2;
    }
    FUZZ_MUST(header == sizeof known / sizeof *known);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *fields[FIELDS_N];
    CLEAN_TEXT_LIST struct text_list to = TEXT_LIST_INIT;
    CLEAN_STR struct str out = STR_INIT;
    struct error err = ERROR_INIT;

    cut(bytes, n, fields);
    text_list_add(&to, fields[1]);
    text_list_add(&to, "ops@example.com");
    const struct mail_message message = {.from = fields[0],
                                         .to = &to,
                                         .subject = fields[2],
                                         .hostname = fields[0],
                                         .id = "0123456789abcdef",
                                         .sent_at = 1763843254007,
                                         .text = fields[3],
                                         .html = fields[4]};
    if (mail_message_format(&message, &out, &err) == 0) {
        check(str_text(&out));
    } else {
        FUZZ_MUST(err.code == ERROR_SETTINGS);
        FUZZ_MUST(out.len == 0);
    }
    for (size_t i = 0; i < FIELDS_N; i++)
        free(fields[i]);
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char first[] = "a@b\0\"K\xc3\xb6ln, \\\"x\\\"\" <o@example.com>\0=?UTF-8?B?x?= "
                                "\xf0\x9f\x98\x80 subject\0.dot\nFrom x\na=b \n\t\0<p>html</p>\r\n";
    static const char second[] = "x <root>\0root\0plain subject of several words\0text\0html";

    if (i > 1)
        return false;
    str_add_n(out, i ? second : first, i ? sizeof second - 1 : sizeof first - 1);
    return true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * logging.json: whatever it says, its handlers can write a line, and it is refused or warned about.
 */
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "coordinator/logging/logging_config.h"
#include "coordinator/logging/logging_format.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_LOGGING_CONFIG struct logging_config config = {0};
    struct error err = ERROR_INIT;

    if (logging_config_parse((const char *)bytes, n, "input", "/dir", &config, &err)) {
        FUZZ_MUST(err.code == ERROR_SETTINGS);
        FUZZ_MUST(config.n == 0);
        return 0;
    }
    FUZZ_MUST(config.n <= LOGGING_HANDLERS_MAX);
    for (size_t i = 0; i < config.n; i++) {
        const struct logging_handler *handler = &config.handlers[i];
        CLEAN_STR struct str line = STR_INIT, unknown = STR_INIT;
        FUZZ_MUST(logging_format_check(handler->format, &unknown));
        FUZZ_MUST((handler->kind == LOGGING_FILE) == (handler->path != NULL));
        FUZZ_MUST(!handler->path || handler->path[0] == '/');
        FUZZ_MUST(handler->backups_n <= LOGGING_BACKUPS_MAX);
        logging_format_line(handler, 1763843254007, LOG_LEVEL_WARN, "room", "text", &line);
        FUZZ_MUST(line.len > 0 && line.data[line.len - 1] == '\n');
    }
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char *const seeds[] = {
        "{\"version\":1,\"formatters\":{\"f\":{\"format\":\"%(asctime)s-%(levelname)-8s%%"
        "%(msecs)03d %(message)s [%(module)s:%(lineno)d]\",\"datefmt\":\"%m/%d/%Y %I:%M:%S %p\"}},"
        "\"handlers\":{\"c\":{\"class\":\"logging.StreamHandler\",\"formatter\":\"f\"},"
        "\"r\":{\"class\":\"logging.handlers.RotatingFileHandler\",\"filename\":\"a.log\","
        "\"formatter\":\"f\",\"maxBytes\":100,\"backupCount\":3,\"level\":\"WARNING\"},"
        "\"w\":{\"class\":\"logging.FileHandler\",\"filename\":\"/b\",\"mode\":\"w\"}},"
        "\"loggers\":{\"onyxbackup\":{\"level\":20,\"handlers\":[\"c\",\"r\",\"w\"],"
        "\"propagate\":1}},\"root\":{\"level\":\"ERROR\",\"handlers\":[\"c\"]}}",
    };

    if (i >= sizeof seeds / sizeof *seeds)
        return false;
    str_add(out, seeds[i]);
    return true;
}

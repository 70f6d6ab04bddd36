/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XAPI's errors, from lists and from pages, and what they mean to us.
 */
#include "common/xapi/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/text_list.h"

/* What each row must say, once more: code, our code, next step, whom it concerns, passes. */
#define EXPECTED(X)                                                                                \
    X("HOST_IS_SLAVE", POOL_REFUSED, LATER, POOL, false)                                           \
    X("SESSION_INVALID", POOL_REFUSED, LATER, POOL, false)                                         \
    X("SESSION_AUTHENTICATION_FAILED", POOL_REFUSED, GIVE_UP, POOL, false)                         \
    X("SESSION_AUTHORIZATION_FAILED", POOL_REFUSED, GIVE_UP, POOL, false)                          \
    X("RBAC_PERMISSION_DENIED", POOL_REFUSED, ELSEWHERE, HOST, false)                              \
    X("PERMISSION_DENIED", POOL_REFUSED, GIVE_UP, POOL, false)                                     \
    X("HOST_STILL_BOOTING", POOL_UNREACHABLE, LATER, HOST, true)                                   \
    X("HOST_IN_EMERGENCY_MODE", POOL_UNREACHABLE, LATER, HOST, true)                               \
    X("HOST_UNKNOWN_TO_MASTER", POOL_REFUSED, ELSEWHERE, HOST, false)                              \
    X("HOST_HAS_NO_MANAGEMENT_IP", POOL_UNREACHABLE, LATER, HOST, false)                           \
    X("CANNOT_CONTACT_HOST", POOL_UNREACHABLE, LATER, HOST, true)                                  \
    X("TLS_CONNECTION_FAILED", POOL_UNREACHABLE, LATER, HOST, true)                                \
    X("SSL_VERIFY_ERROR", AUTH, ELSEWHERE, HOST, false)                                            \
    X("NOT_SUPPORTED_DURING_UPGRADE", UNSUPPORTED, LATER, POOL, false)                             \
    X("DESIGNATE_NEW_MASTER_IN_PROGRESS", POOL_UNREACHABLE, LATER, POOL, true)                     \
    X("TOO_BUSY", XAPI, LATER, POOL, true)                                                         \
    X("TOO_MANY_PENDING_TASKS", XAPI, SOON, POOL, true)                                            \
    X("EVENTS_LOST", XAPI, SOON, POOL, true)                                                       \
    X("SESSION_NOT_REGISTERED", XAPI, SOON, POOL, true)                                            \
    X("EVENT_FROM_TOKEN_PARSE_FAILURE", XAPI, SOON, POOL, true)                                    \
    X("EVENT_SUBSCRIPTION_PARSE_FAILURE", UNSUPPORTED, GIVE_UP, POOL, false)                       \
    X("DB_UNIQUENESS_CONSTRAINT_VIOLATION", XAPI, SOON, POOL, false)                               \
    X("MAP_DUPLICATE_KEY", XAPI, SOON, JOB, true)                                                  \
    X("MESSAGE_METHOD_UNKNOWN", UNSUPPORTED, GIVE_UP, POOL, false)                                 \
    X("MESSAGE_PARAMETER_COUNT_MISMATCH", UNSUPPORTED, GIVE_UP, POOL, false)                       \
    X("MESSAGE_REMOVED", UNSUPPORTED, GIVE_UP, POOL, false)                                        \
    X("MESSAGE_DEPRECATED", UNSUPPORTED, GIVE_UP, POOL, false)                                     \
    X("NOT_IMPLEMENTED", UNSUPPORTED, GIVE_UP, POOL, false)                                        \
    X("LICENCE_RESTRICTION", UNSUPPORTED, GIVE_UP, POOL, false)                                    \
    X("LICENSE_RESTRICTION", UNSUPPORTED, GIVE_UP, POOL, false)                                    \
    X("FEATURE_RESTRICTED", UNSUPPORTED, GIVE_UP, POOL, false)                                     \
    X("LICENSE_EXPIRED", UNSUPPORTED, GIVE_UP, HOST, false)                                        \
    X("FIELD_TYPE_ERROR", XAPI, GIVE_UP, JOB, false)                                               \
    X("INVALID_VALUE", XAPI, GIVE_UP, JOB, false)                                                  \
    X("VALUE_NOT_SUPPORTED", XAPI, GIVE_UP, JOB, false)                                            \
    X("XMLRPC_UNMARSHAL_FAILURE", XAPI, GIVE_UP, JOB, false)                                       \
    X("INTERNAL_ERROR", XAPI, SOON, JOB, false)                                                    \
    X("HANDLE_INVALID", XAPI_GONE, REPLAN, JOB, false)                                             \
    X("UUID_INVALID", XAPI_GONE, REPLAN, JOB, false)                                               \
    X("OBJECT_NOLONGER_EXISTS", XAPI_GONE, REPLAN, JOB, false)                                     \
    X(FAULT_VM_GONE, XAPI_GONE, SKIP, JOB, false)                                                  \
    X(FAULT_DISK_GONE, NOT_FOUND, REPLAN, JOB, false)                                              \
    X("VM_BAD_POWER_STATE", XAPI, REPLAN, JOB, false)                                              \
    X("VM_NOT_RESIDENT_HERE", XAPI, REPLAN, JOB, false)                                            \
    X("VM_REBOOTED", XAPI, REPLAN, JOB, false)                                                     \
    X("VM_HALTED", XAPI, REPLAN, JOB, false)                                                       \
    X("VM_CRASHED", XAPI, REPLAN, JOB, false)                                                      \
    X("VM_IS_TEMPLATE", XAPI, REPLAN, JOB, false)                                                  \
    X("VM_IS_SNAPSHOT", XAPI, GIVE_UP, JOB, false)                                                 \
    X("VM_REQUIRES_VDI", XAPI, REPLAN, JOB, false)                                                 \
    X("VBD_MISSING", XAPI_GONE, REPLAN, JOB, false)                                                \
    X("VDI_MISSING", XAPI, GIVE_UP, SR, false)                                                     \
    X("VDI_LOCATION_MISSING", XAPI, GIVE_UP, SR, false)                                            \
    X("VDI_CONTENT_ID_MISSING", XAPI, GIVE_UP, SR, false)                                          \
    X("VDI_NOT_MANAGED", XAPI, REPLAN, JOB, false)                                                 \
    X("OTHER_OPERATION_IN_PROGRESS", XAPI, SOON, JOB, true)                                        \
    X("OPERATION_NOT_ALLOWED", XAPI, SOON, JOB, false)                                             \
    X("OPERATION_PARTIALLY_FAILED", XAPI, SOON, JOB, false)                                        \
    X("OPERATION_BLOCKED", XAPI, GIVE_UP, JOB, false)                                              \
    X("VDI_IN_USE", XAPI, SOON, JOB, true)                                                         \
    X("SR_BACKEND_FAILURE_16", XAPI, SOON, SR, true)                                               \
    X("SR_BACKEND_FAILURE_24", XAPI, SOON, JOB, true)                                              \
    X("SR_VDI_LOCKING_FAILED", XAPI, SOON, SR, true)                                               \
    X("SR_DEVICE_IN_USE", XAPI, SOON, SR, true)                                                    \
    X("DEVICE_ALREADY_ATTACHED", XAPI, SOON, JOB, true)                                            \
    X("DEVICE_ALREADY_DETACHED", XAPI, SOON, JOB, true)                                            \
    X("DEVICE_NOT_ATTACHED", XAPI, SOON, JOB, true)                                                \
    X("DEVICE_DETACH_REJECTED", XAPI, SOON, JOB, true)                                             \
    X("DEVICE_DETACH_TIMEOUT", XAPI, SOON, JOB, true)                                              \
    X("DEVICE_ATTACH_TIMEOUT", XAPI, SOON, HOST, true)                                             \
    X("VBD_IS_EMPTY", XAPI, GIVE_UP, JOB, false)                                                   \
    X("VBD_NOT_REMOVABLE_MEDIA", XAPI, GIVE_UP, JOB, false)                                        \
    X("TOO_MANY_STORAGE_MIGRATES", XAPI, SOON, HOST, false)                                        \
    X("VM_HAS_TOO_MANY_SNAPSHOTS", XAPI, GIVE_UP, JOB, false)                                      \
    X("TASK_CANCELLED", XAPI, SOON, JOB, false)                                                    \
    X(FAULT_TASK_GONE, XAPI, SOON, JOB, false)                                                     \
    X(FAULT_POOL_AWAY, POOL_UNREACHABLE, LATER, POOL, false)                                       \
    X(FAULT_DISK_KEPT, BUSY, GIVE_UP, JOB, false)                                                  \
    X("HOST_DISABLED", XAPI, ELSEWHERE, HOST, false)                                               \
    X("HOST_DISABLED_UNTIL_REBOOT", XAPI, ELSEWHERE, HOST, false)                                  \
    X("HOST_DISABLED_INDEFINITELY", XAPI, ELSEWHERE, HOST, false)                                  \
    X("HOST_EVACUATE_IN_PROGRESS", XAPI, ELSEWHERE, HOST, false)                                   \
    X("HOST_OFFLINE", POOL_UNREACHABLE, ELSEWHERE, HOST, false)                                    \
    X("HOST_NOT_LIVE", POOL_UNREACHABLE, ELSEWHERE, HOST, false)                                   \
    X("HOST_BROKEN", XAPI, ELSEWHERE, HOST, false)                                                 \
    X("HOST_CANNOT_SEE_SR", XAPI, ELSEWHERE, HOST, false)                                          \
    X("HOST_NOT_ENOUGH_FREE_MEMORY", XAPI, ELSEWHERE, HOST, false)                                 \
    X("VM_REQUIRES_SR", XAPI, ELSEWHERE, HOST, false)                                              \
    X("NO_HOSTS_AVAILABLE", XAPI, REPLAN, POOL, false)                                             \
    X("SR_HAS_NO_PBDS", XAPI, REPLAN, SR, false)                                                   \
    X("SR_NOT_ATTACHED", XAPI, ELSEWHERE, SR, false)                                               \
    X("SR_ATTACH_FAILED", XAPI, ELSEWHERE, SR, false)                                              \
    X("OUT_OF_SPACE", NO_SPACE, ELSEWHERE, HOST, false)                                            \
    X("BACKUP_SCRIPT_FAILED", XAPI, SOON, HOST, false)                                             \
    X("SM_PLUGIN_COMMUNICATION_FAILURE", XAPI, SOON, HOST, true)                                   \
    X("SR_BACKEND_FAILURE_44", NO_SPACE, SOON, SR, false)                                          \
    X("SR_FULL", NO_SPACE, SOON, SR, false)                                                        \
    X("SR_SOURCE_SPACE_INSUFFICIENT", NO_SPACE, SOON, SR, false)                                   \
    X("SR_BACKEND_FAILURE_109", XAPI, GIVE_UP, SR, false)                                          \
    X("SR_BACKEND_FAILURE_46", XAPI, SOON, SR, false)                                              \
    X("SR_BACKEND_FAILURE_144", XAPI, GIVE_UP, SR, false)                                          \
    X("SR_BACKEND_FAILURE_38", UNSUPPORTED, GIVE_UP, SR, false)                                    \
    X("SR_BACKEND_FAILURE", XAPI, SOON, SR, false)                                                 \
    X("SR_UNHEALTHY", XAPI, SOON, SR, false)                                                       \
    X("CLUSTERED_SR_DEGRADED", XAPI, SOON, SR, false)                                              \
    X("SR_OPERATION_NOT_SUPPORTED", UNSUPPORTED, GIVE_UP, SR, false)                               \
    X("UNIMPLEMENTED_IN_SM_BACKEND", UNSUPPORTED, GIVE_UP, SR, false)                              \
    X("SR_REQUIRES_UPGRADE", UNSUPPORTED, GIVE_UP, SR, false)                                      \
    X("SR_UNKNOWN_DRIVER", UNSUPPORTED, GIVE_UP, SR, false)                                        \
    X("VDI_IO_ERROR", XAPI, SOON, JOB, false)                                                      \
    X("VDI_NOT_AVAILABLE", XAPI, SOON, SR, false)                                                  \
    X("VDI_COPY_FAILED", XAPI, SOON, SR, false)                                                    \
    X("CLIENT_ERROR", XAPI, SOON, JOB, false)                                                      \
    X("VM_HAS_VUSBS", UNSUPPORTED, GIVE_UP, JOB, false)                                            \
    X("VM_HAS_PCI_ATTACHED", UNSUPPORTED, GIVE_UP, JOB, false)                                     \
    X("VDI_IS_SHARABLE", UNSUPPORTED, GIVE_UP, JOB, false)                                         \
    X("VDI_IS_A_PHYSICAL_DEVICE", UNSUPPORTED, GIVE_UP, JOB, false)                                \
    X("VDI_IS_ENCRYPTED", UNSUPPORTED, GIVE_UP, JOB, false)                                        \
    X("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION", UNSUPPORTED, GIVE_UP, JOB, false)            \
    X("VDI_TOO_LARGE", UNSUPPORTED, GIVE_UP, JOB, false)                                           \
    X("VDI_INCOMPATIBLE_TYPE", UNSUPPORTED, GIVE_UP, JOB, false)                                   \
    X("VDI_NO_CBT_METADATA", UNSUPPORTED, GIVE_UP, JOB, false)                                     \
    X("VM_SNAPSHOT_FAILED", XAPI, SOON, JOB, false)                                                \
    X("VM_SNAPSHOT_WITH_QUIESCE_FAILED", XAPI, SOON, JOB, false)                                   \
    X("VM_SNAPSHOT_WITH_QUIESCE_TIMEOUT", XAPI, SOON, JOB, false)                                  \
    X("VM_SNAPSHOT_WITH_QUIESCE_PLUGIN_DEOS_NOT_RESPOND", XAPI, SOON, JOB, false)                  \
    X("VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED", UNSUPPORTED, SOON, JOB, false)                     \
    X("VM_CHECKPOINT_SUSPEND_FAILED", XAPI, SOON, JOB, false)                                      \
    X("VM_CHECKPOINT_RESUME_FAILED", XAPI, GIVE_UP, JOB, false)

static const struct expected {
    const char *name;
    enum error_code code;
    enum fault_step step;
    enum fault_scope scope;
    bool passes;
} expected[] = {
#define X(name, code, step, scope, passes)                                                         \
    {name, ERROR_##code, FAULT_##step, FAULT_OF_##scope, passes},
    EXPECTED(X)
#undef X
};

static void set_fault(struct error *err, const char *name)
{
    CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;

    text_list_add(&items, name);
    text_list_add(&items, "OpaqueRef:1");
    assert_int_equal(fault_set(err, &items), -1);
}

static void every_row_says_what_is_done_and_told(void **state)
{
    (void)state;
    size_t n = 0;
    const struct fault_row *rows = fault_rows(&n);

    assert_int_equal(n, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < n; i++) {
        const struct expected *want = &expected[i];
        struct error err = ERROR_INIT;
        CLEAN_CHAR char *text = str_format("do: %s(OpaqueRef:1): %s", want->name, rows[i].advice);

        set_fault(&err, want->name);
        assert_int_equal(err.code, want->code);
        assert_true(fault_is(&err, want->name));
        error_add(&err, "do");
        assert_string_equal(err.text, text);
        assert_int_equal(fault_judge(&err).step, want->step);
        assert_int_equal(fault_judge(&err).scope, want->scope);
        assert_int_equal(fault_is_transient(&err), want->passes);
    }
}

static void every_row_is_there_once_and_has_an_advice(void **state)
{
    (void)state;
    size_t n = 0;
    const struct fault_row *rows = fault_rows(&n);

    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(fault_find(rows[i].name), &rows[i]);
        assert_true(rows[i].advice != NULL && strlen(rows[i].advice) > 8);
        assert_true(strlen(rows[i].name) < ERROR_ORIGIN_MAX);
    }
}

static void a_code_without_a_row_is_tried_again(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;

    set_fault(&err, "SOMETHING_NEW");
    assert_int_equal(err.code, ERROR_XAPI);
    assert_int_equal(fault_judge(&err).step, FAULT_SOON);
    assert_int_equal(fault_judge(&err).scope, FAULT_OF_JOB);
    assert_false(fault_is_transient(&err));
    assert_string_equal(err.text, "SOMETHING_NEW(OpaqueRef:1)");
}

static void errors_of_ours_are_judged_by_their_code(void **state)
{
    (void)state;
    static const struct {
        enum error_code code;
        enum fault_step step;
        enum fault_scope scope;
    } cases[] = {
        {ERROR_POOL_UNREACHABLE, FAULT_LATER, FAULT_OF_HOST},
        {ERROR_STORE_MISSING, FAULT_ELSEWHERE, FAULT_OF_HOST},
        {ERROR_STORE_FOREIGN, FAULT_ELSEWHERE, FAULT_OF_HOST},
        {ERROR_POOL_REFUSED, FAULT_ELSEWHERE, FAULT_OF_HOST},
        {ERROR_AUTH, FAULT_ELSEWHERE, FAULT_OF_HOST},
        {ERROR_EXISTS, FAULT_SOON, FAULT_OF_JOB},
        {ERROR_SHORT, FAULT_SOON, FAULT_OF_JOB},
        {ERROR_NO_SPACE, FAULT_SOON, FAULT_OF_JOB},
        {ERROR_DIED, FAULT_SOON, FAULT_OF_JOB},
        {ERROR_LOST, FAULT_SOON, FAULT_OF_JOB},
        {ERROR_UNSUPPORTED, FAULT_GIVE_UP, FAULT_OF_JOB},
        {ERROR_LIMIT, FAULT_GIVE_UP, FAULT_OF_JOB},
        {ERROR_NONE, FAULT_GIVE_UP, FAULT_OF_JOB},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {.code = cases[i].code};

        assert_int_equal(fault_judge(&err).step, cases[i].step);
        assert_int_equal(fault_judge(&err).scope, cases[i].scope);
    }
}

static void an_error_of_ours_takes_its_row(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;

    assert_int_equal(fault_set_own(&err, FAULT_VM_GONE, "web%d", 1), -1);
    assert_int_equal(err.code, ERROR_XAPI_GONE);
    assert_true(fault_is(&err, FAULT_VM_GONE));
    assert_string_equal(err.text, "web1: it was removed, or moved to another pool, after the run "
                                  "was planned");
    assert_string_equal(fault_step_name(FAULT_SKIP), "skip");
}

static void parameters_are_cut_and_stay_on_one_line(void **state)
{
    (void)state;
    CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;
    char big[5000];
    struct error err = ERROR_INIT;

    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    text_list_add(&items, "SOMETHING_NEW");
    text_list_add(&items, "a\nb");
    text_list_add(&items, big);
    fault_set(&err, &items);
    assert_true(strlen(err.text) < 400);
    assert_true(!strncmp(err.text, "SOMETHING_NEW(a b, xxx", 22));
    assert_null(strchr(err.text, '\n'));
    assert_true(!strcmp(err.text + strlen(err.text) - 4, "...)"));
}

static void a_fault_without_a_name_is_still_one(void **state)
{
    (void)state;
    CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;
    struct error err = ERROR_INIT;

    assert_int_equal(fault_set(&err, &items), -1);
    assert_int_equal(err.code, ERROR_XAPI);
    assert_false(fault_is(&err, ""));
}

static void a_page_gives_its_code_and_its_text(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;

    fault_set_page(&err, 500,
                   "<html><body><h1>HTTP 500 internal server error</h1>An unexpected error "
                   "occurred.<h1> Additional information </h1>UUID_INVALID: [ VM; 0-0 ]</body>"
                   "</html>");
    assert_int_equal(err.code, ERROR_XAPI_GONE);
    assert_string_equal(err.origin, "UUID_INVALID");
    assert_string_equal(err.text, "HTTP 500: UUID_INVALID: [ VM; 0-0 ] : it was removed meanwhile");
    fault_set_page(&err, 401, "<html><body><h1>HTTP 401 unauthorised</h1></body></html>");
    assert_int_equal(err.code, ERROR_POOL_REFUSED);
    fault_set_page(&err, 404, "");
    assert_string_equal(err.text, "HTTP 404");
    assert_int_equal(err.code, ERROR_XAPI);
    fault_set_page(&err, 500, "lower: [ x ] and <unclosed: [");
    assert_string_equal(err.origin, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_says_what_is_done_and_told),
        cmocka_unit_test(every_row_is_there_once_and_has_an_advice),
        cmocka_unit_test(a_code_without_a_row_is_tried_again),
        cmocka_unit_test(errors_of_ours_are_judged_by_their_code),
        cmocka_unit_test(an_error_of_ours_takes_its_row),
        cmocka_unit_test(parameters_are_cut_and_stay_on_one_line),
        cmocka_unit_test(a_fault_without_a_name_is_still_one),
        cmocka_unit_test(a_page_gives_its_code_and_its_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

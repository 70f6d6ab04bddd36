/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One remote call: names, argument rules, session, Async, error shapes.
 *
 * A method runs with the pool's lock held, its arguments counted and typed, its session checked
 * and last used. It writes its result to call->answer (nothing written = void) or sets
 * call->failure and gives -1. It may wait with pool_wait_until; object pointers end there.
 * Source: gen_server.ml, api_server.ml (contract 1.2, 1.5); recordings 001-095, 427-434.
 */
#ifndef ONYX_TESTS_POOLSIM_RPC_H
#define ONYX_TESTS_POOLSIM_RPC_H

#include <jansson.h>

#include "tests/poolsim/answer.h"
#include "tests/poolsim/failure.h"
#include "tests/poolsim/http.h"
#include "tests/poolsim/pool.h"

struct call {
    struct pool *pool;
    struct host *asked; /* whose connection it came over */
    struct host *host;  /* who runs it: the master for what a slave forwards */
    enum transport transport;
    const char *user_agent;
    const struct request *request; /* while the call is dispatched */
    const char *name; /* as dispatched: "VM.snapshot" */
    const struct message *message;
    json_t *params; /* without the session */
    char session_ref[REF_MAX];
    char task_ref[REF_MAX]; /* the Async task, or "DummyRef:|uuid|VM.snapshot" */
    struct answer *answer;
    struct failure *failure;
    bool drops_connection; /* a fault: close without an answer */
};

typedef int method_fn(struct call *call);

struct method_row {
    const char *name;
    method_fn *run;
};

/* Tables ended by a row of NULLs. */
extern const struct method_row session_methods[];
extern const struct method_row task_methods[];
extern const struct method_row event_methods[];
extern const struct method_row pool_methods[];
extern const struct method_row host_methods[];
extern const struct method_row vm_methods[];
extern const struct method_row vm_power_methods[];
extern const struct method_row vm_place_methods[];
extern const struct method_row vdi_methods[];
extern const struct method_row cbt_methods[];
extern const struct method_row sr_methods[];
extern const struct method_row device_methods[]; /* VBD, VIF, PBD, network */
extern const struct method_row message_methods[];
extern const struct method_row vtpm_methods[];
extern const struct method_row vm_ask_methods[];
extern const struct method_row vm_import_methods[];
extern const struct method_row migrate_methods[]; /* to other SRs */
extern const struct method_row minor_methods[]; /* VUSB, secret, blob */

/* The method of a message that XAPI generates for every class (get_record, add_to_x ...); gives
 * NULL if it is none of these. */
method_fn *generic_method(const struct message *message);

/* Arguments, counted behind the session. Their types were checked; an argument left out is NULL
 * or the default. */
const char *call_text(const struct call *call, int index);
int64_t call_int(const struct call *call, int index);
bool call_bool(const struct call *call, int index);
const json_t *call_value(const struct call *call, int index);
void call_set(const struct call *call, int index, struct text_list *ret_items);
void call_map(const struct call *call, int index, struct text_map *ret_pairs);

/* The object that an argument names; NULL and HANDLE_INVALID. */
struct object *call_object(struct call *call, int index, enum class_id class);
int call_handle_invalid(struct call *call, const char *class_name, const char *ref);

/* POST of XML-RPC (is_json false) or JSON-RPC. */
void rpc_handle(struct connection *connection, struct request *request, bool is_json);

#endif

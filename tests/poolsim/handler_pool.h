/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The data handlers of hosts and of the pool: GET /host_backup and GET /pool/xmldbdump.
 */
#ifndef ONYX_TESTS_POOLSIM_HANDLER_POOL_H
#define ONYX_TESTS_POOLSIM_HANDLER_POOL_H

#include "tests/poolsim/http.h"

/* The contacted host's own dom0 as a gzip'd tar; never redirected. A source fault plays a failing
 * script. Source: xapi_host_backup.ml; contract 10; recordings 620-623, 1597-1604. */
handler_fn handler_host_backup;

/* The database as XML; a slave has none. A "source_short" fault plays a rolling upgrade: a stub,
 * with success. Source: pool_db_backup.ml; contract 10; recordings 612-619, 1593-1596. */
handler_fn handler_xmldbdump;

struct str;
/* The dump's text. Lock held. */
void pool_dump_make(struct pool *pool, struct str *out);

#endif

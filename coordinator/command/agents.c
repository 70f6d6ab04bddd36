/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool agents: who is there, when it was seen, and what keeps it from work.
 */
#include "coordinator/command/command.h"

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog.h"

struct listing {
    struct str text;
    json_t *agents; /* NULL: text is wanted */
    size_t n;
};

static json_t *agent_json(const struct catalog_agent *agent)
{
    return json_pack("{s:o,s:o,s:o,s:b,s:o,s:o,s:o,s:I,s:I,s:i,s:i,s:o,s:o,s:i,s:f,s:I,s:o}", "host",
                     command_json_text(agent->host_name), "host_uuid",
                     command_json_text(agent->host_uuid), "version",
                     command_json_text(agent->version), "ready", agent->is_ready, "reason",
                     command_json_text(agent->reason), "store_root",
                     command_json_text(agent->store_root), "store",
                     command_json_text(agent->store_uuid), "free",
                     (json_int_t)agent->store_free_bytes, "total",
                     (json_int_t)agent->store_total_bytes, "slots_free", (int)agent->slots_free,
                     "running", (int)agent->running_n, "first_seen_at",
                     command_json_time(agent->first_seen_at), "seen_at",
                     command_json_time(agent->seen_at), "cpu_percent", (int)agent->cpu_percent,
                     "load_average", agent->load_percent / 100.0, "rate_limit",
                     (json_int_t)agent->rate_limit, "hold_back",
                     command_json_text(agent->hold_back));
}

static void add_load(const struct catalog_agent *agent, struct str *out)
{
    char rate[NUM_TEXT_MAX];

    str_add_format(out, "    dom0: CPU at %u %%, load average %u.%02u", agent->cpu_percent,
                   agent->load_percent / 100, agent->load_percent % 100);
    if (agent->rate_limit != 0)
        str_add_format(out, "; jobs together at most %s",
                       num_format_rate(agent->rate_limit, 1000, rate));
    if (agent->hold_back != NULL)
        str_add_format(out, "; held back: %s", agent->hold_back);
    str_add_char(out, '\n');
}

static int add_agent(void *context, const struct catalog_agent *agent, struct error *err)
{
    struct listing *listing = context;
    char seen[CLOCK_ISO_MAX], room[NUM_TEXT_MAX];
    const char *name = agent->host_name != NULL ? agent->host_name : agent->host_uuid;

    (void)err;
    listing->n++;
    if (listing->agents != NULL) {
        (void)json_array_append_new(listing->agents, agent_json(agent));
        return 0;
    }
    str_add_format(&listing->text, "%s: seen %s, ", name,
                   clock_format_local(agent->seen_at, seen));
    if (agent->is_ready)
        str_add_format(&listing->text, "ready, %u running, %u free, store has %s free\n",
                       agent->running_n, agent->slots_free,
                       num_format_bytes(agent->store_free_bytes, room));
    else
        str_add_format(&listing->text, "gets no job\n    %s\n",
                       agent->reason != NULL ? agent->reason : "it gave no reason");
    add_load(agent, &listing->text);
    return 0;
}

int command_agents(const struct settings *settings, struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    struct listing listing = {.text = STR_INIT};

    if (command_check_operands(settings, 0, 0, "", err) != 0)
        return -1;
    int opened = command_open_catalog(settings, &catalog, err);
    if (opened < 0)
        return -1;
    if (settings->is_json)
        listing.agents = json_array();
    int result = opened == 1 ? catalog_each_agent(catalog, add_agent, &listing, err) : 0;
    if (result == 0 && settings->is_json) {
        result = command_print_json_take(json_pack("{s:O}", "agents", listing.agents), err);
    } else if (result == 0) {
        if (listing.n == 0)
            str_add(&listing.text, "No agent was ever seen. Start onyxpool-agent on each host "
                                   "and run a backup.\n");
        result = command_print(&listing.text, err);
    }
    json_decref(listing.agents);
    str_done(&listing.text);
    return result;
}

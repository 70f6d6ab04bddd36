/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * poolsim POOL.json --dir DIR --port-file FILE: build the pool, listen, say where, serve until
 * SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/quit.h"
#include "common/base/str.h"
#include "tests/poolsim/build.h"
#include "tests/poolsim/server.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

static const char help[] =
    "Usage: poolsim POOL.json --dir DIR --port-file FILE\n"
    "\n"
    "A simulated pool of XenServer hosts. Runs until SIGTERM or SIGINT.\n"
    "\n"
    "  POOL.json         hosts, SRs, networks and VMs (tests/poolsim/README.md)\n"
    "  --dir DIR         keeps the disks and the unix sockets; made if it is not there\n"
    "  --port-file FILE  written once the pool answers: addresses, ports, sockets\n"
    "  --help            this text\n";

struct options {
    const char *file;
    const char *dir;
    const char *port_file;
};

static int parse_options(int argc, char **argv, struct options *options, struct error *err)
{
    static const struct option longs[] = {{"dir", required_argument, NULL, 'd'},
                                          {"port-file", required_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (option == 'd')
            options->dir = optarg;
        else if (option == 'p')
            options->port_file = optarg;
        else if (option == 'h') {
            fputs(help, stdout);
            exit(0);
        } else
            return error_set(err, ERROR_USAGE, "%s: unknown option, or its value is missing",
                             argv[optind - 1]);
    }
    if (optind != argc - 1)
        return error_set(err, ERROR_USAGE, "exactly one POOL.json is expected");
    options->file = argv[optind];
    if (!options->dir || !options->port_file)
        return error_set(err, ERROR_USAGE, "--dir and --port-file are needed");
    return 0;
}

static json_t *show_host(struct pool *pool, const struct host *host)
{
    const struct object *record = store_find(pool, CLASS_host, host->ref);
    CLEAN_CHAR char *url = str_format("http://%s:%d", host->address, host->port);
    CLEAN_CHAR char *tls_url = str_format("https://%s:%d", host->address, host->tls_port);

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", host->name, "uuid",
                     object_uuid(record), "hostname", object_text(record, F_host_hostname),
                     "address", host->address, "url", url, "tls_url", tls_url, "socket",
                     host->socket_path);
}

static int write_port_file(struct pool *pool, const char *path, struct error *err)
{
    json_t *hosts = json_array();
    json_t *root;
    CLEAN_CHAR char *text = NULL;

    for (size_t i = 0; i < pool->hosts_n; i++)
        json_array_append_new(hosts, show_host(pool, pool->hosts[i]));
    root = json_pack("{s:s, s:s, s:s, s:o}", "master", pool->master->name, "user", pool->user,
                     "password", pool->password, "hosts", hosts);
    text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    if (!text)
        return error_set(err, ERROR_INTERNAL, "the port file can't be made");
    return fd_replace_file(path, 0600, text, strlen(text), err);
}

static int serve(struct pool *pool, const struct options *options, struct error *err)
{
    struct server *server = NULL;
    int result;

    if (server_open(pool, &server, err))
        return -1;
    result = write_port_file(pool, options->port_file, err);
    if (result == 0)
        server_run(server, quit_fd());
    unlink(options->port_file);
    server_free(server);
    return result;
}

/* Make DIR and keep it to ourselves: a second pool would take our disks away. What a pool that was
 * killed left as its port file must not look like ours. */
static int take_dir(const struct options *options, char **ret_dir, int *ret_lock, struct error *err)
{
    CLEAN_CHAR char *path = str_format("%s/lock", options->dir);
    CLEAN_FD int lock = -1;

    if (mkdir(options->dir, 0700) && errno != EEXIST)
        return error_set_sys(err, ERROR_IO, errno, "make %s", options->dir);
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return error_set_sys(err, ERROR_IO, errno, "open %s", path);
    if (flock(lock, LOCK_EX | LOCK_NB))
        return error_set(err, ERROR_USAGE, "another poolsim runs in %s: choose another --dir",
                         options->dir);
    *ret_dir = realpath(options->dir, NULL); /* sockets are used from other folders too */
    if (!*ret_dir)
        return error_set_sys(err, ERROR_IO, errno, "find %s", options->dir);
    unlink(options->port_file);
    *ret_lock = lock;
    lock = -1;
    return 0;
}

static int run_pool(const struct options *options, const json_t *file, struct error *err)
{
    CLEAN_CHAR char *dir = NULL;
    CLEAN_FD int lock = -1;
    struct pool *pool = NULL;
    int result;

    if (take_dir(options, &dir, &lock, err))
        return -1;
    if (build_pool(file, dir, &pool, err))
        return error_add(err, "%s", options->file);
    result = serve(pool, options, err);
    pool_free(pool);
    return result;
}

/* Every host takes hundreds of connections, each a descriptor. */
static void allow_many_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run(const struct options *options, struct error *err)
{
    json_error_t problem;
    json_t *file = json_load_file(options->file, JSON_REJECT_DUPLICATES, &problem);
    int result;

    if (!file && problem.line < 1)
        return error_set(err, ERROR_USAGE, "%s", problem.text);
    if (!file)
        return error_set(err, ERROR_USAGE, "%s, line %d: %s", options->file, problem.line,
                         problem.text);
    allow_many_files();
    result = run_pool(options, file, err);
    json_decref(file);
    return result;
}

int main(int argc, char **argv)
{
    struct options options = {NULL, NULL, NULL};
    struct error err = ERROR_INIT;

    if (parse_options(argc, argv, &options, &err) || quit_watch(&err) || run(&options, &err)) {
        fprintf(stderr, "poolsim: %s\n", err.text);
        return err.code == ERROR_USAGE ? 2 : error_exit_status(err.code);
    }
    return 0;
}

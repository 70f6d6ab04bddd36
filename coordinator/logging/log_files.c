/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The writer's thread takes the whole queue at once and writes it without the lock. When the end of
 * a run gives up on it, everything it may still touch stays allocated.
 */
#include "coordinator/logging/log_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "coordinator/logging/logging_config.h"
#include "coordinator/logging/logging_format.h"

#include "common/base/poison.h"

#define FILE_MODE 0640
#define FOLDER_MODE 0755

struct entry {
    struct entry *next;
    int64_t wall_ms;
    enum log_level level;
    char *room;
    char *text;
};

struct log_file {
    struct logging_handler handler; /* its texts are ours */
    int fd;
    uint64_t size_bytes;
    bool is_told; /* that it, or another of its folder, can't be written */
    struct log_files *all;
};

struct log_files {
    const struct clock *clock;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t has_more;
    struct entry *first, **end; /* under the lock, as all down to the files */
    size_t queued_bytes;
    uint64_t dropped_n;
    bool is_ending;
    struct log_file *files; /* the thread's alone */
    size_t files_n;
    enum log_level level;
};

/* ---- one file ---- */

static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

/* Once a folder, in the log itself: the console shows it. */
static void tell(struct log_file *file, const struct error *err)
{
    const char *path = file->handler.path;
    size_t n = folder_length(path);
    if (!file->is_told)
        log_warn("log", "%s; the run goes on without it", err->text);
    for (size_t i = 0; i < file->all->files_n; i++) {
        struct log_file *other = &file->all->files[i];
        if (folder_length(other->handler.path) == n && memcmp(other->handler.path, path, n) == 0)
            other->is_told = true;
    }
}

static void make_folder(const char *path)
{
    CLEAN_CHAR char *folder = mem_dup_n(path, folder_length(path));
    (void)mkdir(folder, FOLDER_MODE); /* the open behind it tells what is wrong */
}

static int file_open(struct log_file *file, bool is_first, struct error *err)
{
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY;
    struct stat st;
    if (is_first && file->handler.is_new)
        flags |= O_TRUNC;
    file->fd = open(file->handler.path, flags, FILE_MODE);
    if (file->fd < 0 && errno == ENOENT) {
        make_folder(file->handler.path);
        file->fd = open(file->handler.path, flags, FILE_MODE);
    }
    if (file->fd < 0)
        return error_set_sys(err, ERROR_IO, errno, "cannot open the log file %s",
                             file->handler.path);
    file->size_bytes = fstat(file->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    return 0;
}

/* Another process may have rotated it, or somebody removed it: then what we hold is no longer the
 * file of that name. Gives whether there is a file to write to. */
static bool file_follow(struct log_file *file)
{
    struct stat named, held;
    struct error err = ERROR_INIT;
    if (file->fd >= 0 && fstat(file->fd, &held) == 0 && stat(file->handler.path, &named) == 0 &&
        held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
        file->size_bytes = (uint64_t)held.st_size;
        return true;
    }
    bool is_first = file->fd < 0 && !file->is_told;
    fd_close(&file->fd);
    if (file_open(file, is_first, &err) == 0)
        return true;
    tell(file, &err);
    return false;
}

/* path.N-1 becomes path.N, ..., path becomes path.1. The descriptor is closed before: some shares
 * rename no open file. */
static void file_rotate(struct log_file *file)
{
    const char *path = file->handler.path;
    struct error err = ERROR_INIT;
    fd_close(&file->fd);
    for (unsigned n = file->handler.backups_n; n > 0; n--) {
        CLEAN_CHAR char *to = str_format("%s.%u", path, n);
        CLEAN_CHAR char *from = n > 1 ? str_format("%s.%u", path, n - 1) : mem_dup(path);
        if (rename(from, to) != 0 && errno != ENOENT) {
            error_set_sys(&err, ERROR_IO, errno, "cannot rotate the log file %s", path);
            tell(file, &err);
        }
    }
    if (file_open(file, false, &err) < 0)
        tell(file, &err);
}

static void file_write(struct log_file *file, const char *line, size_t n)
{
    struct error err = ERROR_INIT;
    const struct logging_handler *handler = &file->handler;
    if (handler->max_bytes && handler->backups_n && file->size_bytes > 0 &&
        file->size_bytes + n > handler->max_bytes)
        file_rotate(file);
    if (file->fd < 0)
        return;
    if (fd_write_all(file->fd, line, n, &err) < 0) {
        error_add(&err, "write to the log file %s", handler->path);
        tell(file, &err);
        return;
    }
    file->size_bytes += n;
}

/* ---- the thread ---- */

static void write_entries(struct log_files *files, const struct entry *first, uint64_t dropped_n)
{
    CLEAN_CHAR char *lost =
        str_format("%llu lines were lost here: the disk took none",
                   (unsigned long long)dropped_n);
    for (size_t i = 0; i < files->files_n; i++) {
        struct log_file *file = &files->files[i];
        if (!file_follow(file))
            continue;
        CLEAN_STR struct str line = STR_INIT;
        if (dropped_n) {
            logging_format_line(&file->handler, clock_wall_ms(files->clock), LOG_LEVEL_WARN, "log",
                                lost, &line);
            file_write(file, str_text(&line), line.len);
        }
        for (const struct entry *entry = first; entry; entry = entry->next) {
            if (entry->level > file->handler.level)
                continue;
            str_clear(&line);
            logging_format_line(&file->handler, entry->wall_ms, entry->level, entry->room,
                                entry->text, &line);
            file_write(file, str_text(&line), line.len);
        }
    }
}

static void free_entries(struct entry *first)
{
    while (first) {
        struct entry *next = first->next;
        free(first->room);
        free(first->text);
        free(first);
        first = next;
    }
}

static void *write_until_end(void *context)
{
    struct log_files *files = context;
    bool is_ending = false;
    while (!is_ending) {
        pthread_mutex_lock(&files->lock);
        while (!files->first && !files->is_ending)
            pthread_cond_wait(&files->has_more, &files->lock);
        struct entry *first = files->first;
        uint64_t dropped_n = files->dropped_n;
        files->first = NULL;
        files->end = &files->first;
        files->queued_bytes = 0;
        files->dropped_n = 0;
        is_ending = files->is_ending && !first;
        pthread_mutex_unlock(&files->lock);
        if (first || dropped_n)
            write_entries(files, first, dropped_n);
        free_entries(first);
    }
    return NULL;
}

/* ---- for those who log ---- */

void log_files_take(void *context, enum log_level level, const char *room, const char *text)
{
    struct log_files *files = context;
    if (files->files_n == 0 || level > files->level)
        return;
    size_t n = sizeof(struct entry) + strlen(room) + strlen(text);
    struct entry *entry = mem_zero(1, sizeof *entry);
    entry->wall_ms = clock_wall_ms(files->clock);
    entry->level = level;
    entry->room = mem_dup(room);
    entry->text = mem_dup(text);
    pthread_mutex_lock(&files->lock);
    if (files->queued_bytes + n > LOG_FILES_QUEUE_MAX) {
        files->dropped_n++;
    } else {
        *files->end = entry;
        files->end = &entry->next;
        files->queued_bytes += n;
        entry = NULL;
        pthread_cond_signal(&files->has_more);
    }
    pthread_mutex_unlock(&files->lock);
    free_entries(entry);
}

enum log_level log_files_level(const struct log_files *files)
{
    return files->level;
}

struct log_files *log_files_open(const struct logging_config *config, const struct clock *clock)
{
    struct log_files *files = mem_zero(1, sizeof *files);
    files->clock = clock;
    files->end = &files->first;
    files->files = mem_zero(config->n + 1, sizeof *files->files);
    for (size_t i = 0; i < config->n; i++) {
        const struct logging_handler *from = &config->handlers[i];
        if (from->kind != LOGGING_FILE)
            continue;
        struct log_file *file = &files->files[files->files_n++];
        *file = (struct log_file){.handler = *from, .fd = -1, .all = files};
        file->handler.format = mem_dup(from->format);
        file->handler.datefmt = mem_dup(from->datefmt);
        file->handler.path = mem_dup(from->path);
        if (from->level > files->level)
            files->level = from->level;
    }
    pthread_mutex_init(&files->lock, NULL);
    pthread_cond_init(&files->has_more, NULL);
    if (files->files_n > 0 && pthread_create(&files->thread, NULL, write_until_end, files) != 0) {
        log_warn("log", "no thread for the log files; the run goes on without them");
        files->files_n = 0;
    }
    return files;
}

static void log_files_free(struct log_files *files)
{
    for (size_t i = 0; files->files[i].handler.path; i++) {
        fd_close(&files->files[i].fd);
        mem_free_char(&files->files[i].handler.format);
        mem_free_char(&files->files[i].handler.datefmt);
        mem_free_char(&files->files[i].handler.path);
    }
    free_entries(files->first);
    free(files->files);
    pthread_mutex_destroy(&files->lock);
    pthread_cond_destroy(&files->has_more);
    free(files);
}

static bool join_in_time(struct log_files *files)
{
    struct timespec until;
    if (files->files_n == 0)
        return true;
    pthread_mutex_lock(&files->lock);
    files->is_ending = true;
    pthread_cond_signal(&files->has_more);
    pthread_mutex_unlock(&files->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LOG_FILES_CLOSE_MS / 1000;
    if (pthread_timedjoin_np(files->thread, NULL, &until) == 0)
        return true;
    pthread_detach(files->thread);
    log_warn("log", "the disk of %s takes no lines; the last ones are lost",
             files->files[0].handler.path);
    return false;
}

void log_files_end(struct log_files **files, struct text_list *folders)
{
    struct log_files *own = *files;
    int kept = errno;
    *files = NULL;
    if (!own)
        return;
    bool has_joined = join_in_time(own);
    for (size_t i = 0; folders && i < own->files_n; i++) {
        const struct log_file *file = &own->files[i];
        const char *path = file->handler.path;
        if (!has_joined || file->is_told)
            text_list_add_take(folders, mem_dup_n(path, folder_length(path)));
    }
    if (has_joined)
        log_files_free(own);
    errno = kept;
}

void log_files_close(struct log_files **files)
{
    log_files_end(files, NULL);
}

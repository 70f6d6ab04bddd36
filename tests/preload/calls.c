/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A library that tests load in front of the programs (LD_PRELOAD): each file call on the share is
 * counted, and can be written down, killed, refused or held. The programs know nothing of it.
 *
 * ONYX_CALLS="<folder of the share> <folder of wishes>". In the latter:
 *
 *     count      three numbers of 8 bytes: calls of workers, agents, coordinators so far (made by
 *                the test, zeroed to begin anew; without it nothing is counted)
 *     wish       "<worker|agent|coordinator> <n> <action> [on]": what befalls the n-th call, and
 *                with "on" those behind it: "kill", "hang" (until the wish is gone), "freeze" (as
 *                that, and nothing ends it before: see kill below), "error <errno>"
 *     hung       made by a call that hangs: "<process> <thread>"
 *     log        what was done, one record a call (made by the test; without it nothing is noted):
 *                a line "<who> <call> <result> <inode> <offset> <n> <path> <path>", then n bytes that
 *                were written; what a worker tells its agent is noted too, as "tell"
 */
#define _GNU_SOURCE
#include "tests/preload/preload.h"

#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define NOTE_FD 3 /* of a worker; agent/worker.h */

enum who { WORKER, AGENT, COORDINATOR, NOBODY };

static const char *const who_names[] = {"worker", "agent", "coordinator"};

struct setting {
    char share[PATH_MAX], wishes[PATH_MAX];
    enum who who;
    uint64_t *count;
};

static struct setting setting;
static __thread int inside; /* our own calls are nobody's */
static volatile sig_atomic_t frozen; /* the thread in a call that not even a kill ends */
static volatile sig_atomic_t is_killed;

static void stop_here(int signal_number);

static enum who who_am_i(void)
{
    char line[4096];
    preload_read("/proc/self/cmdline", line, sizeof line);
    const char *name = strrchr(line, '/');
    name = name != NULL ? name + 1 : line;
    if (preload_is_worker())
        return WORKER;
    if (strcmp(name, "onyxpool-agent") == 0)
        return AGENT;
    return strncmp(name, "onyxpool", 8) == 0 ? COORDINATOR : NOBODY;
}

__attribute__((constructor)) static void begin(void)
{
    char path[PATH_MAX + 16];
    setting.who = NOBODY;
    if (!preload_split("ONYX_CALLS", setting.share, setting.wishes))
        return;
    inside++;
    setting.who = who_am_i();
    if (setting.who == WORKER)
        sigaction(SIGUSR2, &(struct sigaction){.sa_handler = stop_here}, NULL);
    snprintf(path, sizeof path, "%s/count", setting.wishes);
    int fd = preload_open(path, O_RDWR);
    if (fd >= 0) {
        void *map = mmap(NULL, 24, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        setting.count = map != MAP_FAILED ? map : NULL;
        close(fd);
    }
    inside--;
}

/* A path on the share, without the share's own. */
static int path_of(int fd, char path[PATH_MAX])
{
    char full[PATH_MAX];
    const char *rest = preload_path(fd, full) ? preload_below(setting.share, full) : NULL;
    if (rest != NULL)
        snprintf(path, PATH_MAX, "%s", rest);
    return rest != NULL;
}

static int path_at(int folder, const char *name, char path[PATH_MAX])
{
    if (name[0] == '/') {
        const char *rest = preload_below(setting.share, name);
        if (rest != NULL)
            snprintf(path, PATH_MAX, "%s", rest);
        return rest != NULL;
    }
    if (folder < 0 || !path_of(folder, path))
        return 0;
    size_t n = strlen(path);
    snprintf(path + n, PATH_MAX - n, "%s%s", n > 0 ? "/" : "", name);
    return 1;
}

static int read_wish(enum who *ret_who, unsigned long long *ret_n, char action[16], int *ret_why,
                     int *ret_on)
{
    char path[PATH_MAX + 16], text[128], who[16];
    snprintf(path, sizeof path, "%s/wish", setting.wishes);
    if (preload_read(path, text, sizeof text) <= 0)
        return 0;
    *ret_why = 0;
    *ret_on = strstr(text, " on") != NULL;
    if (sscanf(text, "%15s %llu %15s %d", who, ret_n, action, ret_why) < 3)
        return 0;
    for (int i = WORKER; i < NOBODY; i++)
        if (strcmp(who, who_names[i]) == 0)
            *ret_who = (enum who)i;
    return 1;
}

/* ---- a call that waits for a share that is gone ---- */

/* The other threads of a process that was killed while one of its calls was in the kernel. */
static void stop_here(int signal_number)
{
    (void)signal_number;
    is_killed = 1;
    while (syscall(SYS_gettid) != frozen)
        pause();
}

/* No thread may shut this one out. */
static int mask(int how, const sigset_t *set, sigset_t *old, const char *which)
{
    NEXT(pthread_sigmask, which);
    sigset_t less;
    if (set == NULL || how == SIG_UNBLOCK)
        return next(how, set, old);
    less = *set;
    sigdelset(&less, SIGUSR2);
    return next(how, &less, old);
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return mask(how, set, old, "pthread_sigmask");
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    return mask(how, set, old, "sigprocmask");
}

/* A process whose thread waits in the kernel does not end by a kill: its other threads stop, its
 * descriptors stay open, and what the call does is done when the share answers. Nothing behind. */
int kill(pid_t pid, int signal_number)
{
    NEXT(kill, "kill");
    char path[PATH_MAX + 16], text[64], action[16] = "";
    int process = 0;
    snprintf(path, sizeof path, "%s/hung", setting.wishes);
    if (signal_number != SIGKILL || setting.who != AGENT ||
        preload_read(path, text, sizeof text) <= 0 ||
        sscanf(text, "%d %*d %15s", &process, action) != 2 || process != pid ||
        strcmp(action, "freeze") != 0)
        return next(pid, signal_number);
    snprintf(path, sizeof path, "/proc/%d/task", process);
    DIR *dir = opendir(path);
    for (const struct dirent *item; dir != NULL && (item = readdir(dir)) != NULL;)
        if (atoi(item->d_name) > 0)
            syscall(SYS_tgkill, process, atoi(item->d_name), SIGUSR2);
    if (dir != NULL)
        closedir(dir);
    return 0;
}

/* So does one that ends by itself. */
void _exit(int status)
{
    if (frozen != 0 && syscall(SYS_gettid) != frozen) {
        is_killed = 1;
        for (;;)
            pause();
    }
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

static void hang(const char *action)
{
    NEXT(write, "write");
    char path[PATH_MAX + 16], beside[PATH_MAX + 16], text[64], now[16];
    enum who who;
    unsigned long long at;
    int why, is_on, is_freeze = strcmp(action, "freeze") == 0;
    snprintf(path, sizeof path, "%s/hung", setting.wishes);
    snprintf(beside, sizeof beside, "%s/hung.new", setting.wishes);
    int length = snprintf(text, sizeof text, "%d %ld %s\n", getpid(), syscall(SYS_gettid), action);
    if (is_freeze)
        frozen = (sig_atomic_t)syscall(SYS_gettid);
    int fd = preload_open(beside, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0 || next(fd, text, (size_t)length) != length || close(fd) != 0 ||
        rename(beside, path) != 0)
        abort();
    while (read_wish(&who, &at, now, &why, &is_on) && strcmp(now, action) == 0)
        usleep(20000);
    if (is_freeze && !is_killed)
        frozen = 0;
}

/* Behind a call on the share: a process that was killed in it has ended. */
static void out(void)
{
    inside--;
    if (is_killed && syscall(SYS_gettid) == frozen)
        syscall(SYS_kill, getpid(), SIGKILL);
}

/* One call on the share: 0 it may go on, -1 it fails with errno. */
static int pass(void)
{
    enum who who = NOBODY;
    unsigned long long at = 0;
    char action[16] = "";
    int why = 0, is_on = 0;
    if (setting.count == NULL || setting.who == NOBODY)
        return 0;
    uint64_t n = __atomic_add_fetch(&setting.count[setting.who], 1, __ATOMIC_SEQ_CST);
    if (!read_wish(&who, &at, action, &why, &is_on) || who != setting.who || n < at ||
        (n > at && !is_on))
        return 0;
    if (strcmp(action, "kill") == 0)
        syscall(SYS_kill, getpid(), SIGKILL);
    if (strcmp(action, "hang") == 0 || strcmp(action, "freeze") == 0)
        hang(action);
    if (strcmp(action, "error") != 0)
        return 0;
    errno = why;
    return -1;
}

static void note(const char *call, long result, uint64_t inode, long long offset, const void *bytes,
                 size_t n, const char *path, const char *to)
{
    NEXT(write, "write");
    char file[PATH_MAX + 16], head[3 * PATH_MAX];
    int why = errno;
    snprintf(file, sizeof file, "%s/log", setting.wishes);
    int fd = preload_open(file, O_RDWR | O_APPEND);
    if (fd < 0 || setting.who == NOBODY || flock(fd, LOCK_EX) != 0) {
        if (fd >= 0)
            close(fd);
        errno = why;
        return;
    }
    int length =
        snprintf(head, sizeof head, "%s %s %ld %llu %lld %zu /%s /%s\n", who_names[setting.who],
                 call, result, (unsigned long long)inode, offset, n, path, to);
    if (next(fd, head, (size_t)length) != length)
        abort();
    for (size_t at = 0; at < n;) {
        ssize_t put = next(fd, (const char *)bytes + at, n - at);
        if (put <= 0)
            abort();
        at += (size_t)put;
    }
    close(fd);
    errno = why;
}

static uint64_t inode_of(int fd)
{
    struct stat st;
    int why = errno;
    uint64_t inode = fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
    errno = why;
    return inode;
}

/* ---- calls that name a file ---- */

/* Whether the call is on the share; its path there. Then leave() follows. */
static int enter_at(int folder, const char *name, char path[PATH_MAX])
{
    if (inside || !path_at(folder, name, path))
        return 0;
    inside++;
    return 1;
}

static int enter(int fd, char path[PATH_MAX])
{
    if (inside || !path_of(fd, path))
        return 0;
    inside++;
    return 1;
}

/* What changed names is noted. */
static int leave(const char *call, int result, const char *path, const char *to)
{
    if (result == 0)
        note(call, result, 0, 0, NULL, 0, path, to);
    out();
    return result;
}

static int open_at(int folder, const char *name, int flags, mode_t mode, const char *which)
{
    NEXT(openat, which);
    char path[PATH_MAX];
    if (!enter_at(folder, name, path))
        return next(folder, name, flags, mode);
    struct stat st;
    int is_new = (flags & O_CREAT) != 0 && fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0;
    int fd = pass() == 0 ? next(folder, name, flags, mode) : -1;
    if (fd >= 0 && (is_new || (flags & O_TRUNC) != 0))
        note(is_new ? "create" : "truncate", fd, inode_of(fd), 0, NULL, 0, path, "");
    out();
    return fd;
}

static int open_plain(const char *name, int flags, mode_t mode, const char *which)
{
    (void)which;
    return open_at(AT_FDCWD, name, flags, mode, "openat");
}

OPENAT_BY(openat, open_at)
OPENAT_BY(openat64, open_at)
OPEN_BY(open, open_plain)
OPEN_BY(open64, open_plain)

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    NEXT(renameat, "renameat");
    char path[PATH_MAX], target[PATH_MAX];
    if (!path_at(to_fd, to, target) || !enter_at(from_fd, from, path))
        return next(from_fd, from, to_fd, to);
    return leave("rename", pass() == 0 ? next(from_fd, from, to_fd, to) : -1, path, target);
}

/* Noted as what it is: a rename. */
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    NEXT(renameat2, "renameat2");
    char path[PATH_MAX], target[PATH_MAX];
    if (!path_at(to_fd, to, target) || !enter_at(from_fd, from, path))
        return next(from_fd, from, to_fd, to, flags);
    return leave("rename", pass() == 0 ? next(from_fd, from, to_fd, to, flags) : -1, path, target);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    NEXT(linkat, "linkat");
    char path[PATH_MAX], target[PATH_MAX];
    if (!path_at(to_fd, to, target) || !enter_at(from_fd, from, path))
        return next(from_fd, from, to_fd, to, flags);
    return leave("link", pass() == 0 ? next(from_fd, from, to_fd, to, flags) : -1, path, target);
}

int unlinkat(int folder, const char *name, int flags)
{
    NEXT(unlinkat, "unlinkat");
    char path[PATH_MAX];
    if (!enter_at(folder, name, path))
        return next(folder, name, flags);
    return leave("unlink", pass() == 0 ? next(folder, name, flags) : -1, path, "");
}

int mkdirat(int folder, const char *name, mode_t mode)
{
    NEXT(mkdirat, "mkdirat");
    char path[PATH_MAX];
    if (!enter_at(folder, name, path))
        return next(folder, name, mode);
    return leave("mkdir", pass() == 0 ? next(folder, name, mode) : -1, path, "");
}

static int stat_at(int folder, const char *name, struct stat *st, int flags, const char *which)
{
    NEXT(fstatat, which);
    char path[PATH_MAX];
    if (!enter_at(folder, name, path))
        return next(folder, name, st, flags);
    int result = pass() == 0 ? next(folder, name, st, flags) : -1;
    out();
    return result;
}

int fstatat(int folder, const char *name, struct stat *st, int flags)
{
    return stat_at(folder, name, st, flags, "fstatat");
}

int fstatat64(int folder, const char *name, struct stat64 *st, int flags)
{
    return stat_at(folder, name, (struct stat *)st, flags, "fstatat64");
}

/* ---- calls on a descriptor ---- */

ssize_t write(int fd, const void *bytes, size_t n)
{
    NEXT(write, "write");
    char path[PATH_MAX];
    if (setting.who == WORKER && fd == NOTE_FD && !inside)
        note("tell", 0, 0, 0, bytes, n, "", "");
    if (!enter(fd, path))
        return next(fd, bytes, n);
    long long offset = lseek(fd, 0, SEEK_CUR);
    ssize_t put = pass() == 0 ? next(fd, bytes, n) : -1;
    if (put > 0)
        note("write", put, inode_of(fd), offset, bytes, (size_t)put, path, "");
    out();
    return put;
}

static ssize_t write_at(int fd, const void *bytes, size_t n, off_t offset, const char *which)
{
    NEXT(pwrite, which);
    char path[PATH_MAX];
    if (!enter(fd, path))
        return next(fd, bytes, n, offset);
    ssize_t put = pass() == 0 ? next(fd, bytes, n, offset) : -1;
    if (put > 0)
        note("write", put, inode_of(fd), offset, bytes, (size_t)put, path, "");
    out();
    return put;
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    return write_at(fd, bytes, n, offset, "pwrite");
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t offset)
{
    return write_at(fd, bytes, n, offset, "pwrite64");
}

static int cut(int fd, off_t length, const char *which)
{
    NEXT(ftruncate, which);
    char path[PATH_MAX];
    if (!enter(fd, path))
        return next(fd, length);
    int result = pass() == 0 ? next(fd, length) : -1;
    if (result == 0)
        note("resize", result, inode_of(fd), length, NULL, 0, path, "");
    out();
    return result;
}

int ftruncate(int fd, off_t length)
{
    return cut(fd, length, "ftruncate");
}

int ftruncate64(int fd, off64_t length)
{
    return cut(fd, length, "ftruncate64");
}

ssize_t read(int fd, void *bytes, size_t n)
{
    NEXT(read, "read");
    char path[PATH_MAX];
    if (!enter(fd, path))
        return next(fd, bytes, n);
    ssize_t got = pass() == 0 ? next(fd, bytes, n) : -1;
    out();
    return got;
}

static int sync_fd(int fd, const char *which)
{
    NEXT(fsync, which);
    char path[PATH_MAX];
    if (!enter(fd, path))
        return next(fd);
    int result = pass() == 0 ? next(fd) : -1;
    if (result == 0)
        note("fsync", result, inode_of(fd), 0, NULL, 0, path, "");
    out();
    return result;
}

int fsync(int fd)
{
    return sync_fd(fd, "fsync");
}

int fdatasync(int fd)
{
    return sync_fd(fd, "fdatasync");
}

int fstatvfs(int fd, struct statvfs *vfs)
{
    NEXT(fstatvfs, "fstatvfs");
    char path[PATH_MAX];
    if (!enter(fd, path))
        return next(fd, vfs);
    int result = pass() == 0 ? next(fd, vfs) : -1;
    out();
    return result;
}

struct dirent *readdir(DIR *dir)
{
    NEXT(readdir, "readdir");
    char path[PATH_MAX];
    if (!enter(dirfd(dir), path))
        return next(dir);
    struct dirent *entry = pass() == 0 ? next(dir) : NULL;
    out();
    return entry;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Both core limits are needed: a pipe in core_pattern ignores RLIMIT_CORE of 0 but not of a process
 * that is not dumpable. Kernels before 5.14 keep a process that is not dumpable and not root's out of
 * its own /proc/self/fdinfo, which tells what a folder is mounted from: there no core must do.
 */
#include "common/base/process_limits.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/poison.h"

void process_limits_hide(void)
{
    static const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    int fd = open("/proc/self/fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)close(fd);
    else
        (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

size_t process_limits_raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    limit.rlim_cur = limit.rlim_max < PROCESS_FILES_MAX ? limit.rlim_max : PROCESS_FILES_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return (size_t)limit.rlim_cur;
}

#include "engine/behind.h"

#include <sys/syscall.h>

#include "layers/decision.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* The request and its memory, the steps behind it (child.c), a last look at what is protected
 * (watch.c), and the library's ways to them on each architecture. Descriptors that come are above
 * the standard ones, which are taken: fcntl(2) is not among them. */
static const struct sbx_own_call calls[] = {
#ifdef SYS_poll
    {.number = SYS_poll},
#endif
#ifdef SYS_dup2
    {.number = SYS_dup2},
#endif
#ifdef SYS_setrlimit
    {.number = SYS_setrlimit},
#endif
#ifdef SYS_newfstatat
    {.number = SYS_newfstatat},
#endif
#ifdef SYS_statx
    {.number = SYS_statx},
#endif
    {.number = SYS_restart_syscall},
    {.number = SYS_rt_sigpending},
    {.number = SYS_rt_sigaction},
    {.number = SYS_ppoll},
    {.number = SYS_recvmsg},
    {.number = SYS_recvfrom},
    {.number = SYS_shutdown},
    {.number = SYS_read},
    {.number = SYS_pread64},
    {.number = SYS_fstat},
    {.number = SYS_brk},
    {.number = SYS_mmap},
    {.number = SYS_munmap},
    {.number = SYS_mremap},
    {.number = SYS_close},
    {.number = SYS_dup3},
    {.number = SYS_chdir},
    {.number = SYS_capget},
    {.number = SYS_close_range},
    {.number = SYS_capset},
    {SYS_prlimit64, true, 0},
    {.number = SYS_prctl},
    {.number = SYS_execve},
    {.number = SYS_rt_sigprocmask},
};

bool sbx_child_may_wait(const struct sock_filter *filter, size_t count) {
  return sbx_filter_lets_pass(filter, count, calls, sizeof calls / sizeof *calls);
}

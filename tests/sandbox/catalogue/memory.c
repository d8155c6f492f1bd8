/* What lies in a process of the same user outside: its memory, descriptors, environment, root. */
#include "catalogue.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { LENGTH = 40 };

static pid_t target(void) {
  int pid = atoi(own("pid"));
  if (pid < 2) exit(5);
  return pid;
}
static void *place(void) {
  return (void *)(uintptr_t)strtoull(own("address"), NULL, 16);
}
static int opened(const char *file, int flags) {
  return open(text("/proc/%d/%s", target(), file), flags);
}

static long poke_stopped(int request) {
  if (ptrace(request, target(), NULL, NULL) < 0) return -1;
  if (request == PTRACE_SEIZE && ptrace(PTRACE_INTERRUPT, target(), NULL, NULL) < 0) return -1;
  if (waitpid(target(), NULL, 0) < 0) return -1;
  long rc = ptrace(PTRACE_POKEDATA, target(), place(), (void *)0x64656b6f70);
  ptrace(PTRACE_DETACH, target(), NULL, NULL);
  return rc;
}
static long attach(void) {
  return poke_stopped(PTRACE_ATTACH);
}
static long seize(void) {
  return poke_stopped(PTRACE_SEIZE);
}

static long write_vm(void) {
  struct iovec mine = {"wrote", 5}, its = {place(), 5};
  return process_vm_writev(target(), &mine, 1, &its, 1, 0);
}

static long read_vm(void) {
  char bytes[LENGTH] = "";
  struct iovec mine = {bytes, LENGTH - 1}, its = {place(), LENGTH - 1};
  ssize_t size = process_vm_readv(target(), &mine, 1, &its, 1, 0);
  leak(bytes, size > 0 ? (ssize_t)strlen(bytes) : -1);
  return size;
}

static long write_mem(void) {
  int fd = opened("mem", O_RDWR);
  return fd < 0 ? -1 : pwrite(fd, "poked", 5, (off_t)(uintptr_t)place());
}

static long read_mem(void) {
  char bytes[LENGTH] = "";
  int fd = opened("mem", O_RDONLY);
  ssize_t size = fd < 0 ? -1 : pread(fd, bytes, LENGTH - 1, (off_t)(uintptr_t)place());
  leak(bytes, size > 0 ? (ssize_t)strlen(bytes) : -1);
  return size;
}

static long read_environment(void) {
  return leak_from(opened("environ", O_RDONLY));
}
static long read_arguments(void) {
  return leak_from(opened("cmdline", O_RDONLY));
}
static long write_root(void) {
  return put(opened(text("root/%s", outside("file")), O_WRONLY));
}
static long write_cwd(void) {
  return put(opened("cwd/file", O_WRONLY));
}
static long write_pipe(void) {
  return put(opened(text("fd/%s", own("pipe")), O_WRONLY));
}
static long write_held(void) {
  return put(opened(text("fd/%s", own("held")), O_WRONLY));
}

static long take_descriptor(void) {
  int fd = (int)syscall(SYS_pidfd_open, target(), 0);
  return fd < 0 ? -1 : put((int)syscall(SYS_pidfd_getfd, fd, atoi(own("pipe")), 0));
}

static long watch_it(void) {
  struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                 .size = sizeof attr,
                                 .config = PERF_COUNT_SW_TASK_CLOCK,
                                 .exclude_kernel = 1};
  return syscall(SYS_perf_event_open, &attr, target(), -1, -1, 0);
}

/* Its victim lives in a UTS namespace of its own. */
static long join(void) {
  return setns(opened("ns/uts", O_RDONLY), 0);
}
static long join_pidfd(void) {
  return setns((int)syscall(SYS_pidfd_open, target(), 0), CLONE_NEWUTS);
}

const struct attempt memory_attempts[] = {
    {"memory_attach", "PTRACE_ATTACH and poke", attach, NULL, NULL},
    {"memory_seize", "PTRACE_SEIZE and poke", seize, NULL, NULL},
    {"memory_vm_write", "process_vm_writev", write_vm, NULL, NULL},
    {"memory_vm_read", "process_vm_readv", read_vm, NULL, NULL},
    {"memory_write", "/proc/PID/mem", write_mem, NULL, NULL},
    {"memory_read", "/proc/PID/mem, read", read_mem, NULL, NULL},
    {"memory_environment", "/proc/PID/environ", read_environment, NULL, NULL},
    {"memory_arguments", "/proc/PID/cmdline", read_arguments, NULL, NULL},
    {"memory_root", "write through /proc/PID/root", write_root, NULL, NULL},
    {"memory_cwd", "write through /proc/PID/cwd", write_cwd, NULL, NULL},
    {"memory_pipe", "write to its pipe by /proc/PID/fd", write_pipe, NULL, NULL},
    {"memory_held", "reopen its file for writing", write_held, NULL, NULL},
    {"memory_descriptor", "pidfd_getfd", take_descriptor, NULL, NULL},
    {"memory_perf", "perf_event_open on it", watch_it, "fd:[perf_event]", NULL},
    {"memory_join", "setns by /proc/PID/ns", join, "ns:uts", NULL},
    {"memory_join_pidfd", "setns by its pidfd", join_pidfd, "ns:uts", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

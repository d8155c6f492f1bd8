/* What can be done to a process of the same user outside; each attempt has a victim of its own. */
#include "catalogue.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Never 0, -1 or one's own: where the world says nothing, nothing is tried. */
static pid_t target(void) {
  int pid = atoi(own("pid"));
  if (pid < 2) exit(5);
  return pid;
}

static long send_signal(void) {
  return kill(target(), SIGUSR1);
}
static long send_to_thread(void) {
  return syscall(SYS_tgkill, target(), target(), SIGUSR1);
}
static long send_queued(void) {
  return sigqueue(target(), SIGUSR1, (union sigval){0});
}
static long send_to_group(void) {
  return kill(-target(), SIGUSR1);
}
static long send_death(void) {
  return kill(target(), SIGKILL);
}

static long send_by_pidfd(void) {
  int fd = (int)syscall(SYS_pidfd_open, target(), 0);
  return fd < 0 ? -1 : syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0);
}

static long send_by_directory(void) {
  int fd = open(text("/proc/%d", target()), O_RDONLY | O_DIRECTORY);
  return fd < 0 ? -1 : syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0);
}

static long send_by_owner(void) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) return -1;
  if (fcntl(fds[0], F_SETOWN, target()) < 0) return -1;
  if (fcntl(fds[0], F_SETSIG, SIGUSR1) < 0) return -1;
  if (fcntl(fds[0], F_SETFL, O_ASYNC) < 0) return -1;
  return write(fds[1], "x", 1);
}

/* Somebody who shows that he was hit. */
static void stand_by(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGUSR1, SIG_DFL); /* what is ignored never comes */
  if (fork() > 0) return;
  if (sigtimedwait(&set, NULL, &(struct timespec){2, 0}) == SIGUSR1)
    put(open(outside("file"), O_WRONLY));
  _exit(0);
}

/* Only ever in a PID namespace that isn't the host's: its own or the sandbox's. */
static long send_to_all(void) {
  if (unshare(CLONE_NEWPID) < 0) unshare(CLONE_NEWUSER | CLONE_NEWPID);
  pid_t pid = fork();
  if (pid != 0) return finish(pid);
  if (same_namespace("pid")) _exit(EPERM);
  if (getpid() == 1) stand_by();
  usleep(20000);
  int rc = kill(-1, SIGUSR1);
  usleep(50000);
  _exit(rc < 0 ? errno : 0);
}

static long limit(void) {
  struct rlimit limit = {77, 77};
  return syscall(SYS_prlimit64, target(), RLIMIT_NOFILE, &limit, NULL);
}
static long nice_it(void) {
  return setpriority(PRIO_PROCESS, (id_t)target(), 5);
}
static long nice_group(void) {
  return setpriority(PRIO_PGRP, (id_t)target(), 5);
}
static long schedule(void) {
  return sched_setscheduler(target(), SCHED_BATCH, &(struct sched_param){0});
}

static long schedule_attributes(void) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t times[3];
  } attr = {.size = 48, .policy = SCHED_BATCH, .nice = 3};
  return syscall(SYS_sched_setattr, target(), &attr, 0);
}

static long affinity(void) {
  unsigned long mask = 1;
  return syscall(SYS_sched_setaffinity, target(), sizeof mask, &mask);
}
static long io_priority(void) {
  return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, target(),
                 IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

static long write_about(const char *file, const char *value) {
  int fd = open(text("/proc/%d/%s", target(), file), O_WRONLY);
  return fd < 0 ? -1 : write(fd, value, strlen(value));
}
static long oom_score(void) {
  return write_about("oom_score_adj", "500");
}
static long dump_filter(void) {
  return write_about("coredump_filter", "0x7f");
}

const struct attempt process_attempts[] = {
    {"process_kill", "kill", send_signal, NULL, NULL},
    {"process_tgkill", "tgkill", send_to_thread, NULL, NULL},
    {"process_sigqueue", "rt_sigqueueinfo", send_queued, NULL, NULL},
    {"process_group", "kill of its group", send_to_group, NULL, NULL},
    {"process_death", "SIGKILL", send_death, NULL, NULL},
    {"process_pidfd", "pidfd_send_signal", send_by_pidfd, NULL, NULL},
    {"process_directory", "the same by /proc/PID", send_by_directory, NULL, NULL},
    {"process_sigio", "SIGIO by F_SETOWN", send_by_owner, NULL, NULL},
    {"process_all", "kill(-1)", send_to_all, NULL, NULL},
    {"process_limit", "prlimit", limit, NULL, NULL},
    {"process_nice", "setpriority", nice_it, NULL, NULL},
    {"process_nice_group", "setpriority of its group", nice_group, NULL, NULL},
    {"process_scheduler", "sched_setscheduler", schedule, NULL, NULL},
    {"process_schedule", "sched_setattr", schedule_attributes, NULL, NULL},
    {"process_affinity", "sched_setaffinity", affinity, NULL, NULL},
    {"process_io_priority", "ioprio_set", io_priority, NULL, NULL},
    {"process_oom_score", "/proc/PID/oom_score_adj", oom_score, NULL, NULL},
    {"process_dump_filter", "/proc/PID/coredump_filter", dump_filter, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

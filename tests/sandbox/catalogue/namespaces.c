/* New namespaces, in which an ordinary user has every capability. */
#include "catalogue.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* Alone where that is allowed, else with a user namespace. */
static long leave(int flag) {
  return unshare(flag) == 0 ? 0 : unshare(CLONE_NEWUSER | flag);
}
static long leave_user(void) {
  return unshare(CLONE_NEWUSER);
}
static long leave_mounts(void) {
  return leave(CLONE_NEWNS);
}
static long leave_network(void) {
  return leave(CLONE_NEWNET);
}
static long leave_ipc(void) {
  return leave(CLONE_NEWIPC);
}
static long leave_uts(void) {
  return leave(CLONE_NEWUTS);
}
static long leave_cgroup(void) {
  return leave(CLONE_NEWCGROUP);
}
static long leave_time(void) {
  return leave(CLONE_NEWTIME);
}

/* The child stays for the observer, and goes with its parent. */
static long stay(long pid) {
  if (pid == 0) {
    alarm(2);
    pause();
    _exit(0);
  }
  return pid;
}
static long leave_pids(void) {
  return leave(CLONE_NEWPID) < 0 ? -1 : stay(fork());
}
static long clone_user(void) {
  return stay(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}
static long clone_user_high(void) {
  return stay(
      syscall(SYS_clone, 0xffffffff00000000UL | CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}
static long clone3_user(void) {
  uint64_t args[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
  return stay(syscall(SYS_clone3, args, sizeof args));
}

/* What fork and wait gave is the program's; what it may do is the namespace's. */
static long by_program(void) {
  char *argv[] = {"/usr/bin/unshare",
                  "--user",
                  "--map-root-user",
                  "--mount",
                  "/bin/sh",
                  "-c",
                  text("mount --bind %s %s && echo changed >%s", outside(""), inside("dir"),
                       inside("dir/file")),
                  NULL};
  return run_program(argv);
}

const struct attempt namespace_attempts[] = {
    {"ns_user", "unshare, user", leave_user, "ns:user", NULL},
    {"ns_user_clone", "clone, user", clone_user, "ns:user", NULL},
    {"ns_user_clone_high", "clone, upper half set", clone_user_high, "ns:user", NULL},
    {"ns_user_clone3", "clone3, user", clone3_user, "ns:user", NULL},
    {"ns_mount", "unshare, mounts", leave_mounts, "ns:mnt", NULL},
    {"ns_network", "unshare, network", leave_network, "ns:net", NULL},
    {"ns_pid", "unshare, processes", leave_pids, "ns:pid", NULL},
    {"ns_ipc", "unshare, IPC", leave_ipc, "ns:ipc", NULL},
    {"ns_uts", "unshare, names", leave_uts, "ns:uts", NULL},
    {"ns_cgroup", "unshare, cgroups", leave_cgroup, "ns:cgroup", NULL},
    {"ns_time", "unshare, clocks", leave_time, "ns:time_for_children", NULL},
    {"ns_program", "unshare(1), mount and write", by_program, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#include "engine/child.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/spare.h"
#include "layers/capabilities.h"
#include "layers/descriptors.h"
#include "layers/landlock.h"
#include "layers/limits.h"
#include "layers/seccomp.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#define KEYCTL_JOIN_SESSION_KEYRING 1
#define CHILD_STACK (64 * 1024)
#define CHILD_TOUCHED (12 * 1024)

typedef int step_function(struct sbx_child *child);

/* ---- steps ---- */

/* A process that waits for its request would take it, and run it, with nobody above it. */
static int step_parent(struct sbx_child *child) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return -1;
  errno = ESRCH;
  return getppid() == child->parent ? 0 : -1;
}

/* One that is stopped or gone could neither tell of the command nor end it. */
static int check_parent(struct sbx_child *child) {
  char text[128];
  ssize_t size = pread(child->parent_stat, text, sizeof text - 1, 0);
  text[size > 0 ? size : 0] = 0;
  if (size > 0) child->own_read += size;
  const char *state = strrchr(text, ')'); /* proc_pid_stat(5): behind the name */
  errno = ECANCELED;
  return state && state[1] == ' ' && state[2] && !strchr("TtZXx", state[2]) ? 0 : -1;
}

/* It allocates in memory that is shared: the parent allocates nothing, and looks at no errno, while
 * it waits. */
static int step_request(struct sbx_child *child) {
  child->taken = sbx_spare_take(child->launch) == 0;
  const struct sbx_wire_head *head = &child->launch->head;
  if (child->taken && head->blob_in_memfd) child->own_read += head->blob_size;
  return child->taken ? 0 : -1;
}

/* What was made ahead may have been taken away since. */
static int step_protect(struct sbx_child *child) {
  struct pollfd fd = {child->protected->fd, POLLIN, 0};
  if (fd.fd < 0 || poll(&fd, 1, 0) <= 0) return 0;
  child->detail = sbx_watch_lost(child->protected);
  errno = ESTALE;
  return child->detail ? -1 : 0;
}

/* A host's own filter may refuse keyctl; then nothing that runs below it reaches a keyring. */
static int step_keyring(struct sbx_child *child) {
  if (!(child->launch->head.layers.flags & SBX_FLAG_KEYRING)) return 0;
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) >= 0) return 0;
  return errno == ENOSYS || errno == EPERM ? 0 : -1;
}

static int step_session(struct sbx_child *child) {
  (void)child;
  return setsid() < 0 ? -1 : 0;
}

static int step_cgroup(struct sbx_child *child) {
  if (child->cgroup_procs >= 0 && write(child->cgroup_procs, "0", 1) != 1) return -1;
  for (size_t i = 0; i < child->groups->count; i++)
    if (write(child->groups->list[i].procs, "0", 1) != 1) return -1;
  return 0;
}

static int step_limits(struct sbx_child *child) {
  const struct sbx_layers *layers = &child->launch->head.layers;
  for (uint32_t i = 0; i < layers->nlimits; i++)
    if (sbx_limit_set((int)layers->limits[i].resource, layers->limits[i].limit) < 0) return -1;
  return 0;
}

static int step_stdio(struct sbx_child *child) {
  const struct sbx_launch *launch = child->launch;
  int in = launch->in >= 0 ? launch->in : launch->null;
  if (sbx_fd_place(in, 0) < 0 || sbx_fd_place(launch->out, 1) < 0) return -1;
  return sbx_fd_place(launch->err, 2);
}

/* All else closes at execve: the ruleset is still needed until then. */
static int step_descriptors(struct sbx_child *child) {
  (void)child;
  return (int)syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
}

static int step_chdir(struct sbx_child *child) {
  return *child->launch->cwd ? chdir(child->launch->cwd) : 0;
}

static int step_capabilities(struct sbx_child *child) {
  const struct sbx_layers *layers = &child->launch->head.layers;
  if (!(layers->flags & SBX_FLAG_DROP_CAPS)) return 0;
  return sbx_capabilities_limit(layers->keep_caps);
}

static int step_no_new_privs(struct sbx_child *child) {
  if (!(child->launch->head.layers.flags & SBX_FLAG_NO_NEW_PRIVS)) return 0;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int step_landlock(struct sbx_child *child) {
  const struct sbx_launch *launch = child->launch;
  if (!launch->head.layers.has_ruleset) return 0;
  bool inner = launch->head.layers.flags & SBX_FLAG_INNER_RULES;
  return sbx_landlock_restrict(inner ? launch->inner_ruleset : launch->ruleset);
}

/* The host may still find that it must not use this process, and says so by closing. Its answer
 * takes as long as the steps before this one; a filter that is not installed by then could refuse
 * the calls that wait for it. */
static int step_go(struct sbx_child *child) {
  const struct sbx_launch *launch = child->launch;
  struct pollfd fds[2] = {{launch->control, POLLIN, 0}, {launch->host, POLLIN, 0}};
  struct sbx_order order;
  while (poll(fds, 2, -1) < 0) continue;
  errno = ECANCELED;
  /* gone, or it has given up: what it said before counts no more */
  if (fds[1].revents || fds[0].revents & POLLHUP) return -1;
  ssize_t size = recv(launch->control, &order, sizeof order, 0);
  errno = ECANCELED;
  if (size != (ssize_t)sizeof order || order.type != SBX_ORDER_GO) return -1;
  return child->ahead ? check_parent(child) : 0;
}

/* Descriptors are shared until execve, which closes this process's own one. */
static int install_listening(struct sbx_child *child) {
  const struct sbx_launch *launch = child->launch;
  child->listener = sbx_filter_install_listening(launch->filter, launch->head.layers.filter_count);
  return child->listener < 0 ? -1 : 0;
}

/* A watched command's filter. A step of its own, as a host goes on without the watch where this one
 * fails: under somebody else's listener there can be none (EBUSY). */
static int step_watch(struct sbx_child *child) {
  if (!child->launch->head.layers.watched) return 0;
  child->watched = true;
  return install_listening(child);
}

static int step_seccomp(struct sbx_child *child) {
  const struct sbx_layers *layers = &child->launch->head.layers;
  if (layers->filter_count == 0 || layers->watched) return 0;
  if (layers->on_behalf) return install_listening(child);
  return sbx_filter_install(child->launch->filter, layers->filter_count);
}

/* What came while it waited was for no command: one of the host's service, say. */
static void discard_signals(void) {
  static const uintptr_t ignored[8] = {(uintptr_t)SIG_IGN}, standard[8]; /* as in launch.c */
  uint64_t pending = 0;
  syscall(SYS_rt_sigpending, &pending, sizeof pending);
  for (int sig = 1; pending; sig++, pending >>= 1) {
    if (!(pending & 1)) continue;
    syscall(SYS_rt_sigaction, sig, ignored, NULL, sizeof pending);
    syscall(SYS_rt_sigaction, sig, standard, NULL, sizeof pending);
  }
}

static int step_signals(struct sbx_child *child) {
  sigset_t none;
  if (child->ahead) discard_signals();
  if (child->ahead && prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0) return -1; /* step_parent's */
  sigemptyset(&none);
  return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As execvp(3): what can't be found or entered lets the next one try; EACCES is remembered. No
 * fall-back to a shell: a file without a format that the kernel runs is an error. */
static int step_execve(struct sbx_child *child) {
  const struct sbx_launch *launch = child->launch;
  bool forbidden = false;
  child->reached = true;
  for (char **file = launch->candidates; *file; file++) {
    execve(*file, launch->argv, launch->envp);
    if (errno == EACCES) forbidden = true;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES && errno != ESTALE) return -1;
  }
  if (forbidden) errno = EACCES;
  return -1;
}

struct step {
  const char *name;
  step_function *run;
  bool layer;
};

/* security.md 7 has the order and its reasons. */
static const struct step all_steps[] = {
    {"keyring", step_keyring, true},
    {"session", step_session, true},
    {"cgroup", step_cgroup, true},
    {"protect", step_protect, true},
    {"limits", step_limits, true},
    {"stdio", step_stdio, false},
    {"descriptors", step_descriptors, true},
    {"chdir", step_chdir, false},
    {"capabilities", step_capabilities, true},
    {"no_new_privs", step_no_new_privs, true},
    {"landlock", step_landlock, true},
    {"go", step_go, true},
    {"watch", step_watch, true},
    {"seccomp", step_seccomp, true},
    {"signals", step_signals, true},
    {"execve", step_execve, false},
    {NULL, NULL, false},
};

/* Made ahead, with what costs most. That rules and filter come before the rest takes nothing from
 * them: nobody else's code runs before execve, Landlock asks about no descriptor that is received
 * and no directory that is entered, and the filter lets through all that is called behind it
 * (behind.h), or this is not done. In no cgroup yet. */
static const struct step ahead_steps[] = {
    {"keyring", step_keyring, true},
    {"session", step_session, true},
    {"parent", step_parent, true},
    {"no_new_privs", step_no_new_privs, true},
    {"landlock", step_landlock, true},
    {"watch", step_watch, true},
    {"seccomp", step_seccomp, true},
    {"request", step_request, true},
    {"protect", step_protect, true},
    {"limits", step_limits, true},
    {"stdio", step_stdio, false},
    {"descriptors", step_descriptors, true},
    {"chdir", step_chdir, false},
    {"capabilities", step_capabilities, true},
    {"go", step_go, true},
    {"signals", step_signals, true},
    {"execve", step_execve, false},
    {NULL, NULL, false},
};

SBX_ON_OWN_STACK static int run_steps(void *argument) {
  struct sbx_child *child = argument;
  for (const struct step *step = child->ahead ? ahead_steps : all_steps; step->name; step++) {
    prctl(PR_SET_NAME, step->name, 0, 0, 0); /* read by the host when a step hangs */
    if (step->run(child) == 0) continue;
    child->code = errno ? errno : EIO;
    child->step = step->name;
    child->layer = step->layer;
    break;
  }
  /* exit_group(2) may be watched, and who would answer waits for this end; exit(2) refused */
  if (child->watched) {
    syscall(SYS_exit, 125);
    __builtin_trap();
  }
  _exit(125);
}

/* ---- the process ---- */

static char stack[CHILD_STACK] __attribute__((aligned(64)));

void sbx_child_touch(void) {
  explicit_bzero(stack + sizeof stack - CHILD_TOUCHED, CHILD_TOUCHED);
}

/* The kernel clears it when the memory is shared no more, and wakes who waits (clone(2),
 * CLONE_CHILD_CLEARTID): at execve, or at the process's end. */
static void await_execve(const pid_t *shared) {
  pid_t pid;
  while ((pid = __atomic_load_n(shared, __ATOMIC_ACQUIRE)) != 0)
    syscall(SYS_futex, shared, FUTEX_WAIT, pid, NULL, NULL, 0);
}

/* One that waits for its request does so for long: not in vfork(2), which counts as load. The
 * memory is not dumpable (setup.c): a core dump would end all who share it. */
SBX_ON_OWN_STACK static pid_t start(struct sbx_child *child) {
  static pid_t shared;
  int flags = CLONE_VM | CLONE_FILES | CLONE_CHILD_CLEARTID | SIGCHLD;
  if (!child->ahead) flags |= CLONE_VFORK;
  shared = 1; /* whatever it is, it changes */
  pid_t pid = clone(run_steps, stack + sizeof stack, flags, child, NULL, NULL, &shared);
  if (pid >= 0) await_execve(&shared);
  return pid;
}

pid_t sbx_child_start(struct sbx_child *child) {
  child->code = 0;
  child->reached = child->watched = child->taken = false;
  child->listener = -1;
  child->own_read = 0;
  child->detail = NULL;
  child->parent = getpid();
  pid_t pid = start(child);
  if (pid < 0) {
    child->code = errno;
    child->step = "fork";
    child->layer = false;
    return -1;
  }
  if (child->code == 0 && child->reached) return pid;
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  if (child->code == 0) {
    child->step = "fork";
    child->code = EINTR;
    child->layer = false;
  }
  return -1;
}

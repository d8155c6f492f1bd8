#include "engine/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/broker.h"
#include "engine/child.h"
#include "engine/clock.h"
#include "engine/sampler.h"
#include "engine/setup.h"
#include "engine/sight.h"
#include "engine/spare.h"
#include "engine/tree.h"
#include "layers/capabilities.h"
#include "layers/descriptors.h"

/* A tree in a PID namespace that isn't gone by then dies with its init, which nothing outruns; as
 * long as ends keep coming they are counted, for so long in all. */
#define ZAP_MS 300
#define ZAP_TOTAL_MS 1000
/* Past this, what is left can't be killed (a set-user-ID program under full access). */
#define SWEEP_MS 10000
/* Between two rounds over a tree that keeps forking. */
#define ROUND_NS 500000
/* How often that the command has started is told, a millisecond apart, where memory is short. */
#define SEND_TIMES 20
/* An init that waits for an answer of its host no longer than this past the host's own bound. */
#define LINGER_MARGIN_MS 2000

struct supervisor {
  struct sbx_launch *launch;
  const struct sbx_layers *layers;
  struct sbx_setup setup;
  pid_t command;
  bool ended;  /* the command was reaped */
  bool others; /* processes are left */
  bool told;   /* EXITED was sent */
  bool concluded;
  bool killing;
  enum sbx_reason reason;
  int status;
  int64_t started_ns, ended_ns, timeout_ns, kill_ns, linger_ns;
  int64_t leftover, processes;
  enum sbx_bound bound; /* that was passed */
  struct sbx_sampler sampler;
  struct sbx_usage usage;
  struct sbx_broker broker; /* of calls on behalf */
  struct sbx_sight *sight;  /* of watched ones, or NULL */
  const char *detail;       /* the path of what failed or was taken away */
  int stat;                 /* its own, for a child made ahead; -1: none */
};

/* Of the one supervisor that a process is. Apart from it: most commands never touch these pages. */
static struct sbx_sight sight;

static bool kill_tree(struct supervisor *s);
static _Noreturn void abandon(struct supervisor *s);

/* ---- reports ---- */

static bool is_of_the_moment(int code) {
  return code == ENOMEM || code == ENOBUFS || code == EAGAIN || code == EINTR;
}

/* A report that is not told is a supervisor that was lost, to the host. */
static bool send_surely(const struct supervisor *s, const struct msghdr *msg) {
  const struct timespec pause = {0, 1000000};
  for (int i = 0; sendmsg(s->launch->control, msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0; i++) {
    if (i == SEND_TIMES || !is_of_the_moment(errno)) return false;
    nanosleep(&pause, NULL);
  }
  return true;
}

static void send_report(const struct supervisor *s, struct sbx_report *report) {
  struct iovec iov = {report, sizeof *report};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  send_surely(s, &msg);
}

static _Noreturn void fail(struct supervisor *s, const char *step, int code, bool layer) {
  struct sbx_report report = {.type = SBX_REPORT_FAILED, .code = code, .layer = layer};
  snprintf(report.step, sizeof report.step, "%s", step);
  if (s->detail) snprintf(report.detail, sizeof report.detail, "%s", s->detail);
  sbx_cgroup_remove(&s->setup.cgroup);
  sbx_groups_remove(&s->setup.groups);
  send_report(s, &report);
  _exit(125);
}

/* The command's pid as the host sees it: the kernel translates the pid in the credentials, and
 * lets the owner of the PID namespace name one of its processes (unix(7), SCM_CREDENTIALS). */
static void send_started(struct supervisor *s) {
  struct sbx_report report = {
      .type = SBX_REPORT_STARTED, .pid = s->command, .started_ns = s->started_ns};
  struct ucred cred = {s->command, getuid(), getgid()};
  char control[CMSG_SPACE(sizeof cred)] = {0};
  struct iovec iov = {&report, sizeof report};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (s->layers->namespaces & SBX_NS_PID) {
    msg.msg_control = control;
    msg.msg_controllen = sizeof control;
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_CREDENTIALS;
    cmsg->cmsg_len = CMSG_LEN(sizeof cred);
    memcpy(CMSG_DATA(cmsg), &cred, sizeof cred);
  }
  /* Without it the host knows nothing of the command: it must not go on. */
  if (!send_surely(s, &msg)) abandon(s);
}

/* While the groups are still there. */
static void take_usage(struct supervisor *s) {
  struct sbx_aside aside = sbx_meter_aside(&s->setup.meter);
  s->setup.meter.own_forks = s->broker.forks;
  s->setup.meter.own_events = s->setup.watch.taken;
  sbx_meter_read(&s->setup.meter, &aside, s->processes, &s->usage);
  sbx_sampler_usage(&s->sampler, &s->usage);
  sbx_meter_resume(&s->setup.meter, &aside);
  if (s->ended) return;
  s->usage.user_us = s->usage.system_us = -1; /* the command was not reaped in time */
  if (s->usage.memory_measure == SBX_MEASURE_WAITED) s->usage.max_rss_bytes = -1;
}

static void send_end(const struct supervisor *s, enum sbx_report_type type, bool zap) {
  struct sbx_report report = {.type = type,
                              .reason = s->reason,
                              .code = s->status,
                              .zap = zap,
                              .started_ns = s->started_ns,
                              .ended_ns = s->ended_ns,
                              .leftover = s->leftover,
                              .bound = s->bound,
                              .reached = s->sampler.reached,
                              .usage = s->usage};
  if (s->reason == SBX_REASON_PROTECT && s->detail)
    snprintf(report.detail, sizeof report.detail, "%s", s->detail);
  send_report(s, &report);
}

/* ---- the command ---- */

static void set_up(struct supervisor *s, int (*some)(struct sbx_setup *setup)) {
  if (some(&s->setup) == 0) return;
  s->detail = s->setup.detail;
  fail(s, s->setup.step, errno, true);
}

/* What the supervisor does from here on needs no privilege, but to read a command that is not
 * dumpable. The full-access command keeps what it has, and killing it may need as much. */
static void hold_less(struct supervisor *s) {
  const struct sbx_layers *layers = s->layers;
  uint64_t held = UINT64_C(1) << sbx_capability("sys_ptrace");
  /* The directory that a cgroup is removed from may only give root the right by this. */
  if (layers->kill == SBX_KILL_CGROUP || s->setup.groups.count > 0)
    held |= UINT64_C(1) << sbx_capability("dac_override");
  /* Who judges what the command may do needs the same permissions. */
  if (s->sight) held |= layers->keep_caps;
  if (layers->flags & SBX_FLAG_DROP_CAPS) sbx_capabilities_hold(held);
  const struct sbx_cgroup *cgroup = &s->setup.cgroup;
  int keep[12 + 2 * SBX_GROUPS_MAX] = {
      s->launch->control, s->launch->host,    s->launch->lease,       cgroup->parent,
      cgroup->directory,  cgroup->kill,       s->setup.watch.fd,      s->broker.listener,
      s->setup.meter.io,  s->setup.meter.ids, s->broker.questions[0], s->broker.questions[1]};
  size_t count = 12;
  for (size_t i = 0; i < s->setup.groups.count; i++) {
    struct sbx_group *group = &s->setup.groups.list[i];
    sbx_fd_close(&group->procs);
    keep[count++] = group->parent;
    keep[count++] = group->directory;
  }
  sbx_fd_keep_only(keep, count);
}

static bool listens(const struct supervisor *s) {
  return s->layers->on_behalf || s->layers->watched;
}

/* Where nobody has asked there is nobody to tell. */
static _Noreturn void give_up(struct supervisor *s, int code) {
  if (s->launch->control >= 0) fail(s, "request", code, true);
  _exit(125);
}

/* What the request will bring is the same: compared before it is begun (spare.c). */
static void open_sight_ahead(struct supervisor *s) {
  if (!s->layers->watched) return;
  if (sbx_sight_plan(&sight, s->launch->inside, s->layers->keep_caps) < 0) give_up(s, errno);
  sbx_sight_settle(&sight);
}

static int open_sight(struct supervisor *s) {
  if (!s->layers->watched) return 0;
  if (!sight.planned && sbx_sight_plan(&sight, s->launch->inside, s->layers->keep_caps) < 0)
    return -1;
  s->sight = &sight;
  sight.control = s->launch->control;
  sbx_sight_open(&sight, &s->broker);
  return 0;
}

/* Without it the command's calls would wait for ever. */
static void take_listener(struct supervisor *s, int listener) {
  if (!listens(s)) return;
  if (sbx_broker_open(&s->broker, listener, s->launch->control, s->launch->inside) == 0 &&
      open_sight(s) == 0)
    return;
  int code = errno;
  kill_tree(s);
  fail(s, "supervisor", code, true); /* the command may have run by now */
}

static void take_request(struct supervisor *s) {
  if (sbx_spare_take(s->launch) < 0) give_up(s, errno);
}

static void start_command(struct supervisor *s, bool ahead);

/* The child that was to wait could not be made, or was killed: this process waits, and makes
 * another, which says what is wrong. */
static void start_late(struct supervisor *s, int code) {
  if (s->launch->control >= 0) give_up(s, code);
  take_request(s);
  sbx_meter_begin(&s->setup.meter);
  start_command(s, false);
}

/* ahead: it waits for the request, in this process's place. */
static void start_command(struct supervisor *s, bool ahead) {
  struct sbx_child child = {.launch = s->launch,
                            .ahead = ahead,
                            .parent_stat = s->stat,
                            .cgroup_procs = s->setup.cgroup.procs,
                            .groups = &s->setup.groups,
                            .protected = &s->setup.watch};
  s->command = sbx_child_start(&child);
  if (ahead && !child.taken) {
    start_late(s, child.code);
    return;
  }
  if (s->command >= 0) take_listener(s, child.listener);
  s->detail = child.detail;
  if (s->command < 0) fail(s, child.step, child.code, child.layer);
  /* It entered its groups by a byte each. */
  s->setup.meter.own_read += child.own_read;
  s->setup.meter.own_written += (int64_t)s->setup.groups.count + (s->setup.cgroup.procs >= 0);
  s->processes = 1;
  s->others = true;
  s->started_ns = sbx_now();
  s->timeout_ns = sbx_deadline(s->started_ns, s->launch->head.timeout_ms);
  send_started(s);
  hold_less(s);
  sbx_sampler_start(&s->sampler, s->launch->inside, s->layers->kill == SBX_KILL_PIDNS,
                    &s->setup.groups, &s->broker, &s->setup.meter);
}

static bool may_start_ahead(const struct supervisor *s) {
  return s->layers->child_ahead && s->layers->kill != SBX_KILL_CGROUP && s->setup.groups.count == 0;
}

/* Without it the child can't see what became of this process. */
static bool open_stat(struct supervisor *s) {
  s->stat = sbx_fd_high(open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
  return s->stat >= 0;
}

/* A spare is past all that does not need its request when that comes. */
static void prepare(struct supervisor *s) {
  struct sbx_launch *launch = s->launch;
  bool policy_known = launch->inside != NULL;
  set_up(s, sbx_setup_early);
  if (policy_known) set_up(s, sbx_setup_inside);
  if (launch->request_socket) sbx_spare_prepare(launch);
  if (launch->request_socket && policy_known) open_sight_ahead(s);
  bool ahead = launch->request_socket && policy_known && may_start_ahead(s) && open_stat(s);
  if (launch->request_socket && !ahead) take_request(s);
  if (!policy_known) set_up(s, sbx_setup_inside);
  set_up(s, sbx_setup_late);
  start_command(s, ahead);
}

/* ---- the tree ---- */

static void signal_tree(struct supervisor *s, int sig) {
  if (s->layers->kill == SBX_KILL_PIDNS) {
    kill(-1, sig);
    return;
  }
  struct sbx_aside aside = sbx_meter_aside(&s->setup.meter);
  if (sig == SIGKILL && s->layers->kill == SBX_KILL_CGROUP) sbx_cgroup_kill(&s->setup.cgroup);
  sbx_tree_signal(sig, NULL, NULL);
  sbx_meter_resume(&s->setup.meter, &aside);
}

static void note(struct supervisor *s, pid_t pid, int status) {
  if (pid == s->command && !s->ended) {
    s->ended = true;
    s->status = status;
    s->ended_ns = sbx_now();
    return;
  }
  s->processes++;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && s->killing) s->leftover++;
}

static void reap(struct supervisor *s) {
  int status;
  for (;;) {
    pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid > 0 && WIFSTOPPED(status)) {
      sbx_tree_let_go(pid, status);
    } else if (pid > 0) {
      if (!sbx_broker_reaped(&s->broker, pid)) note(s, pid, status);
    } else if (pid == 0 || errno != EINTR) {
      s->others = pid == 0;
      if (s->sight) sbx_sight_tell(s->sight); /* workers may have had a last word */
      return;
    }
  }
}

static void wait_for_children(int64_t ns) {
  struct timespec pause = {ns / 1000000000, ns % 1000000000};
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigtimedwait(&child, NULL, &pause);
}

/* Ends everything. True when nothing is left; false when only this process's own end will do. */
static bool kill_tree(struct supervisor *s) {
  bool pidns = s->layers->kill == SBX_KILL_PIDNS;
  int64_t now = sbx_now(), start = now, progress = now;
  s->killing = true;
  for (int64_t count = s->processes;; count = s->processes) {
    signal_tree(s, SIGKILL);
    reap(s);
    if (!s->others) return true;
    now = sbx_now();
    if (s->processes > count) progress = now;
    if (now - start >= (pidns ? ZAP_TOTAL_MS : SWEEP_MS) * SBX_MS) return false;
    if (pidns && now - progress >= ZAP_MS * SBX_MS) return false;
    wait_for_children(ROUND_NS);
  }
}

/* What the command's end had to do with its bounds, before its tree is gone, too. */
static void conclude(struct supervisor *s) {
  bool failed = !WIFEXITED(s->status) || WEXITSTATUS(s->status) != 0;
  s->concluded = true;
  if (s->reason != SBX_REASON_EXIT) return;
  s->bound = sbx_sampler_conclude(&s->sampler, failed);
  if (s->bound != SBX_BOUND_NONE) s->reason = SBX_REASON_BOUND;
}

static _Noreturn void finish(struct supervisor *s) {
  if (s->ended && !s->concluded) conclude(s);
  bool gone = !s->others || kill_tree(s);
  take_usage(s);
  if (s->sight) sbx_sight_close(s->sight);
  sbx_cgroup_remove(&s->setup.cgroup);
  if (gone) sbx_groups_remove(&s->setup.groups); /* else the next that is made takes it away */
  if (!s->ended) { /* not reaped in time: it dies with the namespace */
    s->status = SIGKILL;
    s->ended_ns = sbx_now();
  }
  send_end(s, SBX_REPORT_DONE, !gone);
  sched_yield(); /* whom it woke need not wait until the namespaces are taken down */
  _exit(0);
}

static _Noreturn void abandon(struct supervisor *s) {
  kill_tree(s);
  sbx_cgroup_remove(&s->setup.cgroup);
  sbx_groups_remove(&s->setup.groups);
  _exit(1);
}

/* TERM first where a grace was asked for; a stopped process could not act on it. */
static void end_for(struct supervisor *s, enum sbx_reason reason, int64_t grace_ms) {
  if (!s->ended) s->reason = reason;
  s->timeout_ns = SBX_NEVER;
  if (grace_ms <= 0 || s->ended) finish(s);
  int64_t kill_ns = sbx_deadline(sbx_now(), grace_ms);
  s->kill_ns = sbx_earlier(s->kill_ns, kill_ns);
  signal_tree(s, SIGTERM);
  signal_tree(s, SIGCONT);
}

/* ---- orders of the host ---- */

static void obey(struct supervisor *s, const struct sbx_order *order) {
  switch (order->type) {
  case SBX_ORDER_KILL: end_for(s, SBX_REASON_KILLED, order->grace_ms); break;
  case SBX_ORDER_FINISH: finish(s);
  case SBX_ORDER_SIGNAL:
    if (!s->ended) kill(s->command, order->signal);
    break;
  case SBX_ORDER_SIGNAL_GROUP:
    if (!s->ended) kill(-s->command, order->signal);
    break;
  case SBX_ORDER_ANSWER: sbx_broker_answer(&s->broker, order->id, order->signal == 1); break;
  default: break;
  }
}

static void read_orders(struct supervisor *s) {
  struct sbx_order order;
  for (;;) {
    ssize_t size = recv(s->launch->control, &order, sizeof order, MSG_DONTWAIT);
    if (size == 0) abandon(s);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < 0) abandon(s);
    if (size == (ssize_t)sizeof order) obey(s, &order);
  }
}

/* ---- the loop ---- */

/* Somebody outside took away what is protected: what stands at its name now is open. */
static void check_protected(struct supervisor *s) {
  if (s->ended || (s->detail = sbx_watch_lost(&s->setup.watch)) == NULL) return;
  end_for(s, SBX_REASON_PROTECT, 0);
}

static void wait_for_something(struct supervisor *s) {
  struct pollfd fds[5] = {{s->launch->control, POLLIN, 0},
                          {s->launch->host, POLLIN, 0},
                          {s->setup.watch.fd, POLLIN, 0},
                          {s->broker.listener, POLLIN, 0},
                          {sbx_broker_asking(&s->broker), POLLIN, 0}};
  int64_t until = sbx_earlier(sbx_earlier(s->timeout_ns, s->kill_ns), s->linger_ns);
  until = sbx_earlier(until, s->sampler.due_ns);
  struct timespec pause = {0, 0};
  sigset_t others; /* SIGCHLD alone gets through: nobody else's signal ends or stirs it */
  int64_t left = until == SBX_NEVER ? 0 : until - sbx_now();
  if (left > 0) pause = (struct timespec){left / 1000000000, left % 1000000000};
  sigfillset(&others);
  sigdelset(&others, SIGCHLD);
  if (ppoll(fds, 5, until == SBX_NEVER ? NULL : &pause, &others) <= 0) return;
  if (fds[0].revents) read_orders(s);
  if (fds[1].revents) abandon(s);
  if (fds[2].revents) check_protected(s);
  if (fds[3].revents && s->sight)
    sbx_sight_serve(s->sight, fds[3].revents);
  else if (fds[3].revents)
    sbx_broker_serve(&s->broker, fds[3].revents);
  if (fds[4].revents) sbx_broker_ask(&s->broker);
}

static void check_deadlines(struct supervisor *s) {
  int64_t now = sbx_now();
  if (now >= s->kill_ns || now >= s->linger_ns) finish(s);
  if (now >= s->timeout_ns) end_for(s, SBX_REASON_TIMEOUT, s->launch->head.kill_grace_ms);
  if (now < s->sampler.due_ns) return;
  enum sbx_bound bound = sbx_sampler_look(&s->sampler);
  if (bound == SBX_BOUND_NONE) return;
  if (!s->ended && s->reason == SBX_REASON_EXIT) s->bound = bound;
  end_for(s, s->bound == bound ? SBX_REASON_BOUND : s->reason, 0);
}

/* The command is gone and others are left: the host, which reads their output, says when. */
static void tell_exit(struct supervisor *s) {
  take_usage(s);
  send_end(s, SBX_REPORT_EXITED, false);
  s->told = true;
  s->timeout_ns = SBX_NEVER;
  s->linger_ns = sbx_deadline(sbx_now(), s->launch->head.linger_ms + LINGER_MARGIN_MS);
}

_Noreturn void sbx_supervise(struct sbx_launch *launch, uid_t uid, gid_t gid) {
  struct supervisor s = {.launch = launch,
                         .layers = &launch->head.layers,
                         .setup = {.launch = launch,
                                   .uid = uid,
                                   .gid = gid,
                                   .cgroup = SBX_CGROUP_NONE,
                                   .meter = SBX_METER_NONE,
                                   .watch = {.fd = -1}},
                         .broker = {.listener = -1, .questions = {-1, -1}},
                         .sampler = {.due_ns = SBX_NEVER},
                         .stat = -1,
                         .timeout_ns = SBX_NEVER,
                         .kill_ns = SBX_NEVER,
                         .linger_ns = SBX_NEVER};
  prctl(PR_SET_NAME, "sbx-supervisor", 0, 0, 0);
  prepare(&s);
  for (;;) {
    reap(&s);
    if (s.ended && !s.others) finish(&s);
    if (!s.others) abandon(&s); /* no child, and the command's end was never told */
    if (s.ended && !s.concluded) conclude(&s);
    if (s.ended && s.reason == SBX_REASON_BOUND) finish(&s);
    if (s.ended && !s.told && s.reason == SBX_REASON_EXIT) tell_exit(&s);
    check_deadlines(&s);
    wait_for_something(&s);
  }
}

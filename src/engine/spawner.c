/* The spawner: exec'd once per host, small, so that forking it is cheap whatever the host is. It
 * serves one socket, forks a supervisor for each request, and is gone when the host is. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/engine.h"
#include "engine/receive.h"
#include "engine/spare.h"
#include "engine/tree.h"
#include "layers/cgroup.h"
#include "layers/descriptors.h"

#define SOCKET 3
#define FAREWELL_MS 10000
#define PATIENCE_MS 400
/* Supervisors that stand ready: how many, and for how long unused. */
#define SPARES 2
#define SPARE_MS 30000
#define SEEN 4

struct supervised {
  pid_t pid;
  char *cgroup; /* of its kind, else NULL */
};

struct spawner {
  pid_t host_pid;
  int host; /* pidfd */
  int null;
  int mounts; /* /proc/self/mountinfo */
  struct supervised *list;
  size_t count, room;
  struct sbx_spare spares[SPARES];
  struct sbx_layers seen[SEEN]; /* of recent requests, each kind once */
  size_t nseen;
};

/* ---- the supervisors that run ---- */

static bool is_supervisor(void *context, pid_t pid) {
  const struct spawner *spawner = context;
  for (size_t i = 0; i < spawner->count; i++)
    if (spawner->list[i].pid == pid) return true;
  return false;
}

static int remember(struct spawner *spawner, pid_t pid, const char *cgroup) {
  if (spawner->count == spawner->room) {
    size_t room = spawner->room ? spawner->room * 2 : 16;
    struct supervised *list = realloc(spawner->list, room * sizeof *list);
    if (!list) return -1;
    spawner->list = list;
    spawner->room = room;
  }
  char *copy = *cgroup ? strdup(cgroup) : NULL;
  spawner->list[spawner->count++] = (struct supervised){pid, copy};
  return 0;
}

/* A supervisor that was killed left its tree to this process, the next subreaper above it, and
 * perhaps a cgroup with what is still in there. */
static void clean_after(struct spawner *spawner, const struct supervised *dead, int status) {
  struct sbx_cgroup cgroup;
  if (WIFEXITED(status)) return;
  if (dead->cgroup && sbx_cgroup_make(&cgroup, dead->cgroup, dead->pid) == 0) {
    sbx_cgroup_kill(&cgroup);
    sbx_cgroup_remove(&cgroup);
  }
  sbx_tree_signal(SIGKILL, is_supervisor, spawner);
}

static void forget(struct spawner *spawner, pid_t pid, int status) {
  for (size_t i = 0; i < spawner->count; i++) {
    struct supervised dead = spawner->list[i];
    if (dead.pid != pid) continue;
    spawner->list[i] = spawner->list[--spawner->count];
    for (size_t k = 0; k < SPARES; k++)
      if (spawner->spares[k].pid == pid) sbx_spare_release(&spawner->spares[k]);
    clean_after(spawner, &dead, status);
    free(dead.cgroup);
    return;
  }
  /* An orphan that was adopted: its own children come here next. */
  sbx_tree_signal(SIGKILL, is_supervisor, spawner);
}

/* False when there is no child left. */
static bool reap(struct spawner *spawner) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid > 0) {
      forget(spawner, pid, status);
    } else if (pid == 0 || errno != EINTR) {
      return pid == 0;
    }
  }
}

/* ---- requests ---- */

static void report_failure(int control, const char *step, int code, bool layer) {
  struct sbx_report report = {.type = SBX_REPORT_FAILED, .code = code, .layer = layer};
  strncpy(report.step, step, sizeof report.step - 1);
  send(control, &report, sizeof report, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The host gets a pidfd of the supervisor: to end it whatever state it is in, and to know when a
 * whole PID namespace is gone. */
static void send_hello(int control, int pidfd) {
  struct sbx_report report = {.type = SBX_REPORT_HELLO};
  char buffer[CMSG_SPACE(sizeof pidfd)] = {0};
  struct iovec iov = {&report, sizeof report};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = buffer, .msg_controllen = sizeof buffer};
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
  cmsg->cmsg_level = SOL_SOCKET;
  cmsg->cmsg_type = SCM_RIGHTS;
  cmsg->cmsg_len = CMSG_LEN(sizeof pidfd);
  memcpy(CMSG_DATA(cmsg), &pidfd, sizeof pidfd);
  sendmsg(control, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void start(struct spawner *spawner, struct sbx_launch *launch) {
  int pidfd = -1;
  pid_t pid = sbx_launch_start(launch, &pidfd);
  if (pid < 0) {
    bool layer = launch->head.layers.namespaces != 0;
    report_failure(launch->control, layer ? "namespaces" : "fork", errno, layer);
    return;
  }
  send_hello(launch->control, pidfd);
  close(pidfd);
  if (remember(spawner, pid, launch->cgroup) < 0) kill(pid, SIGKILL); /* unknown is unwatched */
}

static void serve_cold(struct spawner *spawner, struct sbx_received *received,
                       const struct sbx_wire_head *head) {
  struct sbx_launch launch = {
      .head = *head, .host = spawner->host, .null = spawner->null, .signals_ready = true};
  if (sbx_received_unpack(received, &launch) == 0)
    start(spawner, &launch);
  else
    report_failure(launch.control, "request", errno, true);
  sbx_launch_release(&launch);
}

/* ---- spares ---- */

/* A mount made on the host since would be missing in a spare's namespace: poll(2) on mountinfo
 * tells of any change since the last time it was asked (proc_pid_mountinfo(5)). */
static bool mounts_changed(const struct spawner *spawner) {
  struct pollfd fd = {spawner->mounts, POLLPRI, 0};
  return spawner->mounts < 0 || poll(&fd, 1, 0) != 0;
}

static void drop_spares(struct spawner *spawner, int64_t older_than_ns) {
  for (size_t i = 0; i < SPARES; i++)
    if (spawner->spares[i].made_ns <= older_than_ns) sbx_spare_drop(&spawner->spares[i]);
}

static struct sbx_spare *find_spare(struct spawner *spawner, const struct sbx_layers *layers) {
  for (size_t i = 0; i < SPARES; i++)
    if (sbx_spare_fits(&spawner->spares[i], layers)) return &spawner->spares[i];
  return NULL;
}

/* The request goes to a supervisor that stands ready, once. */
static bool serve_warm(struct spawner *spawner, struct sbx_received *received,
                       const struct sbx_wire_head *head) {
  if (mounts_changed(spawner)) drop_spares(spawner, SBX_NEVER);
  struct sbx_spare *spare = find_spare(spawner, &head->layers);
  if (!spare) return false;
  bool sent = sbx_received_forward(received, spare->socket) == 0;
  if (sent) send_hello(received->fds[0], spare->pidfd);
  sbx_spare_release(spare);
  if (sent) sbx_received_close(received);
  return sent;
}

static bool seen_before(struct spawner *spawner, const struct sbx_layers *layers) {
  for (size_t i = 0; i < SEEN && i < spawner->nseen; i++)
    if (sbx_spare_same(&spawner->seen[i], layers)) return true;
  spawner->seen[spawner->nseen++ % SEEN] = *layers;
  return false;
}

/* One for the next command like this one: made while this one runs, and only from the second on,
 * so that a host that runs one command pays for one. */
static void make_spare(struct spawner *spawner, const struct sbx_layers *layers) {
  bool again = seen_before(spawner, layers);
  if (!again || layers->kill == SBX_KILL_CGROUP || find_spare(spawner, layers)) return;
  struct sbx_spare *oldest = &spawner->spares[0];
  for (size_t i = 1; i < SPARES; i++)
    if (spawner->spares[i].made_ns < oldest->made_ns) oldest = &spawner->spares[i];
  sbx_spare_drop(oldest);
  if (sbx_spare_make(oldest, layers, spawner->host, spawner->null) < 0) return;
  if (remember(spawner, oldest->pid, "") < 0) sbx_spare_drop(oldest);
}

static int64_t spares_until(const struct spawner *spawner) {
  int64_t until = SBX_NEVER;
  for (size_t i = 0; i < SPARES; i++)
    if (spawner->spares[i].pid)
      until = sbx_earlier(until, sbx_deadline(spawner->spares[i].made_ns, SPARE_MS));
  return until;
}

static void serve(struct spawner *spawner, struct sbx_received *received) {
  struct sbx_wire_head head;
  if (!sbx_received_head(received, &head) || received->sender != spawner->host_pid) {
    sbx_received_close(received);
    return;
  }
  if (!serve_warm(spawner, received, &head)) serve_cold(spawner, received, &head);
  make_spare(spawner, &head.layers);
}

/* ---- the process ---- */

static void on_child(int sig) {
  (void)sig;
}

static int prepare(struct spawner *spawner) {
  struct sigaction action = {.sa_handler = on_child};
  struct ucred peer;
  socklen_t size = sizeof peer;
  sbx_signals_reset();
  sigaction(SIGCHLD, &action, NULL);
  prctl(PR_SET_NAME, "sbx-spawner", 0, 0, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  fcntl(SOCKET, F_SETFD, FD_CLOEXEC);
  if (getsockopt(SOCKET, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return -1;
  spawner->host_pid = peer.pid;
  spawner->host = sbx_pidfd_open(peer.pid);
  spawner->null = sbx_fd_high(open("/dev/null", O_RDWR | O_CLOEXEC));
  spawner->mounts = sbx_fd_high(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  return spawner->host < 0 || spawner->null < 0 ? -1 : 0;
}

/* Each supervisor sees by itself that the host is gone and ends its tree; one that doesn't (it was
 * stopped, say) is ended here, and what it leaves with it. */
static void farewell(struct spawner *spawner) {
  struct timespec pause = {0, 1000000};
  int64_t now = sbx_now(), patience = sbx_deadline(now, PATIENCE_MS);
  int64_t until = sbx_deadline(now, FAREWELL_MS);
  while (reap(spawner) && (now = sbx_now()) < until) {
    for (size_t i = 0; now >= patience && i < spawner->count; i++)
      kill(spawner->list[i].pid, SIGKILL);
    nanosleep(&pause, NULL);
  }
}

/* Waits for a request, a child's end, or the age of a spare. False: the host is gone. */
static bool turn(struct spawner *spawner, struct sbx_received *received) {
  struct pollfd fds[2] = {{SOCKET, POLLIN, 0}, {spawner->host, POLLIN, 0}};
  struct timespec pause = {0, 0};
  sigset_t others;
  int64_t until = spares_until(spawner), left = until - sbx_now();
  if (left > 0) pause = (struct timespec){left / 1000000000, left % 1000000000};
  sigfillset(&others);
  sigdelset(&others, SIGCHLD);
  int rc = ppoll(fds, 2, until == SBX_NEVER ? NULL : &pause, &others);
  if (rc == 0) drop_spares(spawner, sbx_now() - SPARE_MS * SBX_MS);
  if (rc <= 0) return true;
  if (fds[1].revents) return false;
  rc = sbx_receive(SOCKET, received, MSG_DONTWAIT);
  if (rc > 0) serve(spawner, received);
  return rc != 0;
}

int sbx_spawner_main(void) {
  static struct sbx_received received;
  struct spawner spawner = {.host = -1, .null = -1, .mounts = -1};
  for (size_t i = 0; i < SPARES; i++) spawner.spares[i] = SBX_SPARE_NONE;
  if (prepare(&spawner) < 0) return 125;
  do reap(&spawner);
  while (turn(&spawner, &received));
  close(SOCKET);
  drop_spares(&spawner, SBX_NEVER);
  farewell(&spawner);
  return 0;
}

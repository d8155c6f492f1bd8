/* The spawner: exec'd once per host, small, so that forking it is cheap whatever the host is. It
 * serves one socket, forks a supervisor for each request, and is gone when the host is. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf_common.h>
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
#include "layers/group.h"

#define SOCKET 3
#define LEASE 4
#define FAREWELL_MS 10000
#define PATIENCE_MS 400

struct supervised {
  pid_t pid;
  char *cgroup; /* of its kind, else NULL */
};

struct spawner {
  pid_t host_pid;
  int host; /* pidfd */
  int null;
  int lease; /* held open for as long as this process or a supervisor of its is there */
  struct supervised *list;
  size_t count, room;
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
  if (*cgroup && !copy) return -1;
  spawner->list[spawner->count++] = (struct supervised){pid, copy};
  return 0;
}

/* A supervisor that was killed left its tree to this process, the next subreaper above it, and
 * perhaps a cgroup with what is still in there. */
static void clean_after(struct spawner *spawner, const struct supervised *dead, int status) {
  struct sbx_cgroup cgroup;
  if (WIFEXITED(status)) return;
  int parent = dead->cgroup ? sbx_group_open_parent(dead->cgroup) : -1;
  if (sbx_cgroup_make(&cgroup, parent, dead->pid) == 0) {
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
    if (pid > 0 && WIFSTOPPED(status)) {
      sbx_tree_let_go(pid, status);
    } else if (pid > 0) {
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
  sbx_send_with(control, &report, sizeof report, &pidfd, 1);
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
  struct sbx_launch launch = {.head = *head,
                              .host = spawner->host,
                              .null = spawner->null,
                              .lease = spawner->lease,
                              .signals_ready = true};
  if (sbx_received_unpack(received, &launch) == 0)
    start(spawner, &launch);
  else
    report_failure(launch.control, "request", errno, true);
  sbx_launch_release(&launch);
}

/* ---- spares ---- */

static int send_offer(const struct sbx_spare *spare) {
  struct sbx_wire_spare offer = {
      .magic = SBX_WIRE_SPARE, .made_ns = spare->made_ns, .layers = spare->layers};
  const int fds[2] = {spare->socket, spare->pidfd};
  return sbx_send_with(SOCKET, &offer, sizeof offer, fds, 2);
}

/* Made while the command before it runs. Once offered it is the host's: it ends when the host lets
 * go of its socket, or by itself. */
static void make_spare(struct spawner *spawner, struct sbx_launch *launch) {
  struct sbx_spare spare;
  pid_t pid = sbx_spare_make(&spare, launch);
  if (pid < 0) return;
  if (remember(spawner, pid, "") == 0)
    send_offer(&spare);
  else
    kill(pid, SIGKILL);
  sbx_spare_close(&spare);
}

static bool is_order(const struct sbx_received *received, struct sbx_wire_spare *order) {
  if (received->truncated || received->size < sizeof *order) return false;
  memcpy(order, received->bytes, sizeof *order);
  const struct sbx_layers *layers = &order->layers;
  if (order->magic != SBX_WIRE_SPARE || layers->filter_count > BPF_MAXINSNS) return false;
  size_t follow = (size_t)layers->ahead_size + layers->inside_size +
                  layers->filter_count * sizeof(struct sock_filter);
  return received->nfds == (order->has_ruleset != 0) && received->size == sizeof *order + follow;
}

static void serve_order(struct spawner *spawner, const struct sbx_received *received,
                        const struct sbx_wire_spare *order) {
  const struct sbx_layers *layers = &order->layers;
  char *bytes = (char *)received->bytes + sizeof *order;
  char *behind = bytes + layers->ahead_size + layers->inside_size;
  bool whole = layers->inside_size > 0;
  struct sbx_launch launch = {.head = {.layers = *layers},
                              .host = spawner->host,
                              .null = spawner->null,
                              .lease = spawner->lease,
                              .ahead = sbx_plan_from_bytes(bytes, layers->ahead_size, NULL),
                              .filter = (struct sock_filter *)behind,
                              .ruleset = order->has_ruleset ? received->fds[0] : -1,
                              .signals_ready = true};
  if (whole)
    launch.inside = sbx_plan_from_bytes(bytes + layers->ahead_size, layers->inside_size, NULL);
  if (launch.ahead && (launch.inside || !whole)) make_spare(spawner, &launch);
  sbx_plan_free(launch.ahead);
  sbx_plan_free(launch.inside);
  sbx_fd_close(&launch.ruleset);
}

static void serve(struct spawner *spawner, struct sbx_received *received) {
  struct sbx_wire_head head;
  struct sbx_wire_spare order;
  bool known = received->sender == spawner->host_pid;
  if (known && is_order(received, &order))
    serve_order(spawner, received, &order);
  else if (known && sbx_received_head(received, &head))
    serve_cold(spawner, received, &head);
  else
    sbx_received_close(received);
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
  fcntl(LEASE, F_SETFD, FD_CLOEXEC);
  spawner->lease = LEASE;
  if (getsockopt(SOCKET, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return -1;
  spawner->host_pid = peer.pid;
  spawner->host = sbx_pidfd_open(peer.pid);
  spawner->null = sbx_fd_high(open("/dev/null", O_RDWR | O_CLOEXEC));
  return spawner->host < 0 || spawner->null < 0 ? -1 : 0;
}

static void wait_child_or_host(const struct spawner *spawner, int64_t ms) {
  struct pollfd fd = {spawner->host, POLLIN, 0};
  struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
  sigset_t others;
  sigfillset(&others);
  sigdelset(&others, SIGCHLD);
  ppoll(&fd, 1, ms < 0 ? NULL : &pause, &others);
}

static bool host_is_gone(const struct spawner *spawner) {
  struct pollfd fd = {spawner->host, POLLIN, 0};
  return poll(&fd, 1, 0) != 0;
}

/* The host has let go of this process and uses another one; the jobs that run here are its own
 * still. False when none is left. */
static bool outlast_jobs(struct spawner *spawner) {
  while (reap(spawner)) {
    if (host_is_gone(spawner)) return true;
    wait_child_or_host(spawner, -1);
  }
  return false;
}

/* Each supervisor sees by itself that the host is gone and ends its tree; one that doesn't (it was
 * stopped, say) is ended here, and what it leaves with it. */
static void end_jobs(struct spawner *spawner) {
  struct timespec pause = {0, 1000000};
  int64_t now = sbx_now(), patience = sbx_deadline(now, PATIENCE_MS);
  int64_t until = sbx_deadline(now, FAREWELL_MS);
  while (reap(spawner) && (now = sbx_now()) < until) {
    for (size_t i = 0; now >= patience && i < spawner->count; i++)
      kill(spawner->list[i].pid, SIGKILL);
    nanosleep(&pause, NULL);
  }
}

/* Waits for a request or a child's end. False: the host is gone. */
static bool turn(struct spawner *spawner, struct sbx_received *received) {
  struct pollfd fds[2] = {{SOCKET, POLLIN, 0}, {spawner->host, POLLIN, 0}};
  sigset_t others;
  sigfillset(&others);
  sigdelset(&others, SIGCHLD);
  if (ppoll(fds, 2, NULL, &others) <= 0) return true;
  if (fds[1].revents) return false;
  int rc = sbx_receive(SOCKET, received, MSG_DONTWAIT);
  if (rc > 0) serve(spawner, received);
  return rc != 0;
}

int sbx_spawner_main(void) {
  static struct sbx_received received;
  struct spawner spawner = {.host = -1, .null = -1};
  if (prepare(&spawner) < 0) return 125;
  do reap(&spawner);
  while (turn(&spawner, &received));
  close(SOCKET);
  if (outlast_jobs(&spawner)) end_jobs(&spawner);
  return 0;
}

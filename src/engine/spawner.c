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
#include "engine/tree.h"
#include "layers/cgroup.h"
#include "layers/descriptors.h"

#define SOCKET 3
#define MESSAGE_MAX (80 * 1024)
#define FAREWELL_MS 10000

struct supervised {
  pid_t pid;
  char *cgroup; /* of its kind, else NULL */
};

struct spawner {
  pid_t host_pid;
  int host; /* pidfd */
  int null;
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

struct received {
  char bytes[MESSAGE_MAX];
  size_t size;
  int fds[SBX_WIRE_FDS];
  size_t nfds;
  pid_t sender;
  bool truncated;
};

static void take_control(struct received *received, struct msghdr *msg) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_CREDENTIALS) {
      struct ucred cred;
      memcpy(&cred, CMSG_DATA(c), sizeof cred);
      received->sender = cred.pid;
    } else if (c->cmsg_type == SCM_RIGHTS) {
      received->nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      memcpy(received->fds, CMSG_DATA(c), received->nfds * sizeof(int));
    }
  }
}

/* 1: a message; 0: the host is gone; -1: nothing now. */
static int receive(struct received *received) {
  char control[CMSG_SPACE(SBX_WIRE_FDS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
  struct iovec iov = {received->bytes, sizeof received->bytes};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  received->nfds = 0;
  received->sender = 0;
  ssize_t size = recvmsg(SOCKET, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
  take_control(received, &msg);
  received->size = (size_t)size;
  received->truncated = (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  return size > 0;
}

static char *read_blob(int fd, size_t size) {
  char *blob = malloc(size ? size : 1);
  for (size_t done = 0; blob && done < size;) {
    ssize_t got = pread(fd, blob + done, size - done, (off_t)done);
    if (got <= 0 && !(got < 0 && errno == EINTR)) {
      free(blob);
      return NULL;
    }
    if (got > 0) done += (size_t)got;
  }
  return blob;
}

static char *take_blob(const struct received *received, const struct sbx_wire_head *head, int fd) {
  if (head->blob_in_memfd) return read_blob(fd, head->blob_size);
  if (received->size - sizeof *head != head->blob_size) return NULL;
  char *blob = malloc(head->blob_size ? head->blob_size : 1);
  if (blob) memcpy(blob, received->bytes + sizeof *head, head->blob_size);
  return blob;
}

static bool well_formed(const struct spawner *spawner, const struct received *received,
                        struct sbx_wire_head *head) {
  if (received->truncated || received->size < sizeof *head) return false;
  memcpy(head, received->bytes, sizeof *head);
  size_t expected =
      3u + (head->has_stdin != 0) + (head->has_ruleset != 0) + (head->blob_in_memfd != 0);
  return head->magic == SBX_WIRE_MAGIC && received->nfds == expected &&
         received->sender == spawner->host_pid;
}

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

static void serve(struct spawner *spawner, struct received *received) {
  struct sbx_launch launch = {.control = -1,
                              .in = -1,
                              .out = -1,
                              .err = -1,
                              .ruleset = -1,
                              .host = spawner->host,
                              .null = spawner->null,
                              .signals_ready = true};
  if (!well_formed(spawner, received, &launch.head)) {
    for (size_t i = 0; i < received->nfds; i++) close(received->fds[i]);
    return;
  }
  int *fd = received->fds, blob_fd;
  launch.control = *fd++;
  launch.out = *fd++;
  launch.err = *fd++;
  launch.in = launch.head.has_stdin ? *fd++ : -1;
  launch.ruleset = launch.head.has_ruleset ? *fd++ : -1;
  blob_fd = launch.head.blob_in_memfd ? *fd : -1;
  char *blob = take_blob(received, &launch.head, blob_fd);
  if (blob && sbx_launch_unpack(&launch, blob) == 0)
    start(spawner, &launch);
  else
    report_failure(launch.control, "request", blob ? EPROTO : ENOMEM, true);
  sbx_fd_close(&blob_fd);
  sbx_launch_release(&launch);
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
  return spawner->host < 0 || spawner->null < 0 ? -1 : 0;
}

/* Each supervisor sees by itself that the host is gone; what they leave is ended here. */
static void farewell(struct spawner *spawner) {
  struct timespec pause = {0, 1000000};
  int64_t until = sbx_deadline(sbx_now(), FAREWELL_MS);
  while (reap(spawner) && sbx_now() < until) nanosleep(&pause, NULL);
}

int sbx_spawner_main(void) {
  static struct received received;
  struct spawner spawner = {.host = -1, .null = -1};
  sigset_t none;
  sigemptyset(&none);
  if (prepare(&spawner) < 0) return 125;
  for (;;) {
    struct pollfd fds[2] = {{SOCKET, POLLIN, 0}, {spawner.host, POLLIN, 0}};
    reap(&spawner);
    if (ppoll(fds, 2, NULL, &none) < 0) continue;
    if (fds[1].revents) break;
    if (!fds[0].revents) continue;
    int rc = receive(&received);
    if (rc == 0) break;
    if (rc > 0) serve(&spawner, &received);
  }
  close(SOCKET);
  farewell(&spawner);
  return 0;
}

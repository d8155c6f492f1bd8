#include "engine/job.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/output.h"
#include "layers/descriptors.h"

#define POLL_FDS 5

/* ---- reports of the supervisor ---- */

/* One is sent; the room for credentials would hold more. */
static void take_rights(struct sbx_job *job, struct cmsghdr *c) {
  size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (size_t i = 0; i < count; i++) {
    int fd;
    memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
    sbx_fd_close(&job->pidfd);
    job->pidfd = sbx_fd_high(fd);
  }
  sbx_job_watch_pidfd(job);
}

static pid_t take_pid(struct cmsghdr *c) {
  struct ucred cred;
  memcpy(&cred, CMSG_DATA(c), sizeof cred);
  return cred.pid;
}

int sbx_job_receive(struct sbx_job *job, struct sbx_report *report, pid_t *pid) {
  char control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
  char seen[SBX_WIRE_SEEN_MAX];
  struct iovec iov[2] = {{report, sizeof *report}, {seen, sizeof seen}};
  struct msghdr msg = {
      .msg_iov = iov, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t size = recvmsg(job->control, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  /* Told once, before what still waits, when the other side closed with an order unread (unix(7)).
   */
  if (size < 0 && errno == ECONNRESET)
    size = recvmsg(job->control, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  /* for want of memory nothing is lost: it is still there to be read */
  if (size < 0) return errno == EAGAIN || errno == EINTR || errno == ENOMEM ? 0 : -1;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_RIGHTS) take_rights(job, c);
    if (c->cmsg_type == SCM_CREDENTIALS && pid) *pid = take_pid(c);
  }
  if (size < (ssize_t)sizeof *report || msg.msg_flags & MSG_TRUNC) return -1;
  size -= (ssize_t)sizeof *report;
  if (report->type == SBX_REPORT_SEEN ? !sbx_seen_take(&job->seen, seen, (size_t)size) : size > 0)
    return -1;
  report->step[sizeof report->step - 1] = report->detail[sizeof report->detail - 1] = 0;
  return 1;
}

static void tree_ended(struct sbx_job *job) {
  if (job->flooded) sbx_job_watch_output(job, true);
  job->done_ns = sbx_now();
  sbx_output_last(job);
}

static void read_reports(struct sbx_job *job) {
  struct sbx_report report;
  int rc;
  while (job->control >= 0 && (rc = sbx_job_receive(job, &report, NULL)) != 0) {
    if (rc < 0) {
      job->lost = !job->done;
      sbx_fd_close(&job->control);
      if (job->lost) tree_ended(job);
      return;
    }
    if (report.type == SBX_REPORT_EXITED) {
      job->exited = true;
      job->exited_ns = sbx_now();
      job->end = report;
    } else if (report.type == SBX_REPORT_DONE) {
      job->done = true;
      job->end = report;
      tree_ended(job);
    }
  }
}

static void kill_supervisor(struct sbx_job *job) {
  sbx_pidfd_kill(job->pidfd);
  job->until_ns = SBX_NEVER;
}

/* A supervisor that takes no orders any more (it was stopped, and its queue is full) is ended where
 * its end is what the order asks for. */
static void order(struct sbx_job *job, enum sbx_order_type type, int sig, int64_t grace_ms) {
  struct sbx_order order = {.type = type, .signal = sig, .grace_ms = grace_ms};
  if (job->control < 0 || job->owner != getpid()) return;
  if (send(job->control, &order, sizeof order, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return;
  if (errno == EAGAIN && (type == SBX_ORDER_KILL || type == SBX_ORDER_FINISH)) kill_supervisor(job);
}

/* ---- waiting ---- */

static bool waits_for_zap(const struct sbx_job *job) {
  return (job->lost || (job->done && job->end.zap)) && !job->gone && job->pidfd >= 0;
}

static bool is_over(const struct sbx_job *job) {
  return job->done || job->lost;
}

/* While somebody who is left holds the output: so long after its last byte, ten times that in all.
 * Once the tree is gone the bytes are limited instead (sbx_output_last), not the time that a slow
 * reader takes for them. */
static int64_t drain_deadline(const struct sbx_job *job) {
  int64_t since = is_over(job) ? job->done_ns : job->exited_ns;
  int64_t last = job->last_ns > since ? job->last_ns : since;
  int64_t quiet = sbx_deadline(last, job->drain_ms);
  if (is_over(job)) return quiet;
  return sbx_earlier(quiet, sbx_deadline(since, job->drain_ms * SBX_DRAIN_TIMES));
}

/* When something is due that no descriptor will tell. */
int64_t sbx_job_due(const struct sbx_job *job) {
  if (job->ended) return 0;
  bool read = sbx_output_ended(job);
  if (is_over(job) && read) return waits_for_zap(job) ? SBX_NEVER : 0;
  if (is_over(job)) return drain_deadline(job);
  if (job->exited && !job->finishing) return read ? 0 : drain_deadline(job);
  if (job->flooded && !job->stopped && !job->exited) return 0;
  int64_t idle = job->idle || job->exited ? SBX_NEVER : sbx_deadline(job->last_ns, job->idle_ms);
  return sbx_earlier(idle, job->until_ns);
}

static int fill_fds(const struct sbx_job *job, struct pollfd *fds) {
  int n = 0;
  if (job->control >= 0) fds[n++] = (struct pollfd){job->control, POLLIN, 0};
  for (int i = 0; i < 2; i++)
    if (job->out[i].fd >= 0 && !(job->flooded && !is_over(job)))
      fds[n++] = (struct pollfd){job->out[i].fd, POLLIN, 0};
  if (sbx_stdin_waits(&job->in)) fds[n++] = (struct pollfd){job->in.fd, POLLOUT, 0};
  if (waits_for_zap(job)) fds[n++] = (struct pollfd){job->pidfd, POLLIN, 0};
  return n;
}

static void take_readiness(struct sbx_job *job, const struct pollfd *fds, int n) {
  for (int i = 0; i < n; i++) {
    if (!fds[i].revents) continue;
    if (fds[i].fd == job->out[0].fd) {
      job->out[0].ready = true;
    } else if (fds[i].fd == job->out[1].fd) {
      job->out[1].ready = true;
    } else if (fds[i].fd == job->control) {
      read_reports(job);
    } else if (fds[i].fd == job->in.fd) {
      sbx_stdin_flush(&job->in);
    } else if (fds[i].fd == job->pidfd) {
      job->gone = true;
    }
  }
}

static int64_t left_ms(int64_t deadline) {
  if (deadline == SBX_NEVER) return -1;
  int64_t left = deadline - sbx_now();
  return left <= 0 ? 0 : (left + SBX_MS - 1) / SBX_MS;
}

static struct timespec *as_timespec(int64_t until, struct timespec *pause) {
  if (until == SBX_NEVER) return NULL;
  int64_t left = until - sbx_now();
  if (left < 0) left = 0;
  *pause = (struct timespec){left / 1000000000, left % 1000000000};
  return pause;
}

/* Polls once, until the moment given. -1: interrupted. */
static int look(struct sbx_job *job, int64_t until) {
  struct pollfd fds[POLL_FDS];
  struct timespec pause;
  int n = fill_fds(job, fds);
  int rc = ppoll(fds, (nfds_t)n, as_timespec(until, &pause), NULL);
  if (rc > 0) take_readiness(job, fds, n);
  return rc < 0 ? -1 : rc;
}

/* ---- the end ---- */

static enum sbx_ending ending_of(const struct sbx_job *job) {
  if (job->lost) return SBX_ENDED_SUPERVISOR;
  if (job->end.reason == SBX_REASON_BOUND) return SBX_ENDED_BOUND;
  if (job->end.reason == SBX_REASON_TIMEOUT) return SBX_ENDED_TIMEOUT;
  if (job->end.reason == SBX_REASON_PROTECT) return SBX_ENDED_PROTECT;
  if (job->flooded) return SBX_ENDED_BOUND;
  if (job->end.reason == SBX_REASON_KILLED) return job->idle ? SBX_ENDED_IDLE : SBX_ENDED_CANCELLED;
  return WIFSIGNALED(job->end.code) ? SBX_ENDED_SIGNAL : SBX_ENDED_EXIT;
}

static int exit_code_of(enum sbx_ending ending, int status) {
  switch (ending) {
  case SBX_ENDED_EXIT: return WEXITSTATUS(status);
  case SBX_ENDED_SIGNAL: return 128 + WTERMSIG(status);
  case SBX_ENDED_TIMEOUT: return 124;
  default: return 128 + SIGKILL;
  }
}

static void fill_result(struct sbx_job *job) {
  struct sbx_result *result = &job->result;
  int64_t end_ns = job->lost ? sbx_now() : job->end.ended_ns;
  result->ending = ending_of(job);
  result->exit_code = exit_code_of(result->ending, job->end.code);
  result->signal = result->ending == SBX_ENDED_SIGNAL ? WTERMSIG(job->end.code) : 0;
  result->duration_ms = (double)(end_ns - job->started_ns) / 1e6;
  result->setup_ms = (double)(job->started_ns - job->sent_ns) / 1e6;
  result->leftover = job->end.leftover;
  result->inner_pid = job->inner_pid;
  result->usage = job->end.usage;
  sbx_output_dropped(job, result->dropped);
  result->reached = job->end.reached;
  if (result->ending == SBX_ENDED_BOUND)
    result->bound = job->end.bound ? (enum sbx_bound)job->end.bound : SBX_BOUND_OUTPUT;
  if (result->ending == SBX_ENDED_PROTECT)
    memcpy(result->detail, job->end.detail, sizeof result->detail);
}

static void close_all(struct sbx_job *job) {
  sbx_placeholders_drop(&job->hold);
  sbx_fd_close(&job->control);
  sbx_fd_close(&job->epoll);
  sbx_fd_close(&job->timer);
  sbx_fd_close(&job->pidfd);
  sbx_stdin_free(&job->in);
  for (int i = 0; i < 2; i++)
    if (job->out[i].fd >= 0) sbx_output_end(&job->out[i]);
}

static void expire(struct sbx_job *job, int64_t now) {
  if (is_over(job)) return;
  if (now >= job->until_ns) kill_supervisor(job);
  bool idle = now >= sbx_deadline(job->last_ns, job->idle_ms);
  if (job->exited || job->idle || job->stopped || !(idle || job->flooded)) return;
  job->stopped = true;
  job->idle = !job->flooded;
  order(job, SBX_ORDER_KILL, 0, 0);
  job->until_ns = sbx_earlier(job->until_ns, sbx_deadline(now, SBX_OVERDUE_MS));
}

/* The command has ended and others are left: nothing of theirs is waited for, or it was enough. */
static void end_leftover(struct sbx_job *job, int64_t now) {
  if (!job->exited || job->finishing || is_over(job)) return;
  if (!sbx_output_ended(job) && now < drain_deadline(job)) return;
  job->finishing = true;
  order(job, SBX_ORDER_FINISH, 0, 0);
  job->until_ns = sbx_deadline(now, SBX_OVERDUE_MS);
}

/* What is due comes before what is ready, or a writer that never pauses would put it off for ever.
 */
static void do_what_is_due(struct sbx_job *job) {
  int64_t now = sbx_now();
  expire(job, now);
  end_leftover(job, now);
}

/* Moves the job on after a look: only that tells whether bytes still wait. */
static void advance(struct sbx_job *job) {
  do_what_is_due(job);
  if (job->ended || !is_over(job) || waits_for_zap(job)) return;
  if (job->out[0].ready || job->out[1].ready) return;
  if (!sbx_output_ended(job) && sbx_now() < drain_deadline(job)) return;
  job->ended = true;
  fill_result(job);
  close_all(job);
}

/* ---- what is public ---- */

pid_t sbx_job_pid(const sbx_job *job) {
  return job->pid;
}

bool sbx_job_ended(const sbx_job *job) {
  return job->ended;
}

const struct sbx_result *sbx_job_result(const sbx_job *job) {
  return job->ended ? &job->result : NULL;
}

void sbx_job_live(sbx_job *job, bool live) {
  job->live = live;
}

/* Output first, stdout before stderr; then ends of streams. */
static enum sbx_event next_event(sbx_job *job, enum sbx_stream *stream, const char **text,
                                 size_t *size) {
  for (int i = 0; i < 2; i++) {
    if (!job->out[i].ready) continue;
    *stream = (enum sbx_stream)i;
    *size = sbx_output_read(job, i, text);
    if (*size > 0) return SBX_EVENT_OUTPUT;
  }
  for (int i = 0; i < 2; i++) {
    if (!job->out[i].ended) continue;
    job->out[i].ended = false;
    *stream = (enum sbx_stream)i;
    return SBX_EVENT_EOF;
  }
  return sbx_seen_next(&job->seen, size) ? SBX_EVENT_SEEN : SBX_EVENT_NONE;
}

enum sbx_event sbx_job_step(sbx_job *job, enum sbx_stream *stream, const char **text,
                            size_t *size) {
  do_what_is_due(job);
  for (bool looked = false;; looked = true) {
    enum sbx_event event;
    while ((event = next_event(job, stream, text, size)) != SBX_EVENT_NONE)
      if (job->live) return event;
    if (job->ended) return SBX_EVENT_END;
    if (looked) break;
    look(job, 0);
    advance(job);
  }
  sbx_job_sync_timer(job);
  return SBX_EVENT_NONE;
}

static bool has_event(const struct sbx_job *job) {
  return job->ended || job->out[0].ready || job->out[1].ready || job->out[0].ended ||
         job->out[1].ended || sbx_seen_waits(&job->seen);
}

bool sbx_job_seen(const sbx_job *job, size_t number, struct sbx_seen *seen) {
  return sbx_seen_get(&job->seen, number, seen);
}

int sbx_job_poll(sbx_job *job, int64_t ms) {
  if (has_event(job)) return 1;
  int64_t until = sbx_deadline(sbx_now(), ms), due = sbx_job_due(job);
  int rc = look(job, sbx_earlier(until, due));
  if (rc != 0) return rc < 0 ? -1 : 1;
  return due <= until ? 1 : 0;
}

static int pump(struct sbx_job *job, int64_t ms) {
  enum sbx_stream stream;
  const char *text;
  size_t size;
  int64_t until = sbx_deadline(sbx_now(), ms);
  for (;;) {
    if (job->live && has_event(job)) return job->ended;
    while (next_event(job, &stream, &text, &size) != SBX_EVENT_NONE) continue;
    if (job->ended) return 1;
    int rc = look(job, sbx_earlier(until, sbx_job_due(job)));
    advance(job);
    if (rc < 0 || (rc == 0 && sbx_now() >= until)) return job->ended;
  }
}

int sbx_job_pump(sbx_job *job, int64_t ms) {
  int ended = pump(job, ms);
  sbx_job_sync_timer(job);
  return ended;
}

int64_t sbx_job_timeout(const sbx_job *job) {
  return left_ms(sbx_job_due(job));
}

/* ---- input and signals ---- */

int sbx_job_write(sbx_job *job, const void *data, size_t size) {
  return sbx_stdin_write(&job->in, data, size);
}

void sbx_job_close_stdin(sbx_job *job) {
  sbx_stdin_close(&job->in);
}

void sbx_job_kill(sbx_job *job, int64_t grace_ms) {
  if (job->ended || job->done || job->lost) return;
  if (!job->exited) {
    order(job, SBX_ORDER_KILL, 0, grace_ms);
  } else if (!job->finishing) {
    job->finishing = true;
    order(job, SBX_ORDER_FINISH, 0, 0);
  }
  job->until_ns = sbx_deadline(sbx_now(), (grace_ms > 0 ? grace_ms : 0) + SBX_OVERDUE_MS);
}

static int send_signal(sbx_job *job, enum sbx_order_type type, int sig) {
  errno = EINVAL;
  if (sig < 1 || sig > 64) return -1;
  errno = ESRCH;
  if (job->ended || job->done || job->lost || job->exited || job->owner != getpid()) return -1;
  order(job, type, sig, 0);
  return 0;
}

int sbx_job_signal(sbx_job *job, int sig) {
  return send_signal(job, SBX_ORDER_SIGNAL, sig);
}

int sbx_job_signal_group(sbx_job *job, int sig) {
  return send_signal(job, SBX_ORDER_SIGNAL_GROUP, sig);
}

/* ---- the end of the object ---- */

static void end_now(struct sbx_job *job) {
  int64_t until = sbx_deadline(sbx_now(), SBX_OVERDUE_MS);
  job->live = false;
  sbx_job_kill(job, 0);
  while (!job->ended && sbx_now() < until) sbx_job_pump(job, left_ms(until));
  if (!job->ended) kill_supervisor(job);
}

void sbx_job_free(sbx_job *job) {
  if (!job) return;
  if (job->owner == getpid()) end_now(job);
  close_all(job);
  for (int i = 0; i < 2; i++) sbx_capture_free(&job->out[i].capture);
  sbx_capture_free(&job->both);
  sbx_seen_free(&job->seen);
  free(job->aside);
  free(job);
}

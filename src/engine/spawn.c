/* Starting a job: descriptors, the request, and the wait until execve has succeeded or failed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/engine.h"
#include "engine/error.h"
#include "engine/job.h"
#include "layers/descriptors.h"

/* What goes to the other side; all -1 once handed over. */
struct ends {
  int control, out, err, in;
};

static int open_pipe(int *mine, int *theirs, int my_end) {
  int fds[2];
  if (sbx_fd_pipe(fds) < 0) return -1;
  *mine = fds[my_end];
  *theirs = fds[1 - my_end];
  return 0;
}

static int open_control(struct sbx_job *job, struct ends *ends) {
  int fds[2], on = 1;
  if (sbx_fd_messages(fds) < 0) return -1;
  job->control = fds[0];
  ends->control = fds[1];
  return setsockopt(job->control, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
}

static int duplicate(int fd) {
  return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int open_output(struct sbx_job *job, struct ends *ends, const struct sbx_request *request) {
  if (request->stdout_fd >= 0)
    ends->out = duplicate(request->stdout_fd);
  else if (open_pipe(&job->out[0].fd, &ends->out, 0) < 0)
    return -1;
  if (ends->out < 0) return -1;
  if (request->merge_stderr)
    ends->err = duplicate(ends->out);
  else if (request->stderr_fd >= 0)
    ends->err = duplicate(request->stderr_fd);
  else
    return open_pipe(&job->out[1].fd, &ends->err, 0);
  return ends->err < 0 ? -1 : 0;
}

static int open_input(struct sbx_job *job, struct ends *ends, const struct sbx_request *request) {
  if (request->stdin_mode == SBX_STDIO_DEFAULT) return 0;
  if (request->stdin_mode == SBX_STDIO_FD) {
    /* Whoever reads the output would not see what is written to a terminal given for input. */
    bool captures = request->stdout_fd < 0;
    ends->in = captures ? sbx_fd_reader(request->stdin_fd) : duplicate(request->stdin_fd);
    return ends->in < 0 ? -1 : 0;
  }
  if (open_pipe(&job->in.fd, &ends->in, 1) < 0) return -1;
  return sbx_fd_nonblocking(job->in.fd);
}

static int open_all(struct sbx_job *job, struct ends *ends, const struct sbx_request *request) {
  if (open_control(job, ends) < 0) return -1;
  if (open_output(job, ends, request) < 0) return -1;
  return open_input(job, ends, request);
}

static void close_ends(struct ends *ends) {
  sbx_fd_close(&ends->control);
  sbx_fd_close(&ends->out);
  sbx_fd_close(&ends->err);
  sbx_fd_close(&ends->in);
}

static struct sbx_job *new_job(const struct sbx_request *request) {
  struct sbx_job *job = calloc(1, sizeof *job);
  if (!job) return NULL;
  job->control = job->pidfd = job->epoll = job->timer = job->in.fd = -1;
  for (int i = 0; i < 2; i++) {
    job->out[i].fd = -1;
    job->out[i].left = SIZE_MAX;
    sbx_capture_init(&job->out[i].capture, request->max_output_bytes);
  }
  sbx_capture_init(&job->both, request->max_output_bytes);
  job->live = request->live;
  job->owner = getpid();
  job->drain_ms = request->drain_ms;
  job->idle_ms = request->idle_timeout_ms;
  job->end_output = request->end_output_bytes;
  job->until_ns = SBX_NEVER;
  return job;
}

/* A job that never ran: nothing to wait for. */
static void discard(struct sbx_job *job) {
  sbx_pidfd_kill(job->pidfd);
  job->ended = true;
  sbx_job_free(job);
}

static int failed(const struct sbx_report *report, struct sbx_error *err) {
  enum sbx_error_kind kind = report->layer ? SBX_ERROR_SANDBOX : SBX_ERROR_SPAWN;
  return sbx_fail(err, kind, report->step, report->code, *report->detail ? report->detail : NULL);
}

static void started(struct sbx_job *job, const struct sbx_report *report, pid_t sender,
                    const struct sbx_request *request, uint32_t namespaces) {
  job->pid = namespaces & SBX_NS_PID ? sender : report->pid;
  job->inner_pid = report->pid;
  job->started_ns = job->last_ns = report->started_ns;
  int64_t bound = request->timeout_ms;
  if (bound >= 0 && bound < SBX_NEVER / 4 && request->kill_grace_ms < SBX_NEVER / 4)
    bound += request->kill_grace_ms + SBX_OVERDUE_MS;
  job->until_ns = sbx_deadline(job->started_ns, bound);
}

static bool read_line(const char *path, const char *field, char *line, size_t size) {
  FILE *file = fopen(path, "re");
  bool found = false;
  if (!file) return false;
  while (!found && fgets(line, (int)size, file)) found = strncmp(line, field, strlen(field)) == 0;
  fclose(file);
  line[strcspn(line, " \n")] = 0;
  return found;
}

/* The step that hangs: the name that the command's process has before execve. */
static void name_stage(const struct sbx_job *job, char *stage, size_t size) {
  char path[64], line[128];
  int supervisor = 0, child = 0;
  snprintf(stage, size, "supervisor");
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", job->pidfd);
  FILE *file = job->pidfd >= 0 ? fopen(path, "re") : NULL;
  if (!file) return;
  while (fgets(line, sizeof line, file)) sscanf(line, "Pid: %d", &supervisor);
  fclose(file);
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", supervisor, supervisor);
  if (!read_line(path, "", line, sizeof line) || (child = atoi(line)) <= 0) return;
  snprintf(path, sizeof path, "/proc/%d/comm", child);
  if (read_line(path, "", line, sizeof line)) snprintf(stage, size, "%.20s", line);
}

static int timed_out(struct sbx_job *job, struct sbx_error *err) {
  char stage[32], detail[64];
  job->stuck = true;
  name_stage(job, stage, sizeof stage);
  snprintf(detail, sizeof detail, "the step that hung is %s", stage);
  return sbx_fail(err, SBX_ERROR_SANDBOX, "setup_timeout", ETIMEDOUT, detail);
}

/* One that was made ahead says nothing of why it could not be; where it never read the request,
 * another is made at once. */
static int lost(struct sbx_job *job, struct sbx_error *err) {
  job->lost = true;
  return sbx_fail(err, SBX_ERROR_SANDBOX, "supervisor", 0, "lost at the start");
}

/* 0 once execve has succeeded. */
static int await_start(struct sbx_job *job, const struct sbx_request *request, uint32_t namespaces,
                       struct sbx_error *err) {
  int64_t until = sbx_deadline(job->sent_ns, request->setup_timeout_ms);
  struct pollfd fd = {job->control, POLLIN, 0};
  for (;;) {
    struct sbx_report report;
    pid_t sender = 0;
    int rc = sbx_job_receive(job, &report, &sender);
    if (rc < 0) return lost(job, err);
    if (rc > 0 && report.type == SBX_REPORT_FAILED) return failed(&report, err);
    if (rc > 0 && report.type == SBX_REPORT_STARTED) {
      started(job, &report, sender, request, namespaces);
      return 0;
    }
    if (rc > 0) continue;
    int64_t left = until == SBX_NEVER ? -1 : (until - sbx_now() + SBX_MS - 1) / SBX_MS;
    if (until != SBX_NEVER && left <= 0) return timed_out(job, err);
    poll(&fd, 1, left > INT32_MAX ? INT32_MAX : (int)left);
  }
}

static void send_go(struct sbx_job *job) {
  struct sbx_order order = {.type = SBX_ORDER_GO};
  send(job->control, &order, sizeof order, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static const sbx_plan *inside_of(const struct sbx_job *job, const sbx_sandbox *sandbox) {
  if (job->named) return job->named;
  return job->hold.inside ? job->hold.inside : sandbox->inside;
}

static int resolve_names(sbx_engine *engine, const sbx_sandbox *sandbox, struct sbx_job *job,
                         const struct sbx_request *request, struct sbx_error *err) {
  struct sbx_cursor cursor = sbx_plan_cursor(sandbox->names);
  int64_t until = sbx_deadline(job->sent_ns, request->setup_timeout_ms);
  if (!sbx_plan_next(&cursor)) return 0;
  job->named = sbx_engine_resolve(engine, sandbox, inside_of(job, sandbox), until, err);
  return job->named ? 0 : -1;
}

static int send_request(sbx_engine *engine, const sbx_sandbox *sandbox,
                        const struct sbx_layers *layers, struct sbx_job *job,
                        const struct ends *ends, const struct sbx_request *request,
                        struct sbx_taker *taker, struct sbx_error *err) {
  struct sbx_wire_head head;
  char *blob = sbx_launch_pack(sandbox, layers, inside_of(job, sandbox), request, &head, err);
  if (!blob) return -1;
  head.timeout_ms = request->timeout_ms;
  head.kill_grace_ms = request->kill_grace_ms;
  head.linger_ms = request->drain_ms * SBX_DRAIN_TIMES;
  const int fds[4] = {ends->control, ends->out, ends->err, ends->in};
  int rc = sbx_engine_send(engine, sandbox, &head, blob, fds, taker, err);
  job->pidfd = taker->pidfd;
  free(blob);
  return rc;
}

enum attempt { STARTED, REFUSED, OUTDATED };

/* Nothing else proves that the command can't have run: what a socket is closed with unread is told
 * to the other side (unix(7), ECONNRESET). */
static bool was_never_read(int socket) {
  char byte;
  return socket >= 0 && recv(socket, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
}

static enum attempt failed_start(sbx_engine *engine, const struct sbx_job *job, int socket) {
  if (job->stuck) sbx_engine_forsake(engine);
  return job->lost && was_never_read(socket) ? OUTDATED : REFUSED;
}

static enum attempt start(sbx_engine *engine, const sbx_sandbox *sandbox, struct sbx_job *job,
                          const struct sbx_request *request, struct sbx_error *err) {
  struct ends ends = {-1, -1, -1, -1};
  struct sbx_taker taker = {-1, -1};
  struct sbx_layers layers = sandbox->layers;
  job->sent_ns = sbx_now();
  int rc = open_all(job, &ends, request);
  if (rc < 0)
    sbx_fail(err, SBX_ERROR_SPAWN, "descriptors", errno, NULL);
  else
    rc = sbx_engine_hold(engine, sandbox, &job->hold, err);
  if (rc == 0) rc = resolve_names(engine, sandbox, job, request, err);
  if (rc == 0) {
    sbx_layers_measure(&layers, inside_of(job, sandbox));
    rc = send_request(engine, sandbox, &layers, job, &ends, request, &taker, err);
  }
  close_ends(&ends);
  if (rc < 0) return REFUSED;
  enum attempt outcome = STARTED;
  if (sbx_engine_confirm(engine)) {
    send_go(job);
    sbx_engine_prepare(engine, &layers, sandbox, inside_of(job, sandbox));
    if (await_start(job, request, sandbox->layers.namespaces, err) < 0)
      outcome = failed_start(engine, job, taker.socket);
  } else {
    outcome = OUTDATED; /* without a word to go on */
  }
  sbx_fd_close(&taker.socket);
  return outcome;
}

/* A directory is a way around all mounts, a socket without a peer a way to whom it likes; pairs of
 * streams are what many hosts have for pipes (security.md 6). */
static bool may_be_given(int fd) {
  struct stat st;
  int type = 0, flags = fcntl(fd, F_GETFL);
  socklen_t size = sizeof type, peer_size = sizeof(struct sockaddr_storage);
  struct sockaddr_storage peer = {0};
  if (flags < 0 || flags & O_PATH || fstat(fd, &st) < 0) return false;
  if (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode)) return false;
  if (!S_ISSOCK(st.st_mode)) return true;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
         (type == SOCK_STREAM || type == SOCK_SEQPACKET) &&
         getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 && peer.ss_family == AF_UNIX;
}

static int check_given(const char *name, int fd, struct sbx_error *err) {
  if (fd < 0 || may_be_given(fd)) return 0;
  return sbx_fail(err, SBX_ERROR_INVALID_INPUT, name, 0,
                  "is no file, pipe, terminal or connected stream");
}

static int check_all_given(const struct sbx_request *request, struct sbx_error *err) {
  int in = request->stdin_mode == SBX_STDIO_FD ? request->stdin_fd : -1;
  if (check_given("stdin", in, err) < 0 || check_given("stdout", request->stdout_fd, err) < 0)
    return -1;
  return check_given("stderr", request->stderr_fd, err);
}

static int check(const struct sbx_request *request, struct sbx_error *err) {
  if (!request->argv || !request->argv[0])
    return sbx_fail(err, SBX_ERROR_INVALID_INPUT, "command", 0, "command args are empty");
  if (request->max_output_bytes == 0)
    return sbx_fail(err, SBX_ERROR_INVALID_INPUT, "max_output_bytes", 0,
                    "0 (sbx_request_init() fills a request with defaults)");
  return check_all_given(request, err);
}

void sbx_request_init(struct sbx_request *request) {
  *request = (struct sbx_request){.stdin_fd = -1,
                                  .stdout_fd = -1,
                                  .stderr_fd = -1,
                                  .timeout_ms = -1,
                                  .idle_timeout_ms = -1,
                                  .setup_timeout_ms = -1,
                                  .max_output_bytes = SBX_UNLIMITED};
}

sbx_job *sbx_spawn(sbx_engine *engine, const sbx_sandbox *sandbox,
                   const struct sbx_request *request, struct sbx_error *err) {
  if (check(request, err) < 0) return NULL;
  for (int attempt = 0; attempt < 3; attempt++) {
    if (err) err->kind = SBX_ERROR_NONE;
    struct sbx_job *job = new_job(request);
    if (!job) {
      sbx_fail(err, SBX_ERROR_SPAWN, "memory", ENOMEM, NULL);
      return NULL;
    }
    enum attempt outcome = start(engine, sandbox, job, request, err);
    if (outcome == STARTED) return job;
    discard(job);
    if (outcome == REFUSED) return NULL;
  }
  if (err && err->kind != SBX_ERROR_NONE) return NULL;
  sbx_fail(err, SBX_ERROR_SANDBOX, "spawner", EAGAIN,
           "this process keeps changing, or /proc can't be read");
  return NULL;
}

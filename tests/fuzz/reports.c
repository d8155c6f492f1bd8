/* What comes over a job's control socket: reports in any order, of any size, with descriptors, and
 * an end at any time. The job ends once, with a result, and keeps nothing. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/job.h"
#include "engine/receive.h"
#include "fuzz.h"
#include "layers/descriptors.h"

/* The command's and its supervisor's side; -1: closed. */
struct others {
  int control, out[2], in;
};

static int new_pipe(int *theirs, int my_end) {
  int fds[2];
  MUST(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
  *theirs = fds[1 - my_end];
  return fds[my_end];
}

/* As spawn.c makes it. */
static struct sbx_job *new_job(struct fuzz_input *in, struct others *others) {
  struct sbx_job *job = calloc(1, sizeof *job);
  int pair[2];
  MUST(job && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
  job->control = pair[0];
  others->control = pair[1];
  job->pidfd = job->epoll = job->timer = -1;
  job->owner = getpid();
  job->live = fuzz_number(in, 2);
  job->drain_ms = fuzz_number(in, 2);
  job->idle_ms = fuzz_number(in, 2) ? 1 : -1;
  job->until_ns = fuzz_number(in, 4) ? SBX_NEVER : 0;
  job->last_ns = sbx_now();
  job->in.fd = new_pipe(&others->in, 1);
  for (int i = 0; i < 2; i++) {
    job->out[i].fd = new_pipe(&others->out[i], 0);
    job->out[i].left = SIZE_MAX;
    sbx_capture_init(&job->out[i].capture, 100);
  }
  sbx_capture_init(&job->both, 100);
  return job;
}

/* ---- the other side ---- */

static void send_report(struct fuzz_input *in, const struct others *others) {
  struct sbx_report report = {.type = fuzz_number(in, 8), .reason = fuzz_number(in, 6)};
  size_t size;
  report.code = (int32_t)fuzz_number(in, 256) << (fuzz_number(in, 2) ? 8 : 0);
  report.zap = fuzz_number(in, 2);
  memset(report.step, 's', sizeof report.step); /* without an end */
  memset(report.detail, 'd', sizeof report.detail);
  const uint8_t *bytes = fuzz_bytes(in, 8, &size);
  if (size) memcpy(&report.ended_ns, bytes, size);
  if (others->control >= 0) send(others->control, &report, sizeof report, MSG_NOSIGNAL);
}

/* What a watch has seen: some of its fields as they should be, then anything. */
static void send_seen(struct fuzz_input *in, const struct others *others) {
  struct sbx_report report = {.type = SBX_REPORT_SEEN};
  char bytes[2 * sizeof(struct sbx_wire_seen) + 64] = {0};
  size_t size, used = 0;
  for (unsigned i = fuzz_number(in, 3); i > 0; i--) {
    struct sbx_wire_seen head = {.size = (uint32_t)sizeof head + 8 * (uint32_t)fuzz_number(in, 4)};
    const uint8_t *more = fuzz_bytes(in, 24, &size);
    if (size) memcpy(&head.number, more, size);
    head.number %= SBX_SEEN_MAX + 1;
    head.kind %= SBX_SEEN_KINDS + 1;
    memcpy(bytes + used, &head, sizeof head);
    used += sizeof head + 8 * fuzz_number(in, 3);
  }
  struct iovec iov[2] = {{&report, sizeof report}, {bytes, used}};
  struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
  if (others->control >= 0) sendmsg(others->control, &msg, MSG_NOSIGNAL);
}

static void check_seen(const struct sbx_job *job, size_t number) {
  struct sbx_seen seen;
  MUST(sbx_job_seen(job, number, &seen));
  MUST(seen.kind < SBX_SEEN_KINDS && seen.operation < SBX_OPERATIONS && seen.by < SBX_REFUSERS);
  MUST(strlen(seen.program) + strlen(seen.path) + strlen(seen.target) < SBX_WIRE_SEEN_MAX);
}

static void send_garbage(struct fuzz_input *in, const struct others *others) {
  size_t size, want = fuzz_number(in, 256);
  const uint8_t *bytes = fuzz_bytes(in, want * 2, &size);
  if (others->control >= 0 && size) send(others->control, bytes, size, MSG_NOSIGNAL);
}

static void send_files(struct fuzz_input *in, const struct others *others) {
  struct sbx_report report = {.type = SBX_REPORT_HELLO};
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int fds[3] = {null, null, null};
  if (others->control >= 0)
    sbx_send_with(others->control, &report, sizeof report, fds, 1 + fuzz_number(in, 3));
  close(null);
}

/* SIGPIPE would be the command's. */
static void write_text(const struct sbx_job *job, const struct others *others, unsigned which) {
  bool open = job->out[which].fd >= 0 && others->out[which] >= 0;
  MUST(!open || write(others->out[which], "text", 4) == 4 || errno == EAGAIN);
}

static void forget_orders(const struct others *others) {
  struct sbx_order order;
  while (others->control >= 0 && recv(others->control, &order, sizeof order, MSG_DONTWAIT) > 0)
    MUST(order.type <= SBX_ORDER_FINISH);
}

/* ---- the host's side ---- */

static bool step(struct sbx_job *job) {
  enum sbx_stream stream;
  const char *text;
  size_t size;
  enum sbx_event event = sbx_job_step(job, &stream, &text, &size);
  MUST(event == SBX_EVENT_NONE || event == SBX_EVENT_END || job->live);
  if (event == SBX_EVENT_SEEN) check_seen(job, size);
  MUST(event != SBX_EVENT_END || sbx_job_ended(job));
  return event == SBX_EVENT_END;
}

static void read_one(struct sbx_job *job) {
  struct sbx_report report;
  if (job->control < 0 || sbx_job_receive(job, &report, NULL) <= 0) return;
  MUST(memchr(report.step, 0, sizeof report.step));
  MUST(memchr(report.detail, 0, sizeof report.detail));
}

static void act(struct fuzz_input *in, struct sbx_job *job, struct others *others) {
  unsigned which = fuzz_number(in, 2);
  switch (fuzz_number(in, 16)) {
  case 0:
  case 1: send_report(in, others); break;
  case 2: send_garbage(in, others); break;
  case 3: send_files(in, others); break;
  case 4: sbx_fd_close(&others->control); break;
  case 5: sbx_fd_close(&others->out[which]); break;
  case 6: sbx_fd_close(&others->in); break;
  case 7: write_text(job, others, which); break;
  case 8: sbx_job_kill(job, fuzz_number(in, 3)); break;
  case 9: MUST(sbx_job_signal(job, (int)fuzz_number(in, 70)) == 0 || errno); break;
  case 10: MUST(sbx_job_write(job, "input", 5) == 0 || errno == EPIPE); break;
  case 11: read_one(job); break;
  case 13: send_seen(in, others); break;
  case 12: sbx_job_pollfd(job); break;
  default: step(job); forget_orders(others);
  }
}

/* With everybody gone it ends, and stays at its end. */
static void finish(struct sbx_job *job, struct others *others) {
  int64_t until = sbx_deadline(sbx_now(), 20000);
  sbx_fd_close(&others->control);
  sbx_fd_close(&others->in);
  for (int i = 0; i < 2; i++) sbx_fd_close(&others->out[i]);
  while (!step(job)) {
    MUST(sbx_now() < until);
    sbx_job_poll(job, 1);
  }
  const struct sbx_result *result = sbx_job_result(job);
  MUST(result && step(job) && sbx_job_result(job) == result);
  MUST(memchr(result->detail, 0, sizeof result->detail));
  sbx_job_free(job);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = {data, data + size};
  unsigned files = fuzz_open_files();
  struct others others;
  struct sbx_job *job = new_job(&in, &others);
  while (in.at < in.end) act(&in, job, &others);
  finish(job, &others);
  MUST(fuzz_open_files() == files);
  return 0;
}

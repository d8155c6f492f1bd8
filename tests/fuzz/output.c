/* Output in random pieces, through real pipes: what is kept of each stream and of both, and what is
 * said to be left out, against a plain model that keeps everything. */
#include "engine/output.h"

#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"
#include "layers/descriptors.h"

enum { ROOM = 1 << 16 };

struct model {
  char bytes[ROOM];
  size_t size;
};

static struct model models[3]; /* stdout, stderr, both */

static void note(struct model *model, const char *bytes, size_t size) {
  MUST(size <= ROOM - model->size);
  memcpy(model->bytes + model->size, bytes, size);
  model->size += size;
}

/* The head is the first half of the cap, the tail the rest (interface.md 7). */
static void check_kept(const struct model *model, uint64_t cap, const char *kept, size_t size) {
  if (model->size <= cap) {
    MUST(size == model->size && memcmp(kept, model->bytes, size) == 0);
    return;
  }
  size_t head = (size_t)cap / 2, tail = (size_t)cap - head;
  MUST(size == cap && memcmp(kept, model->bytes, head) == 0);
  MUST(memcmp(kept + head, model->bytes + model->size - tail, tail) == 0);
}

static void check_all(struct sbx_job *job, uint64_t cap) {
  uint64_t dropped[3];
  sbx_output_dropped(job, dropped);
  for (int i = 0; i < 3; i++) {
    size_t size;
    const char *kept = sbx_job_output(job, (enum sbx_stream)i, &size);
    MUST(size + dropped[i] == models[i].size);
    check_kept(&models[i], cap, kept, size);
  }
  MUST(sbx_job_same_output(job) == (!models[0].size || !models[1].size));
}

/* ---- the job's side ---- */

static bool read_once(struct sbx_job *job, int which) {
  const char *text = NULL;
  size_t size = sbx_output_read(job, which, &text);
  if (size == 0) return false;
  MUST(text);
  note(&models[which], text, size);
  note(&models[SBX_AGGREGATED], text, size);
  return true;
}

static bool has_input(int fd) {
  return fd >= 0;
}

static void read_all(struct sbx_job *job, int which) {
  while (has_input(job->out[which].fd) && read_once(job, which)) continue;
}

/* ---- the command's side ---- */

static void write_some(struct fuzz_input *in, struct sbx_job *job, const int *writers,
                       size_t *left) {
  int which = (int)fuzz_number(in, 2);
  size_t want = (size_t)1 << fuzz_number(in, 13), size;
  static char bytes[1 << 12];
  const uint8_t *given = fuzz_bytes(in, 8, &size);
  if (want > *left || job->out[which].fd < 0) return;
  for (size_t i = 0; i < want; i++) bytes[i] = (char)((size ? given[i % size] : 0) + i / 8);
  ssize_t written = write(writers[which], bytes, want);
  if (written > 0) *left -= (size_t)written;
}

static void open_streams(struct sbx_job *job, int *writers, uint64_t cap) {
  for (int i = 0; i < 2; i++) {
    int fds[2];
    MUST(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    job->out[i].fd = fds[0];
    job->out[i].left = SIZE_MAX;
    writers[i] = fds[1];
    sbx_capture_init(&job->out[i].capture, cap);
    models[i].size = 0;
  }
  sbx_capture_init(&job->both, cap);
  models[SBX_AGGREGATED].size = 0;
}

static uint64_t some_cap(struct fuzz_input *in) {
  static const uint64_t caps[] = {1,    2,    3,    5,     10,    100, 4095,         4096,
                                  4097, 8191, 8192, 10000, 30000, 0,   SBX_UNLIMITED};
  return caps[fuzz_number(in, sizeof caps / sizeof *caps)];
}

static void act(struct fuzz_input *in, struct sbx_job *job, const int *writers, uint64_t cap,
                size_t *left) {
  switch (fuzz_number(in, 8)) {
  case 0: check_all(job, cap); break;
  case 1: job->live = !job->live; break;
  case 2: read_all(job, 0); break;
  case 3:
    if (has_input(job->out[1].fd)) read_once(job, 1);
    break;
  case 4:
    if (has_input(job->out[0].fd)) read_once(job, 0);
    break;
  default: write_some(in, job, writers, left);
  }
}

static void finish(struct sbx_job *job, int *writers, uint64_t cap, bool last) {
  if (last) sbx_output_last(job);
  for (int i = 0; i < 2; i++) {
    sbx_fd_close(&writers[i]);
    read_all(job, i);
    MUST(job->out[i].fd < 0 && job->out[i].ended);
  }
  MUST(sbx_output_ended(job));
  check_all(job, cap);
  check_all(job, cap); /* turned once, and the same when asked again */
  for (int i = 0; i < 2; i++) sbx_capture_free(&job->out[i].capture);
  sbx_capture_free(&job->both);
  free(job->aside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = {data, data + size};
  unsigned files = fuzz_open_files();
  struct sbx_job job = {.live = fuzz_number(&in, 2)};
  int writers[2];
  bool last = fuzz_number(&in, 2);
  uint64_t cap = some_cap(&in);
  size_t left = ROOM;
  open_streams(&job, writers, cap);
  while (in.at < in.end) act(&in, &job, writers, cap, &left);
  finish(&job, writers, cap, last);
  MUST(fuzz_open_files() == files);
  return 0;
}

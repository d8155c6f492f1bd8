#include "engine/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/clock.h"
#include "layers/descriptors.h"

#define LIVE_PIECE 8192
#define READ_PIECE (256 * 1024)
/* A stream that has brought this much gets a larger pipe: the writer is woken less often. */
#define LARGE (256 * 1024)
#define LARGE_PIPE (1 << 20)

void sbx_output_end(struct sbx_stream_state *stream) {
  sbx_fd_close(&stream->fd);
  stream->ended = true;
  stream->ready = false;
}

bool sbx_output_ended(const struct sbx_job *job) {
  return job->out[0].fd < 0 && job->out[1].fd < 0;
}

void sbx_output_last(struct sbx_job *job) {
  for (int i = 0; i < 2; i++) {
    struct sbx_stream_state *stream = &job->out[i];
    int size = stream->fd < 0 ? 0 : fcntl(stream->fd, F_GETPIPE_SZ);
    stream->left = size > 0 ? (size_t)size : LARGE_PIPE;
  }
}

/* As long as one stream alone has bytes, both together are that stream. */
static void keep_both(struct sbx_job *job, int which, const char *bytes, size_t size) {
  struct sbx_capture *other = &job->out[1 - which].capture;
  if (!job->is_both) {
    if (other->total == 0) return;
    sbx_capture_copy(&job->both, other);
    job->is_both = true;
  }
  sbx_capture_add(&job->both, bytes, size);
}

static void widen(struct sbx_stream_state *stream, size_t size) {
  uint64_t total = stream->capture.total;
  if (total < LARGE && total + size >= LARGE) fcntl(stream->fd, F_SETPIPE_SZ, LARGE_PIPE);
}

static void account(struct sbx_stream_state *stream, size_t size) {
  if (stream->left == SIZE_MAX) return;
  stream->left -= size < stream->left ? size : stream->left;
  if (stream->left == 0) sbx_output_end(stream);
}

/* With no memory to keep them the bytes are read and counted, so that the writer goes on. */
static ssize_t read_and_drop(struct sbx_job *job, struct sbx_stream_state *stream) {
  char scratch[4096];
  ssize_t size = read(stream->fd, scratch, sizeof scratch);
  if (size <= 0) return size;
  sbx_capture_drop(&stream->capture, (size_t)size);
  if (job->is_both) sbx_capture_drop(&job->both, (size_t)size);
  return size;
}

/* Where the next bytes are read to. The ring of a small cap would take a few at a time, a system
 * call for each: they are read aside, and added. */
static char *place_of(struct sbx_job *job, struct sbx_capture *capture, size_t *room) {
  if (capture->cap >= LIVE_PIECE) return sbx_capture_room(capture, room);
  if (!job->aside) job->aside = malloc(LIVE_PIECE);
  *room = LIVE_PIECE;
  return job->aside;
}

static ssize_t read_and_keep(struct sbx_job *job, int which, char *at, size_t room) {
  struct sbx_stream_state *stream = &job->out[which];
  ssize_t size = read(stream->fd, at, room);
  if (size <= 0) return size;
  widen(stream, (size_t)size);
  /* Before the first of this stream is counted: what came until now is the other's alone. */
  keep_both(job, which, at, (size_t)size);
  if (at == job->aside)
    sbx_capture_add(&stream->capture, at, (size_t)size);
  else
    sbx_capture_took(&stream->capture, (size_t)size);
  return size;
}

/* A writer that is not read stops at the size of its pipe. */
static void note_flood(struct sbx_job *job) {
  uint64_t total = job->out[0].capture.total + job->out[1].capture.total;
  if (!job->end_output || total <= job->end_output || job->flooded) return;
  job->flooded = true;
  if (!job->done && !job->lost) sbx_job_watch_output(job, false);
}

size_t sbx_output_read(struct sbx_job *job, int which, const char **text) {
  struct sbx_stream_state *stream = &job->out[which];
  size_t room = job->live ? LIVE_PIECE : READ_PIECE;
  char *at = place_of(job, &stream->capture, &room);
  stream->ready = false;
  ssize_t size = at ? read_and_keep(job, which, at, room) : read_and_drop(job, stream);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
  if (size <= 0) {
    sbx_output_end(stream);
    return 0;
  }
  job->last_ns = sbx_now();
  note_flood(job);
  account(stream, (size_t)size);
  *text = at;
  return at ? (size_t)size : 0;
}

/* ---- what was kept ---- */

static const struct sbx_capture *both_of(const struct sbx_job *job) {
  if (job->is_both) return &job->both;
  return &job->out[job->out[0].capture.total == 0].capture;
}

const char *sbx_job_output(sbx_job *job, enum sbx_stream stream, size_t *size) {
  bool both = stream == SBX_AGGREGATED;
  return sbx_capture_linear(both ? (struct sbx_capture *)both_of(job) : &job->out[stream].capture,
                            size);
}

bool sbx_job_same_output(const sbx_job *job) {
  return !job->is_both;
}

void sbx_job_release(sbx_job *job, enum sbx_stream stream) {
  sbx_capture_free(stream == SBX_AGGREGATED ? &job->both : &job->out[stream].capture);
}

void sbx_output_dropped(const struct sbx_job *job, uint64_t dropped[3]) {
  for (int i = 0; i < 2; i++) dropped[i] = sbx_capture_dropped(&job->out[i].capture);
  dropped[SBX_AGGREGATED] = sbx_capture_dropped(both_of(job));
}

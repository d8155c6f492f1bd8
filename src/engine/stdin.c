#include "engine/stdin.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "layers/descriptors.h"

/* The host must not die of a command that stopped reading, and its handlers stay as they are: the
 * signal is blocked for this thread, and one that we caused is taken back (sigtimedwait(2)). */
static ssize_t write_quietly(int fd, const char *data, size_t size) {
  sigset_t pipe, old, pending;
  struct timespec none = {0, 0};
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe, &old);
  ssize_t written = write(fd, data, size);
  int saved = errno;
  if (written < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE))
    while (sigtimedwait(&pipe, NULL, &none) < 0 && errno == EINTR) continue;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  errno = saved;
  return written;
}

void sbx_stdin_flush(struct sbx_stdin *in) {
  while (in->fd >= 0 && in->start < in->end) {
    ssize_t written = write_quietly(in->fd, in->queue + in->start, in->end - in->start);
    if (written > 0) {
      in->start += (size_t)written;
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      in->code = errno;
      sbx_stdin_free(in);
    }
  }
  in->start = in->end = 0;
  if (in->closing) sbx_fd_close(&in->fd);
}

static int make_room(struct sbx_stdin *in, size_t size) {
  if (in->start > 0) {
    memmove(in->queue, in->queue + in->start, in->end - in->start);
    in->end -= in->start;
    in->start = 0;
  }
  if (size <= in->room - in->end) return 0;
  size_t room = (in->end + size) * 2;
  char *queue = realloc(in->queue, room);
  if (!queue) return -1;
  in->queue = queue;
  in->room = room;
  return 0;
}

int sbx_stdin_write(struct sbx_stdin *in, const void *data, size_t size) {
  if (in->fd < 0 || in->closing) {
    errno = EPIPE;
    return -1;
  }
  if (size == 0) return 0;
  if (make_room(in, size) < 0) return -1;
  memcpy(in->queue + in->end, data, size);
  in->end += size;
  sbx_stdin_flush(in);
  errno = in->code;
  return in->fd < 0 ? -1 : 0;
}

void sbx_stdin_close(struct sbx_stdin *in) {
  in->closing = true;
  sbx_stdin_flush(in);
}

bool sbx_stdin_waits(const struct sbx_stdin *in) {
  return in->fd >= 0 && in->start < in->end;
}

void sbx_stdin_free(struct sbx_stdin *in) {
  sbx_fd_close(&in->fd);
  free(in->queue);
  in->queue = NULL;
  in->start = in->end = in->room = 0;
}

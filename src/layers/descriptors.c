#include "layers/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

int sbx_fd_high(int fd) {
  if (fd < 0 || fd > 2) return fd;
  int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  int saved = errno;
  close(fd);
  errno = saved;
  return high;
}

void sbx_fd_close(int *fd) {
  int saved = errno;
  if (*fd >= 0) close(*fd);
  *fd = -1;
  errno = saved;
}

static int raise_both(int ends[2]) {
  ends[0] = sbx_fd_high(ends[0]);
  ends[1] = sbx_fd_high(ends[1]);
  if (ends[0] >= 0 && ends[1] >= 0) return 0;
  sbx_fd_close(&ends[0]);
  sbx_fd_close(&ends[1]);
  return -1;
}

int sbx_fd_pipe(int ends[2]) {
  return pipe2(ends, O_CLOEXEC) < 0 ? -1 : raise_both(ends);
}

int sbx_fd_messages(int ends[2]) {
  int type = SOCK_SEQPACKET | SOCK_CLOEXEC;
  return socketpair(AF_UNIX, type, 0, ends) < 0 ? -1 : raise_both(ends);
}

int sbx_fd_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static int open_reader(int fd) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  /* without O_NONBLOCK a FIFO would wait for a writer, a terminal for a line */
  int reader = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  int flags = fcntl(fd, F_GETFL);
  if (reader < 0 || flags < 0) return reader;
  fcntl(reader, F_SETFL, flags & O_NONBLOCK);
  off_t at = lseek(fd, 0, SEEK_CUR);
  if (at > 0) lseek(reader, at, SEEK_SET);
  return sbx_fd_high(reader);
}

/* What a socket or a pipe takes leads to its other end alone. */
static bool writes_to_a_file(int fd, int flags) {
  struct stat st;
  if ((flags & O_ACCMODE) == O_RDONLY || fstat(fd, &st) < 0) return false;
  return S_ISREG(st.st_mode) || S_ISCHR(st.st_mode);
}

int sbx_fd_reader(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -1;
  return writes_to_a_file(fd, flags) ? open_reader(fd) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

int sbx_fd_place(int fd, int target) {
  if (fd == target) return fcntl(fd, F_SETFD, 0);
  return dup2(fd, target) < 0 ? -1 : 0;
}

static int close_span(unsigned first, unsigned last) {
  if (first > last) return 0;
  return (int)syscall(SYS_close_range, first, last, 0);
}

int sbx_fd_close_from(int first) {
  return close_span((unsigned)first, UINT_MAX);
}

static int next_kept(const int *keep, size_t count, int from) {
  int best = -1;
  for (size_t i = 0; i < count; i++)
    if (keep[i] >= from && (best < 0 || keep[i] < best)) best = keep[i];
  return best;
}

int sbx_fd_keep_only(const int *keep, size_t count) {
  int from = 0;
  for (;;) {
    int next = next_kept(keep, count, from);
    if (next < 0) return sbx_fd_close_from(from);
    if (next > from && close_span((unsigned)from, (unsigned)next - 1) < 0) return -1;
    from = next + 1;
  }
}

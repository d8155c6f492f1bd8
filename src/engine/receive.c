#include "engine/receive.h"

#include <errno.h>
#include <linux/bpf_common.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/descriptors.h"

/* The room for credentials holds more descriptors than a request has: what is too many is closed,
 * and the message is none. What comes must not take the standard descriptors' numbers, should one
 * be free: the command's own will be put over them. */
static void take_descriptors(struct sbx_received *received, struct cmsghdr *c) {
  size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (size_t i = 0; i < count; i++) {
    int fd;
    memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
    if (received->nfds < SBX_WIRE_FDS) {
      received->fds[received->nfds++] = sbx_fd_high(fd);
    } else {
      close(fd);
      received->truncated = true;
    }
  }
}

static void take_control(struct sbx_received *received, struct msghdr *msg) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_CREDENTIALS) {
      struct ucred cred;
      memcpy(&cred, CMSG_DATA(c), sizeof cred);
      received->sender = cred.pid;
    } else if (c->cmsg_type == SCM_RIGHTS) {
      take_descriptors(received, c);
    }
  }
}

int sbx_receive(int socket, struct sbx_received *received, int flags) {
  char control[CMSG_SPACE(SBX_WIRE_FDS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
  struct iovec iov = {received->bytes, sizeof received->bytes};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  received->nfds = 0;
  received->sender = 0;
  ssize_t size = recvmsg(socket, &msg, flags | MSG_CMSG_CLOEXEC);
  if (size < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
  received->size = (size_t)size;
  received->truncated = (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  take_control(received, &msg);
  return size > 0;
}

bool sbx_received_head(const struct sbx_received *received, struct sbx_wire_head *head) {
  if (received->truncated || received->size < sizeof *head) return false;
  memcpy(head, received->bytes, sizeof *head);
  size_t expected =
      3u + (head->has_stdin != 0) + (head->has_ruleset != 0) + (head->blob_in_memfd != 0);
  /* More instructions than a filter can have would be cut to their low 16 bits: another filter. */
  if (head->layers.nlimits > SBX_LIMITS_MAX || head->layers.filter_count > BPF_MAXINSNS)
    return false;
  return head->magic == SBX_WIRE_MAGIC && received->nfds == expected;
}

int sbx_send_with(int socket, const void *bytes, size_t size, const int *fds, size_t nfds) {
  char control[CMSG_SPACE(SBX_WIRE_FDS * sizeof(int))] = {0};
  struct iovec iov = {(void *)bytes, size};
  struct msghdr msg = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = CMSG_SPACE(nfds * sizeof(int))};
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
  cmsg->cmsg_level = SOL_SOCKET;
  cmsg->cmsg_type = SCM_RIGHTS;
  cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
  memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
  return sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

void sbx_received_close(struct sbx_received *received) {
  for (size_t i = 0; i < received->nfds; i++) close(received->fds[i]);
  received->nfds = 0;
}

/* A size that isn't the file's own could ask for any amount of memory. */
static char *read_blob(int fd, size_t size) {
  struct stat st;
  bool whole = fstat(fd, &st) == 0 && st.st_size >= 0 && (size_t)st.st_size == size;
  char *blob = whole ? malloc(size ? size : 1) : NULL;
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

static char *take_blob(const struct sbx_received *received, const struct sbx_wire_head *head,
                       int fd) {
  errno = EPROTO;
  if (head->blob_in_memfd) return read_blob(fd, head->blob_size);
  if (received->size - sizeof *head != head->blob_size) return NULL;
  char *blob = malloc(head->blob_size ? head->blob_size : 1);
  if (blob) memcpy(blob, received->bytes + sizeof *head, head->blob_size);
  return blob;
}

int sbx_received_unpack(struct sbx_received *received, struct sbx_launch *launch) {
  const int *fd = received->fds;
  launch->control = *fd++;
  launch->out = *fd++;
  launch->err = *fd++;
  launch->in = launch->head.has_stdin ? *fd++ : -1;
  launch->ruleset = launch->head.has_ruleset ? *fd++ : -1;
  int blob_fd = launch->head.blob_in_memfd ? *fd : -1;
  received->nfds = 0;
  char *blob = take_blob(received, &launch->head, blob_fd);
  sbx_fd_close(&blob_fd);
  return blob ? sbx_launch_unpack(launch, blob) : -1;
}

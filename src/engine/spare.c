#include "engine/spare.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/receive.h"
#include "layers/descriptors.h"

/* The flags that count before there is a request; the others are the child's. */
#define SET_UP_FLAGS                                                                               \
  (SBX_FLAG_PROC | SBX_FLAG_LOOPBACK | SBX_FLAG_DROP_CAPS | SBX_FLAG_INNER_RULES | SBX_FLAG_MAP_ALL)

bool sbx_spare_same(const struct sbx_layers *a, const struct sbx_layers *b) {
  return a->namespaces == b->namespaces && a->kill == b->kill && a->keep_caps == b->keep_caps &&
         a->inside_size == b->inside_size && a->inside_key == b->inside_key &&
         (a->flags & SET_UP_FLAGS) == (b->flags & SET_UP_FLAGS);
}

void sbx_spare_close(struct sbx_spare *spare) {
  sbx_fd_close(&spare->socket);
  sbx_fd_close(&spare->pidfd);
}

pid_t sbx_spare_make(struct sbx_spare *spare, const struct sbx_layers *layers, sbx_plan *inside,
                     int host, int null, int lease) {
  int pair[2];
  struct sbx_launch launch = {.head = {.layers = *layers},
                              .control = -1,
                              .in = -1,
                              .out = -1,
                              .err = -1,
                              .ruleset = -1,
                              .host = host,
                              .null = null,
                              .lease = lease,
                              .inside = inside,
                              .signals_ready = true};
  *spare = SBX_SPARE_NONE;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -1;
  spare->socket = sbx_fd_high(pair[0]);
  launch.request_socket = sbx_fd_high(pair[1]);
  spare->layers = *layers;
  spare->made_ns = sbx_now();
  pid_t pid = sbx_launch_start(&launch, &spare->pidfd);
  sbx_fd_close(&launch.request_socket);
  if (pid < 0) sbx_spare_close(spare);
  return pid;
}

/* ---- in the spare ---- */

/* A request may come in the very moment in which the wait ends: no further one is let in, then what
 * is there already is looked at once more. */
static int receive_last(int socket, struct sbx_received *received) {
  shutdown(socket, SHUT_RD);
  return sbx_receive(socket, received, MSG_DONTWAIT);
}

static int receive(int socket, struct sbx_received *received) {
  struct pollfd fd = {socket, POLLIN, 0};
  int rc;
  do rc = poll(&fd, 1, SBX_SPARE_MS);
  while (rc < 0 && errno == EINTR);
  return rc > 0 ? sbx_receive(socket, received, MSG_DONTWAIT) : receive_last(socket, received);
}

static bool is_same_plan(const sbx_plan *a, const sbx_plan *b) {
  size_t size_a, size_b;
  const void *bytes_a = sbx_plan_bytes(a, &size_a), *bytes_b = sbx_plan_bytes(b, &size_b);
  return size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0;
}

void sbx_spare_await(struct sbx_launch *launch) {
  static struct sbx_received received;
  const sbx_plan *made = launch->inside;
  if (receive(launch->request_socket, &received) != 1) _exit(0);
  if (!sbx_received_head(&received, &launch->head)) _exit(125);
  sbx_fd_close(&launch->request_socket);
  if (sbx_received_unpack(&received, launch) < 0) _exit(125); /* the host sees an end of file */
  if (!is_same_plan(made, launch->inside)) _exit(125);        /* a hash alone decides nothing */
}

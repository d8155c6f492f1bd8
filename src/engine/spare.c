#include "engine/spare.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/child.h"
#include "engine/clock.h"
#include "engine/receive.h"
#include "engine/remote.h"
#include "layers/descriptors.h"

/* The flags that count before there is a request; the others are the child's. */
#define SET_UP_FLAGS                                                                               \
  (SBX_FLAG_PROC | SBX_FLAG_LOOPBACK | SBX_FLAG_DROP_CAPS | SBX_FLAG_INNER_RULES | SBX_FLAG_MAP_ALL)

#define TOUCHED (16 * 1024)

bool sbx_spare_same(const struct sbx_layers *a, const struct sbx_layers *b) {
  return a->namespaces == b->namespaces && a->kill == b->kill && a->keep_caps == b->keep_caps &&
         (a->flags & SET_UP_FLAGS) == (b->flags & SET_UP_FLAGS) && a->ahead_size == b->ahead_size &&
         a->ahead_key == b->ahead_key && a->inside_size == b->inside_size &&
         a->inside_key == b->inside_key;
}

struct sbx_layers sbx_spare_shared(const struct sbx_layers *layers) {
  struct sbx_layers shared = *layers;
  shared.inside_size = 0;
  shared.inside_key = 0;
  return shared;
}

void sbx_spare_close(struct sbx_spare *spare) {
  sbx_fd_close(&spare->socket);
  sbx_fd_close(&spare->pidfd);
}

pid_t sbx_spare_make(struct sbx_spare *spare, struct sbx_launch *launch) {
  int pair[2];
  launch->control = launch->in = launch->out = launch->err = launch->ruleset = -1;
  *spare = SBX_SPARE_NONE;
  if (sbx_fd_messages(pair) < 0) return -1;
  spare->socket = pair[0];
  launch->request_socket = pair[1];
  spare->layers = launch->head.layers;
  spare->made_ns = sbx_now();
  pid_t pid = sbx_launch_start(launch, &spare->pidfd);
  sbx_fd_close(&launch->request_socket);
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

/* Memory that a request will need is this process's own by then: a fork's first touch of a page is
 * a fault. */
static void touch_memory(struct sbx_received *received) {
  memset(received->bytes, 0, TOUCHED);
  char *heap = malloc(TOUCHED);
  if (heap) explicit_bzero(heap, TOUCHED);
  free(heap);
  sbx_child_touch();
}

/* What the first call that is handed over would wait for. */
static void ask_for_remote_mounts(const struct sbx_layers *layers) {
  if (layers->watched && layers->namespaces & SBX_NS_MOUNT) sbx_remote_settle();
}

void sbx_spare_await(struct sbx_launch *launch) {
  static struct sbx_received received;
  const sbx_plan *ahead = launch->ahead, *inside = launch->inside;
  touch_memory(&received);
  ask_for_remote_mounts(&launch->head.layers);
  if (receive(launch->request_socket, &received) != 1) _exit(0);
  if (!sbx_received_head(&received, &launch->head)) _exit(125);
  if (sbx_received_unpack(&received, launch) < 0) _exit(125); /* the host sees an end of file */
  /* a hash alone decides nothing */
  if (!is_same_plan(ahead, launch->ahead)) _exit(125);
  if (inside && !is_same_plan(inside, launch->inside)) _exit(125);
}

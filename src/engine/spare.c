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

/* The flags that count before there is a policy; the others are the child's. */
#define SET_UP_FLAGS                                                                               \
  (SBX_FLAG_PROC | SBX_FLAG_LOOPBACK | SBX_FLAG_DROP_CAPS | SBX_FLAG_INNER_RULES | SBX_FLAG_MAP_ALL)

#define TOUCHED (16 * 1024)

static bool same_filter(const struct sbx_layers *a, const struct sbx_layers *b) {
  if (a->filter_count != b->filter_count || a->filter_key != b->filter_key) return false;
  return a->filter_count == 0 || (a->watched == b->watched && a->on_behalf == b->on_behalf);
}

bool sbx_spare_same(const struct sbx_layers *a, const struct sbx_layers *b) {
  return a->namespaces == b->namespaces && a->kill == b->kill && a->keep_caps == b->keep_caps &&
         a->flags == b->flags && a->ahead_size == b->ahead_size && a->ahead_key == b->ahead_key &&
         a->inside_size == b->inside_size && a->inside_key == b->inside_key &&
         a->has_ruleset == b->has_ruleset && a->ruleset_id == b->ruleset_id && same_filter(a, b);
}

struct sbx_layers sbx_spare_childless(const struct sbx_layers *layers) {
  struct sbx_layers some = *layers;
  bool inner = layers->flags & SBX_FLAG_INNER_RULES; /* made with what is inside */
  some.flags &= SET_UP_FLAGS;
  some.has_ruleset = inner ? layers->has_ruleset : 0;
  some.filter_count = some.child_ahead = 0;
  some.filter_key = some.ruleset_id = 0;
  return some;
}

struct sbx_layers sbx_spare_shared(const struct sbx_layers *layers) {
  struct sbx_layers shared = sbx_spare_childless(layers);
  shared.inside_size = shared.has_ruleset = 0;
  shared.inside_key = 0;
  return shared;
}

/* As far as a spare of that kind is made. */
static struct sbx_layers part_of(const struct sbx_layers *made, const struct sbx_layers *layers) {
  if (made->inside_size == 0) return sbx_spare_shared(layers);
  return made->child_ahead ? *layers : sbx_spare_childless(layers);
}

void sbx_spare_close(struct sbx_spare *spare) {
  sbx_fd_close(&spare->socket);
  sbx_fd_close(&spare->pidfd);
}

pid_t sbx_spare_make(struct sbx_spare *spare, struct sbx_launch *launch) {
  int pair[2];
  launch->control = launch->in = launch->out = launch->err = -1;
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

static struct sbx_received received;

/* A request may come in the very moment in which the wait ends: no further one is let in, then what
 * is there already is looked at once more. */
static int receive_last(int socket) {
  shutdown(socket, SHUT_RD);
  return sbx_receive(socket, &received, MSG_DONTWAIT);
}

static int receive(int socket) {
  struct pollfd fd = {socket, POLLIN, 0};
  int rc;
  do rc = poll(&fd, 1, SBX_SPARE_MS);
  while (rc < 0 && errno == EINTR);
  return rc > 0 ? sbx_receive(socket, &received, MSG_DONTWAIT) : receive_last(socket);
}

static bool is_same_plan(const sbx_plan *a, const sbx_plan *b) {
  size_t size_a, size_b;
  const void *bytes_a = sbx_plan_bytes(a, &size_a), *bytes_b = sbx_plan_bytes(b, &size_b);
  return size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0;
}

/* What was made ahead is what the request asks for: a hash alone decides nothing. */
static bool is_made_for(const struct sbx_launch *made, const struct sbx_launch *request) {
  const struct sbx_layers *layers = &made->head.layers;
  struct sbx_layers part = part_of(layers, &request->head.layers);
  size_t size = layers->filter_count * sizeof *made->filter;
  if (!sbx_spare_same(layers, &part) || !is_same_plan(made->ahead, request->ahead)) return false;
  if (made->inside && !is_same_plan(made->inside, request->inside)) return false;
  return size == 0 || memcmp(made->filter, request->filter, size) == 0;
}

/* Memory that a request will need is this process's own by then: a fork's first touch of a page is
 * a fault. */
static void touch_memory(void) {
  memset(received.bytes, 0, TOUCHED);
  char *heap = malloc(TOUCHED);
  if (heap) explicit_bzero(heap, TOUCHED);
  free(heap);
  sbx_child_touch();
}

/* What the first call that is handed over would wait for. */
static void ask_for_remote_mounts(const struct sbx_layers *layers) {
  if (layers->watched && layers->namespaces & SBX_NS_MOUNT) sbx_remote_settle();
}

void sbx_spare_prepare(const struct sbx_launch *launch) {
  touch_memory();
  ask_for_remote_mounts(&launch->head.layers);
}

int sbx_spare_take(struct sbx_launch *launch) {
  struct sbx_launch made = *launch;
  errno = ECANCELED;
  if (receive(launch->request_socket) != 1) return -1;
  errno = EPROTO;
  if (!sbx_received_head(&received, &launch->head)) return -1;
  if (sbx_received_unpack(&received, launch) < 0) return -1;
  sbx_fd_close(&made.ruleset); /* the request has brought the same */
  errno = EPROTO;
  return is_made_for(&made, launch) ? 0 : -1;
}

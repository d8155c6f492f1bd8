#include "engine/warm.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/wire.h"
#include "layers/descriptors.h"

/* No offer takes longer; one that can't be made never comes. */
#define OFFER_MS 3
/* A spare is not used in the last moments of its wait. */
#define AGE_MS (SBX_SPARE_MS - 5000)
/* An order is one message. */
#define ORDER_MAX (64 * 1024)

void sbx_warm_open(struct sbx_warm *warm) {
  *warm = (struct sbx_warm){.mounts = -1};
  for (size_t i = 0; i < SBX_WARM_SPARES; i++) warm->spares[i] = SBX_SPARE_NONE;
  warm->mounts = sbx_fd_high(open("/proc/thread-self/mountinfo", O_RDONLY | O_CLOEXEC));
}

static void drop(struct sbx_warm *warm, int64_t made_before_ns) {
  for (size_t i = 0; i < SBX_WARM_SPARES; i++)
    if (warm->spares[i].made_ns < made_before_ns) sbx_spare_close(&warm->spares[i]);
}

void sbx_warm_close(struct sbx_warm *warm) {
  drop(warm, SBX_NEVER);
  sbx_fd_close(&warm->mounts);
  sbx_plan_free(warm->expected_plan);
  warm->expected_plan = NULL;
  warm->pending = 0;
}

/* A mount made on the host since would be missing in a spare's namespace: poll(2) on mountinfo
 * tells of any change since the last time it was asked (proc_pid_mountinfo(5)). */
static bool mounts_changed(const struct sbx_warm *warm) {
  struct pollfd fd = {warm->mounts, POLLPRI, 0};
  return warm->mounts < 0 || poll(&fd, 1, 0) != 0;
}

static struct sbx_spare *place(struct sbx_warm *warm) {
  struct sbx_spare *oldest = &warm->spares[0];
  for (size_t i = 0; i < SBX_WARM_SPARES; i++) {
    if (warm->spares[i].socket < 0) return &warm->spares[i];
    if (warm->spares[i].made_ns < oldest->made_ns) oldest = &warm->spares[i];
  }
  sbx_spare_close(oldest);
  return oldest;
}

/* What came along: the two descriptors of an offer, or else nothing that stays open. */
static bool take_descriptors(struct msghdr *msg, int fds[2]) {
  struct cmsghdr *c = CMSG_FIRSTHDR(msg);
  size_t count = 0;
  fds[0] = fds[1] = -1;
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
    count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(c), (count < 2 ? count : 2) * sizeof(int));
    fds[0] = sbx_fd_high(fds[0]);
    if (count > 1) fds[1] = sbx_fd_high(fds[1]);
  }
  if (count == 2 && fds[0] >= 0 && fds[1] >= 0 && !(msg->msg_flags & MSG_CTRUNC)) return true;
  sbx_fd_close(&fds[0]);
  sbx_fd_close(&fds[1]);
  return false;
}

/* False when no offer waits. */
static bool take_offer(struct sbx_warm *warm, int spawner) {
  struct sbx_wire_spare offer;
  int fds[2];
  char control[CMSG_SPACE(sizeof fds)];
  struct iovec iov = {&offer, sizeof offer};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t size = recvmsg(spawner, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size <= 0) return false;
  if (warm->pending > 0) warm->pending--;
  if (!take_descriptors(&msg, fds)) return true;
  struct sbx_spare spare = {
      .socket = fds[0], .pidfd = fds[1], .made_ns = offer.made_ns, .layers = offer.layers};
  if (size == (ssize_t)sizeof offer && offer.magic == SBX_WIRE_SPARE)
    *place(warm) = spare;
  else
    sbx_spare_close(&spare);
  return true;
}

void sbx_warm_collect(struct sbx_warm *warm, int spawner) {
  int64_t now = sbx_now();
  /* Asked first: a spare that was made before the change may be offered after it was noticed. */
  if (mounts_changed(warm)) warm->changed_ns = sbx_now();
  while (take_offer(warm, spawner)) continue;
  drop(warm, now - AGE_MS * SBX_MS);
  drop(warm, warm->changed_ns);
}

static struct sbx_spare *find(struct sbx_warm *warm, const struct sbx_layers *layers) {
  for (size_t i = 0; i < SBX_WARM_SPARES; i++)
    if (warm->spares[i].socket >= 0 && sbx_spare_same(&warm->spares[i].layers, layers))
      return &warm->spares[i];
  return NULL;
}

/* The most complete one. */
static struct sbx_spare *find_any(struct sbx_warm *warm, const struct sbx_layers *layers) {
  struct sbx_layers childless = sbx_spare_childless(layers), shared = sbx_spare_shared(layers);
  struct sbx_spare *spare = find(warm, layers);
  if (!spare) spare = find(warm, &childless);
  return spare ? spare : find(warm, &shared);
}

/* False when no further one is to be waited for. */
static bool await_offer(struct sbx_warm *warm, int spawner) {
  struct pollfd fd = {spawner, POLLIN, 0};
  unsigned pending = warm->pending;
  if (pending > 0 && poll(&fd, 1, OFFER_MS) > 0) sbx_warm_collect(warm, spawner);
  if (warm->pending == pending) warm->pending = 0;
  return warm->pending != pending;
}

static bool is_never_ahead(const struct sbx_layers *layers) {
  return layers->kill == SBX_KILL_CGROUP || layers->flags & SBX_FLAG_NOT_AHEAD;
}

struct sbx_spare *sbx_warm_find(struct sbx_warm *warm, int spawner,
                                const struct sbx_layers *layers) {
  if (is_never_ahead(layers)) return NULL;
  struct sbx_spare *spare = find_any(warm, layers);
  while (!spare && await_offer(warm, spawner)) spare = find_any(warm, layers);
  return spare;
}

static bool seen_before(struct sbx_kinds *kinds, const struct sbx_layers *layers) {
  for (size_t i = 0; i < SBX_WARM_KINDS && i < kinds->count; i++)
    if (sbx_spare_same(&kinds->list[i], layers)) return true;
  kinds->list[kinds->count++ % SBX_WARM_KINDS] = *layers;
  return false;
}

static void send_order(struct sbx_warm *warm, int spawner, struct msghdr *msg) {
  if (sendmsg(spawner, msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) warm->pending++;
}

static void order_shared(struct sbx_warm *warm, int spawner, const struct sbx_layers *layers,
                         const sbx_plan *ahead) {
  struct sbx_wire_spare order = {.magic = SBX_WIRE_SPARE, .layers = *layers};
  struct iovec iov[2] = {{&order, sizeof order}};
  struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
  iov[1].iov_base = (void *)sbx_plan_bytes(ahead, &iov[1].iov_len);
  send_order(warm, spawner, &msg);
}

/* Where the child is made ahead, too, with its filter, and the ruleset if the host has made it. */
static void order_whole(struct sbx_warm *warm, int spawner, const struct sbx_layers *layers,
                        const sbx_sandbox *sandbox, const sbx_plan *inside) {
  struct sbx_wire_spare order = {.magic = SBX_WIRE_SPARE, .layers = *layers};
  struct iovec iov[4] = {{&order, sizeof order}};
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
  } rights = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
  struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 4};
  iov[1].iov_base = (void *)sbx_plan_bytes(sandbox->ahead, &iov[1].iov_len);
  iov[2].iov_base = (void *)sbx_plan_bytes(inside, &iov[2].iov_len);
  iov[3].iov_base = (void *)sbx_sandbox_filter(sandbox);
  iov[3].iov_len = layers->filter_count * sizeof(struct sock_filter);
  if ((order.has_ruleset = layers->child_ahead && sandbox->ruleset >= 0)) {
    memcpy(CMSG_DATA(&rights.header), &sandbox->ruleset, sizeof(int));
    msg.msg_control = rights.bytes;
    msg.msg_controllen = sizeof rights.bytes;
  }
  send_order(warm, spawner, &msg);
}

static void expect(struct sbx_warm *warm, const struct sbx_layers *shared, const sbx_plan *ahead) {
  size_t size;
  const void *bytes = sbx_plan_bytes(ahead, &size);
  if (warm->expected_plan && sbx_spare_same(&warm->expected, shared)) return;
  sbx_plan_free(warm->expected_plan);
  warm->expected = *shared;
  warm->expected_plan = sbx_plan_from_bytes(bytes, size, NULL);
}

void sbx_warm_expect(struct sbx_warm *warm, int spawner) {
  if (!warm->expected_plan) return;
  sbx_warm_collect(warm, spawner);
  if (warm->pending == 0 && !find(warm, &warm->expected))
    order_shared(warm, spawner, &warm->expected, warm->expected_plan);
}

static size_t order_size(const struct sbx_layers *layers) {
  return (size_t)layers->ahead_size + layers->inside_size +
         layers->filter_count * sizeof(struct sock_filter);
}

/* One with a child for a command that came before; for others like it one without. */
static void order_own(struct sbx_warm *warm, int spawner, const struct sbx_layers *layers,
                      const sbx_sandbox *sandbox, const sbx_plan *inside) {
  struct sbx_layers childless = sbx_spare_childless(layers);
  bool again = layers->child_ahead && seen_before(&warm->whole, layers);
  bool alike = seen_before(&warm->childless, &childless);
  const struct sbx_layers *kind = again ? layers : &childless;
  if ((again || alike) && order_size(kind) <= ORDER_MAX && !find(warm, kind))
    order_whole(warm, spawner, kind, sandbox, inside);
}

void sbx_warm_order(struct sbx_warm *warm, int spawner, const struct sbx_layers *layers,
                    const sbx_sandbox *sandbox, const sbx_plan *inside) {
  struct sbx_layers shared = sbx_spare_shared(layers);
  struct sbx_cursor cursor = sbx_plan_cursor(sandbox->ahead);
  if (is_never_ahead(layers)) return;
  order_own(warm, spawner, layers, sandbox, inside);
  if (!sbx_plan_next(&cursor) || order_size(&shared) > ORDER_MAX) return; /* nothing is shared */
  if (seen_before(&warm->shared, &shared)) expect(warm, &shared, sandbox->ahead);
}

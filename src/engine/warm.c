#include "engine/warm.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/wire.h"
#include "layers/descriptors.h"

/* A spare is not used in the last moments of its wait. */
#define AGE_MS (SBX_SPARE_MS - 5000)
/* An order is one message. */
#define INSIDE_MAX (64 * 1024)

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

struct sbx_spare *sbx_warm_find(struct sbx_warm *warm, const struct sbx_layers *layers) {
  for (size_t i = 0; i < SBX_WARM_SPARES; i++)
    if (warm->spares[i].socket >= 0 && sbx_spare_same(&warm->spares[i].layers, layers))
      return &warm->spares[i];
  return NULL;
}

static bool seen_before(struct sbx_warm *warm, const struct sbx_layers *layers) {
  for (size_t i = 0; i < SBX_WARM_KINDS && i < warm->nseen; i++)
    if (sbx_spare_same(&warm->seen[i], layers)) return true;
  warm->seen[warm->nseen++ % SBX_WARM_KINDS] = *layers;
  return false;
}

void sbx_warm_order(struct sbx_warm *warm, int spawner, const struct sbx_layers *layers,
                    const sbx_plan *inside) {
  struct sbx_wire_spare order = {.magic = SBX_WIRE_SPARE, .layers = *layers};
  size_t size;
  const void *bytes = sbx_plan_bytes(inside, &size);
  if (layers->kill == SBX_KILL_CGROUP || size > INSIDE_MAX || !seen_before(warm, layers)) return;
  if (sbx_warm_find(warm, layers)) return;
  struct iovec iov[2] = {{&order, sizeof order}, {(void *)bytes, size}};
  struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
  sendmsg(spawner, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

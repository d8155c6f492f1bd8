#include "engine/spare.h"

#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/clock.h"
#include "layers/descriptors.h"

/* The flags that count before there is a request; the others are the child's. */
#define SET_UP_FLAGS (SBX_FLAG_PROC | SBX_FLAG_LOOPBACK | SBX_FLAG_DROP_CAPS)

bool sbx_spare_same(const struct sbx_layers *a, const struct sbx_layers *b) {
  return a->namespaces == b->namespaces && a->kill == b->kill && a->keep_caps == b->keep_caps &&
         (a->flags & SET_UP_FLAGS) == (b->flags & SET_UP_FLAGS);
}

bool sbx_spare_fits(const struct sbx_spare *spare, const struct sbx_layers *layers) {
  return spare->pid && sbx_spare_same(&spare->layers, layers);
}

void sbx_spare_release(struct sbx_spare *spare) {
  sbx_fd_close(&spare->socket);
  sbx_fd_close(&spare->pidfd);
  *spare = SBX_SPARE_NONE;
}

void sbx_spare_drop(struct sbx_spare *spare) {
  if (spare->pid) kill(spare->pid, SIGKILL);
  sbx_spare_release(spare);
}

int sbx_spare_make(struct sbx_spare *spare, const struct sbx_layers *layers, int host, int null) {
  int pair[2];
  struct sbx_launch launch = {.head = {.layers = *layers},
                              .control = -1,
                              .in = -1,
                              .out = -1,
                              .err = -1,
                              .ruleset = -1,
                              .host = host,
                              .null = null,
                              .signals_ready = true};
  *spare = SBX_SPARE_NONE;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -1;
  spare->socket = sbx_fd_high(pair[0]);
  launch.request_socket = sbx_fd_high(pair[1]);
  spare->layers = *layers;
  spare->made_ns = sbx_now();
  spare->pid = sbx_launch_start(&launch, &spare->pidfd);
  sbx_fd_close(&launch.request_socket);
  if (spare->pid > 0) return 0;
  spare->pid = 0;
  sbx_spare_release(spare);
  return -1;
}

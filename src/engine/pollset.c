#include "engine/pollset.h"

#include <sys/epoll.h>

#include "layers/descriptors.h"

#define ROOM 64

int sbx_pollset_new(void) {
  return sbx_fd_high(epoll_create1(EPOLL_CLOEXEC));
}

int sbx_pollset_add(int set, int fd, uint64_t key) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = key};
  return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

int sbx_pollset_wait(int set, int ms, uint64_t *keys, int room) {
  struct epoll_event events[ROOM];
  int count = epoll_wait(set, events, room < ROOM ? room : ROOM, ms);
  for (int i = 0; i < count; i++) keys[i] = events[i].data.u64;
  return count;
}

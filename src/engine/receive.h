/* A request as it comes over a socket: one message, its descriptors, and who sent it. */
#ifndef SBX_RECEIVE_H
#define SBX_RECEIVE_H

#include "engine/launch.h"

#define SBX_MESSAGE_MAX (80 * 1024)

struct sbx_received {
  char bytes[SBX_MESSAGE_MAX];
  size_t size;
  int fds[SBX_WIRE_FDS];
  size_t nfds;
  pid_t sender; /* 0: the kernel was not asked */
  bool truncated;
};

/* 1: a message; 0: the other side is gone; -1: nothing now. */
int sbx_receive(int socket, struct sbx_received *received, int flags);
/* Whether it is a request with all its descriptors, and its head. */
bool sbx_received_head(const struct sbx_received *received, struct sbx_wire_head *head);
void sbx_received_close(struct sbx_received *received); /* its descriptors */
/* Unpacks it; the descriptors are the launch's from then on, also on failure (-1, errno). */
int sbx_received_unpack(struct sbx_received *received, struct sbx_launch *launch);
/* A small message with descriptors (at most SBX_WIRE_FDS): 0, or -1 and errno. */
int sbx_send_with(int socket, const void *bytes, size_t size, const int *fds, size_t nfds);

#endif

/* connect(2) on behalf of a command that may reach some sockets by path and no others. The filter
 * hands each call over; the supervisor copies its arguments, looks at what the path leads to, and
 * connects the command's own socket to exactly that. "Continue" is never the answer: a second
 * thread could change what was looked at (security.md 18). The server sees the pid of the worker
 * that did it, not the command's (unix(7), SO_PEERCRED). */
#ifndef SBX_BROKER_H
#define SBX_BROKER_H

#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/types.h>

#include "engine/plan.h"

/* A connect waits while the server's backlog is full: each is made by a process of its own. */
#define SBX_BROKER_WORKERS 16

struct sbx_broker {
  int listener; /* -1: none */
  const sbx_plan *plan;
  struct {
    pid_t pid; /* 0: free */
    uint64_t call;
  } workers[SBX_BROKER_WORKERS];
};

/* Takes the listener; pair's other end is closed. 0, or -1 and errno. */
int sbx_broker_open(struct sbx_broker *broker, int socket, const sbx_plan *plan);
/* After poll(2) said so. */
void sbx_broker_serve(struct sbx_broker *broker, short events);
/* Makes one call that was taken. */
void sbx_broker_call(struct sbx_broker *broker, const struct seccomp_notif *taken);
/* Whether a connect to this address would be made: for who tells of those that aren't. */
bool sbx_broker_lists(const struct sbx_broker *broker, pid_t caller, const void *address,
                      size_t size);
/* Whether a child that was reaped is a worker. */
bool sbx_broker_reaped(struct sbx_broker *broker, pid_t pid);

#endif

/* connect(2) on behalf of a command that may reach some sockets by path, or some addresses (see
 * connector.h), and no others. The filter hands each call over; the supervisor copies its
 * arguments, looks at what the path leads to, and connects the command's own socket to exactly
 * that. "Continue" is never the answer: a second thread could change what was looked at
 * (security.md 18). The server sees the pid of the worker that did it, not the command's (unix(7),
 * SO_PEERCRED). */
#ifndef SBX_BROKER_H
#define SBX_BROKER_H

#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/types.h>

#include "engine/plan.h"

/* A connect waits while the server's backlog is full, or for a far address: each is made by a
 * process of its own. What comes when all of them wait is kept for the first that is free. */
#define SBX_BROKER_WORKERS 64

struct sbx_broker {
  int listener; /* -1: none */
  int control;  /* to the host */
  /* Where workers ask (the second end) and this process takes it up: it alone writes to the host, a
   * few questions at a time. What a command makes many of must not keep a report from the host. */
  int questions[2];
  unsigned asked; /* and not answered */
  /* Told of what the host, or its silence, has refused; NULL: nobody is. */
  void (*denied)(void *context, const struct sbx_question *denied);
  void *context;
  const sbx_plan *plan;
  struct sbx_connecting_record connecting;
  struct {
    pid_t pid;   /* 0: free */
    int answers; /* where it waits for the host's, and says what was refused; -1: it can't ask */
    uint64_t call;
  } workers[SBX_BROKER_WORKERS];
  size_t first, count; /* of those that wait, in a ring */
  int64_t forks;       /* workers so far */
};

/* Takes the listener over. control: to the host. 0, or -1 and errno. */
int sbx_broker_open(struct sbx_broker *broker, int listener, int control, const sbx_plan *plan);
/* After poll(2) said so. */
void sbx_broker_serve(struct sbx_broker *broker, short events);
/* After poll(2) said something but POLLIN: looks whether anybody is left who could call. */
void sbx_broker_hung_up(struct sbx_broker *broker, short events);
/* Makes one call that was taken. */
void sbx_broker_call(struct sbx_broker *broker, const struct seccomp_notif *taken);
/* Whether a connect to this address would be made: for who tells of those that aren't. */
bool sbx_broker_lists(const struct sbx_broker *broker, pid_t caller, const void *address,
                      size_t size);
/* Whether a child that was reaped is a worker. */
bool sbx_broker_reaped(struct sbx_broker *broker, pid_t pid);
/* What to poll for questions: -1 while the host has enough of them. */
int sbx_broker_asking(const struct sbx_broker *broker);
/* After poll(2) said so: hands one on to the host. */
void sbx_broker_ask(struct sbx_broker *broker);
/* The host has decided on a question. */
void sbx_broker_answer(struct sbx_broker *broker, uint64_t id, bool yes);

/* Whether a process is a worker: none of the command's. */
bool sbx_broker_has(const struct sbx_broker *broker, pid_t pid);

/* ---- for who makes a call, in a worker ---- */

/* No errno: the supervisor was told that it is refused, and answers. */
#define SBX_BROKER_TOLD (-1)

/* The caller's own socket, shared: -1 and errno. */
int sbx_broker_borrow(pid_t thread, int number);

#endif

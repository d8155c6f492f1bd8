/* Calls that a filter hands over (seccomp_unotify(2)): taking one, and answering. */
#ifndef SBX_NOTICE_H
#define SBX_NOTICE_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

/* As taken: a newer kernel's may be larger than the headers know. */
union sbx_notice {
  struct seccomp_notif call;
  char room[512];
};

/* After poll(2) said so. False: who called is gone. */
bool sbx_notice_take(int listener, union sbx_notice *taken);
/* The number of a process that has ended may be another's by now: asked after each look at it. */
bool sbx_notice_is_valid(int listener, uint64_t id);
/* The call fails with this errno; 0: it has succeeded. Where no answer can be given, the listener
 * is closed (-1). */
void sbx_notice_answer(int *listener, uint64_t id, int code);
/* The kernel makes the call: only where a layer of it enforces (security.md 18). */
void sbx_notice_go_on(int *listener, uint64_t id);

#endif

/* Who made a call: its process, as its own name says. */
#ifndef SBX_WHO_H
#define SBX_WHO_H

#include <sys/types.h>

struct sbx_who {
  pid_t pid, parent; /* 0: it is gone */
  char program[64];  /* as the process calls itself: it may call itself anything */
};

void sbx_who_read(struct sbx_who *who, pid_t thread);

#endif

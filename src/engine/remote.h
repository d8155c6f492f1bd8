/* File systems that somebody else answers for, who may take any time or never do it: nothing on
 * them is looked at by a process that others wait for (security.md 20). */
#ifndef SBX_REMOTE_H
#define SBX_REMOTE_H

#include <stdbool.h>

/* Whether there is any here. Asked of the kernel once a second at most: what somebody outside
 * mounts reaches a process without a mount namespace of its own. */
bool sbx_remote_any(void);
/* Asks ahead, in a process with a mount namespace of its own, which is private: where there is none
 * now, none can come. What the process itself mounts is of what is there, and the command can't
 * mount (no capability; the filter). */
void sbx_remote_settle(void);
/* Whether what is open lies on one; asks nobody but the kernel. */
bool sbx_remote_is(int fd);

#endif

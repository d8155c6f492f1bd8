/* The supervisor of one job: a state machine that starts the command, watches it, and ends the
 * whole tree. It is forked, never exec'd, and shares no memory with the host. */
#ifndef SBX_SUPERVISOR_H
#define SBX_SUPERVISOR_H

#include "engine/launch.h"

/* uid and gid: those of the host, for the id maps. */
_Noreturn void sbx_supervise(struct sbx_launch *launch, uid_t uid, gid_t gid);

#endif

/* Namespaces: the clone flags, and a user namespace's id maps. */
#ifndef SBX_NAMESPACES_H
#define SBX_NAMESPACES_H

#include <stdint.h>
#include <sys/types.h>

int sbx_namespace_flags(uint32_t namespaces); /* SBX_NS_* to CLONE_NEW* */
/* Maps the given ids to themselves, alone, in the calling process's new user namespace. */
int sbx_namespace_map_self(uid_t uid, gid_t gid);
/* Maps every id that the calling process has to itself, in the new user namespace of pid. */
int sbx_namespace_map_all(pid_t pid);
/* Brings lo up in the calling process's network namespace. */
int sbx_namespace_loopback(void);

#endif

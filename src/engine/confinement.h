/* How confined the calling thread is: a spawner must not be freer than its host has become. */
#ifndef SBX_CONFINEMENT_H
#define SBX_CONFINEMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SBX_CONFINEMENT_GROUPS 64
#define SBX_CONFINEMENT_FILTERS 96

/* Compared as bytes: made by sbx_confinement_read() alone, which clears it first. */
struct sbx_confinement {
  uid_t uids[3];
  gid_t gids[3];
  int ngroups, no_new_privs, seccomp, securebits;
  gid_t groups[SBX_CONFINEMENT_GROUPS];
  uint64_t effective, permitted, inheritable, bounding;
  uint64_t root_dev, root_ino;
  char namespaces[3][32];                /* mount, user, network */
  char filters[SBX_CONFINEMENT_FILTERS]; /* how many, where there are any */
};

void sbx_confinement_read(struct sbx_confinement *confinement);
/* Whether the spawner may still be looked into: not so once the caller entered a Landlock domain
 * after that one was started, or when it is gone. */
bool sbx_confinement_sees(pid_t spawner);

#endif

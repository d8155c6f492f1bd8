/* Mounts in the job's own mount namespace. Paths are opened without following any link: a link on
 * the way is somebody's change since the plan was made. */
#ifndef SBX_MOUNTS_H
#define SBX_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int sbx_mounts_private(void); /* nothing propagates in or out */
int sbx_mounts_proc(void);    /* a /proc of the job's own PID namespace */

/* Ids of mounts. */
struct sbx_read_only_mounts {
  uint64_t *ids;
  size_t count;
};

/* Those of this namespace that are read-only now (proc_pid_mountinfo(5)). 0, or -1 and errno. */
int sbx_mounts_read_only(struct sbx_read_only_mounts *mounts);
bool sbx_mounts_have(const struct sbx_read_only_mounts *mounts, uint64_t id);
uint64_t sbx_mount_id(int at);      /* of the mount that an open path lies in; 0 and errno */
int sbx_mount_is_read_only(int at); /* -1 and errno */

/* A copy of what is mounted at an open path and below, attached nowhere. -1 and errno. */
int sbx_mount_clone(int at);
/* The copy nosuid, nodev and read-only; writable: but for its top. */
int sbx_mount_limit(int clone, bool writable);
/* The copy without any access to the device that it is. */
int sbx_mount_bar(int clone);
/* The copy for a device that is used: data go through a read-only mount (open(2), EROFS), what
 * belongs to the node doesn't. */
int sbx_mount_tame(int clone);
/* On top of an open path. */
int sbx_mount_attach(int clone, int target);
/* Takes away what is mounted at an open path. */
int sbx_mount_detach(int at);
/* A mount, and those below, read-only, nosuid and nodev. */
int sbx_mount_seal(const char *path, bool recursive);
/* New file systems over an open path; nosuid, nodev. */
int sbx_mount_tmpfs(int target, uint32_t mode);
int sbx_mount_devpts(int target);
/* How much a tmpfs at path may hold. */
int sbx_mount_resize(const char *path, uint64_t bytes);

#endif

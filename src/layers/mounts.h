/* Mounts in the job's own mount namespace. */
#ifndef SBX_MOUNTS_H
#define SBX_MOUNTS_H

int sbx_mounts_private(void); /* nothing propagates in or out */
int sbx_mounts_proc(void);    /* a /proc of the job's own PID namespace */

#endif

#include "engine/calls.h"

#include <stddef.h>
#include <sys/syscall.h>

/* Newer than Debian's headers; the same number on every architecture. */
#define NR_FCHMODAT2 452
#define NR_SETXATTRAT 463
#define NR_REMOVEXATTRAT 466
#define NR_FILE_SETATTR 469

#define NO SBX_NO_ARG
#define DIRECTORY SBX_FIXED_DIRECTORY
#define KEEP SBX_FIXED_KEEP

static const struct sbx_call_form forms[] = {
    {SYS_openat, SBX_CALL_OPEN, SBX_OP_WRITE, 0, 1, NO, NO, 2, 0},
    {SYS_openat2, SBX_CALL_OPEN2, SBX_OP_WRITE, 0, 1, NO, NO, 2, 0},
    {SYS_truncate, SBX_CALL_WRITE, SBX_OP_WRITE, NO, 0, NO, NO, NO, 0},
    {SYS_mkdirat, SBX_CALL_MAKE, SBX_OP_CREATE, 0, 1, NO, NO, NO, DIRECTORY},
    {SYS_mknodat, SBX_CALL_MAKE, SBX_OP_CREATE, 0, 1, NO, NO, NO, 0},
    {SYS_symlinkat, SBX_CALL_MAKE, SBX_OP_CREATE, 1, 2, NO, NO, NO, 0},
    {SYS_linkat, SBX_CALL_LINK, SBX_OP_LINK, 0, 1, 2, 3, 4, 0},
    {SYS_renameat2, SBX_CALL_MOVE, SBX_OP_RENAME, 0, 1, 2, 3, 4, 0},
    {SYS_unlinkat, SBX_CALL_REMOVE, SBX_OP_DELETE, 0, 1, NO, NO, 2, 0},
    {SYS_fchmodat, SBX_CALL_CHANGE, SBX_OP_METADATA, 0, 1, NO, NO, NO, 0},
    {NR_FCHMODAT2, SBX_CALL_CHANGE, SBX_OP_METADATA, 0, 1, NO, NO, 3, 0},
    {SYS_fchownat, SBX_CALL_CHANGE, SBX_OP_METADATA, 0, 1, NO, NO, 4, 0},
    {SYS_utimensat, SBX_CALL_CHANGE, SBX_OP_METADATA, 0, 1, NO, NO, 3, SBX_FIXED_WRITE},
    {SYS_setxattr, SBX_CALL_CHANGE, SBX_OP_METADATA, NO, 0, NO, NO, NO, SBX_FIXED_WRITE},
    {SYS_lsetxattr, SBX_CALL_CHANGE, SBX_OP_METADATA, NO, 0, NO, NO, NO, SBX_FIXED_WRITE | KEEP},
    {SYS_removexattr, SBX_CALL_CHANGE, SBX_OP_METADATA, NO, 0, NO, NO, NO, SBX_FIXED_WRITE},
    {SYS_lremovexattr, SBX_CALL_CHANGE, SBX_OP_METADATA, NO, 0, NO, NO, NO, SBX_FIXED_WRITE | KEEP},
    {NR_SETXATTRAT, SBX_CALL_CHANGE, SBX_OP_METADATA, 0, 1, NO, NO, 2, SBX_FIXED_WRITE},
    {NR_REMOVEXATTRAT, SBX_CALL_CHANGE, SBX_OP_METADATA, 0, 1, NO, NO, 2, SBX_FIXED_WRITE},
    {NR_FILE_SETATTR, SBX_CALL_CHANGE, SBX_OP_METADATA, 0, 1, NO, NO, 4, 0},
    {SYS_fchmod, SBX_CALL_CHANGE, SBX_OP_METADATA, 0, NO, NO, NO, NO, 0},
    {SYS_fsetxattr, SBX_CALL_CHANGE, SBX_OP_METADATA, 0, NO, NO, NO, NO, SBX_FIXED_WRITE},
    {SYS_fremovexattr, SBX_CALL_CHANGE, SBX_OP_METADATA, 0, NO, NO, NO, NO, SBX_FIXED_WRITE},
    {SYS_connect, SBX_CALL_ADDRESS, SBX_OP_CONNECT, 0, 1, NO, NO, 2, 0},
    {SYS_bind, SBX_CALL_ADDRESS, SBX_OP_BIND, 0, 1, NO, NO, 2, 0},
    {SYS_sendto, SBX_CALL_ADDRESS, SBX_OP_SEND, 0, 4, NO, NO, 5, 0},
    {SYS_listen, SBX_CALL_OTHER, SBX_OP_BIND, NO, NO, NO, NO, NO, 0},
    {SYS_socket, SBX_CALL_SOCKET, SBX_OP_SOCKET, NO, NO, NO, NO, NO, 0},
    {SYS_socketpair, SBX_CALL_SOCKET, SBX_OP_SOCKET, NO, NO, NO, NO, NO, 0},
    {SYS_mount, SBX_CALL_TARGET, SBX_OP_MOUNT, NO, 1, NO, NO, NO, 0},
    {SYS_umount2, SBX_CALL_TARGET, SBX_OP_MOUNT, NO, 0, NO, NO, NO, 0},
    {SYS_pivot_root, SBX_CALL_TARGET, SBX_OP_MOUNT, NO, 0, NO, NO, NO, 0},
    {SYS_setsockopt, SBX_CALL_OPTION, SBX_OP_OTHER, NO, NO, NO, NO, NO, 0},
    {SYS_exit_group, SBX_CALL_EXIT, SBX_OP_OTHER, NO, NO, NO, NO, NO, 0},
#ifdef SYS_open
    {SYS_open, SBX_CALL_OPEN, SBX_OP_WRITE, NO, 0, NO, NO, 1, 0},
    {SYS_creat, SBX_CALL_OPEN, SBX_OP_WRITE, NO, 0, NO, NO, NO, SBX_FIXED_CREATE},
    {SYS_mkdir, SBX_CALL_MAKE, SBX_OP_CREATE, NO, 0, NO, NO, NO, DIRECTORY},
    {SYS_mknod, SBX_CALL_MAKE, SBX_OP_CREATE, NO, 0, NO, NO, NO, 0},
    {SYS_symlink, SBX_CALL_MAKE, SBX_OP_CREATE, NO, 1, NO, NO, NO, 0},
    {SYS_link, SBX_CALL_LINK, SBX_OP_LINK, NO, 0, NO, 1, NO, 0},
    {SYS_rename, SBX_CALL_MOVE, SBX_OP_RENAME, NO, 0, NO, 1, NO, 0},
    {SYS_unlink, SBX_CALL_REMOVE, SBX_OP_DELETE, NO, 0, NO, NO, NO, 0},
    {SYS_rmdir, SBX_CALL_REMOVE, SBX_OP_DELETE, NO, 0, NO, NO, NO, DIRECTORY},
    {SYS_chmod, SBX_CALL_CHANGE, SBX_OP_METADATA, NO, 0, NO, NO, NO, 0},
    {SYS_chown, SBX_CALL_CHANGE, SBX_OP_METADATA, NO, 0, NO, NO, NO, 0},
    {SYS_lchown, SBX_CALL_CHANGE, SBX_OP_METADATA, NO, 0, NO, NO, NO, KEEP},
    {SYS_utime, SBX_CALL_CHANGE, SBX_OP_METADATA, NO, 0, NO, NO, NO, SBX_FIXED_WRITE},
    {SYS_utimes, SBX_CALL_CHANGE, SBX_OP_METADATA, NO, 0, NO, NO, NO, SBX_FIXED_WRITE},
    {SYS_futimesat, SBX_CALL_CHANGE, SBX_OP_METADATA, 0, 1, NO, NO, NO, SBX_FIXED_WRITE},
#endif
#ifdef SYS_renameat
    {SYS_renameat, SBX_CALL_MOVE, SBX_OP_RENAME, 0, 1, 2, 3, NO, 0},
#endif
};

const struct sbx_call_form *sbx_call_form(int number) {
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    if (forms[i].number == number) return &forms[i];
  return NULL;
}

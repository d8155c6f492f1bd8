/* Mounts undone, made and moved, to write outside. All in a mount namespace that isn't the host's:
 * a new one where that is allowed, else the sandbox's own. */
#include "catalogue.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { BIND = 4096, REMOUNT = 32, RDONLY = 1, RECURSIVE = 16384, PRIVATE = 1 << 18, DETACH = 2 };
enum { CLONE_TREE = 1, ALL_BELOW = 0x8000, SET_READ_ONLY = 1 };

static long do_mount(const char *from, const char *to, const char *type, unsigned long flags) {
  return syscall(SYS_mount, from, to, type, flags, NULL);
}

static int apart(void) {
  if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
    return same_namespace("mnt") ? -1 : 0;
  return (int)do_mount("none", "/", NULL, RECURSIVE | PRIVATE);
}

/* Where nothing is read-only yet, the scratch directory is made so: what is then to be undone. */
static const char *read_only_place(void) {
  const char *place = outside("");
  if (do_mount(place, place, NULL, BIND) < 0) return "/";
  return do_mount(NULL, place, NULL, BIND | REMOUNT | RDONLY) < 0 ? NULL : place;
}

static long write_it(void) {
  return put(open(outside("file"), O_WRONLY));
}

static long remount(void) {
  const char *place = apart() < 0 ? NULL : read_only_place();
  if (!place || do_mount(NULL, place, NULL, BIND | REMOUNT) < 0) return -1;
  return write_it();
}

static long set_attributes(void) {
  struct mount_attr attr = {.attr_clr = SET_READ_ONLY};
  const char *place = apart() < 0 ? NULL : read_only_place();
  if (!place || syscall(SYS_mount_setattr, AT_FDCWD, place, ALL_BELOW, &attr, sizeof attr) < 0)
    return -1;
  return write_it();
}

static long set_tree_attributes(void) {
  struct mount_attr attr = {.attr_clr = SET_READ_ONLY};
  const char *place = apart() < 0 ? NULL : read_only_place();
  if (!place) return -1;
  int fd = (int)syscall(467, AT_FDCWD, outside(""), CLONE_TREE, &attr, sizeof attr);
  return fd < 0 ? -1 : put(openat(fd, "file", O_WRONLY));
}

static long unmount(void) {
  if (apart() < 0) return -1;
  do_mount(inside("mine"), outside("file"), NULL, BIND); /* the cover, if none is there */
  int rc = (int)syscall(SYS_umount2, outside("file"), DETACH);
  int code = errno;
  if (rc < 0) syscall(SYS_umount2, "/", DETACH);
  errno = code;
  return rc < 0 ? -1 : write_it();
}

static long bind_tree(void) {
  if (apart() < 0 || do_mount(outside(""), inside("dir"), NULL, BIND) < 0) return -1;
  return put(open(inside("dir/file"), O_WRONLY));
}

static long clone_tree(void) {
  if (apart() < 0) return -1;
  int fd = (int)syscall(SYS_open_tree, AT_FDCWD, outside(""), CLONE_TREE);
  return fd < 0 ? -1 : put(openat(fd, "file", O_WRONLY));
}

static long move_tree(void) {
  if (apart() < 0) return -1;
  int fd = (int)syscall(SYS_open_tree, AT_FDCWD, outside(""), CLONE_TREE);
  if (fd < 0) return -1;
  if (syscall(SYS_move_mount, fd, "", AT_FDCWD, inside("dir"), 4 /* from an empty path */) < 0)
    return -1;
  return put(open(inside("dir/file"), O_WRONLY));
}

static long mount_memory(void) {
  return apart() < 0 ? -1 : do_mount("none", inside("dir"), "tmpfs", 0);
}

static long open_type(void) {
  return apart() < 0 ? -1 : syscall(SYS_fsopen, "tmpfs", 0);
}

static long pick_type(void) {
  if (apart() < 0 || do_mount("none", inside("dir"), "tmpfs", 0) < 0) return -1;
  return syscall(SYS_fspick, AT_FDCWD, inside("dir"), 0);
}

static long pivot(void) {
  if (apart() < 0 || do_mount(inside("dir"), inside("dir"), NULL, BIND) < 0) return -1;
  if (chdir(inside("dir")) < 0) return -1;
  return syscall(SYS_pivot_root, ".", ".") < 0 ? -1 : syscall(SYS_umount2, ".", DETACH);
}

static long change_root(void) {
  if (chroot(inside("dir")) == 0) return 0;
  return unshare(CLONE_NEWUSER) < 0 ? -1 : chroot(inside("dir"));
}

/* A chroot that is left again shows what lies above. */
static long leave_root(void) {
  int fd = open(outside(""), O_RDONLY | O_DIRECTORY);
  if (change_root() < 0) return -1;
  return put(openat(fd, "file", O_WRONLY));
}

const struct attempt mount_attempts[] = {
    {"mount_remount", "a read-only mount, remounted", remount, NULL, NULL},
    {"mount_setattr", "mount_setattr on it", set_attributes, NULL, NULL},
    {"mount_tree_attributes", "open_tree_attr of it", set_tree_attributes, NULL, NULL},
    {"mount_unmount", "a covering mount, taken off", unmount, NULL, NULL},
    {"mount_bind", "the outside, bound inside", bind_tree, NULL, NULL},
    {"mount_clone_tree", "open_tree, and a file in it", clone_tree, NULL, NULL},
    {"mount_move", "open_tree, then move_mount", move_tree, NULL, NULL},
    {"mount_memory", "a tmpfs inside", mount_memory, "mount:", NULL},
    {"mount_open_type", "fsopen", open_type, "fd:[fscontext]", NULL},
    {"mount_pick_type", "fspick", pick_type, "fd:[fscontext]", NULL},
    {"mount_pivot", "pivot_root", pivot, "root:", NULL},
    {"mount_root", "chroot", change_root, "root:", NULL},
    {"mount_leave_root", "chroot with a foot outside", leave_root, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#include "layers/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "layers/descriptors.h"
#include "layers/paths.h"

/* Numbers of include/uapi/linux/mount.h; the calls are newer than some C libraries. */
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_fspick
#define SYS_fsconfig 431
#define SYS_fspick 433
#endif
#define PICK_CLOEXEC 1U
#define PICK_EMPTY_PATH 8U
#define SET_STRING 1U
#define RECONFIGURE 7U
#define CLONE_TREE 1U
#define FROM_FD 0x04U
#define TO_FD 0x40U
#define ATTR_RDONLY 0x01U
#define ATTR_NOSUID 0x02U
#define ATTR_NODEV 0x04U
#define ATTR_NOEXEC 0x08U
#define WHOLE_TREE 0x8000U /* AT_RECURSIVE */

struct attributes {
  uint64_t set, clear, propagation, userns_fd;
};

/* Private, never slave: under slave a mount made later on the host would appear in the tree,
 * writable (mount_namespaces(7), "SHARED SUBTREES"). */
int sbx_mounts_private(void) {
  return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

int sbx_mounts_proc(void) {
  return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* By an open path: open_tree(2) itself can't be told to refuse links on the way. */
int sbx_mount_clone(int at) {
  unsigned flags = CLONE_TREE | O_CLOEXEC | AT_EMPTY_PATH | WHOLE_TREE;
  return sbx_fd_high((int)syscall(SYS_open_tree, at, "", flags));
}

static int change(int at, const char *path, unsigned flags, uint64_t set, uint64_t clear) {
  struct attributes attributes = {.set = set, .clear = clear};
  return (int)syscall(SYS_mount_setattr, at, path, flags, &attributes, sizeof attributes);
}

int sbx_mount_is_read_only(int at) {
  struct statvfs st;
  return fstatvfs(at, &st) < 0 ? -1 : (st.f_flag & ST_RDONLY) != 0;
}

uint64_t sbx_mount_id(int at) {
  struct statx st = {0};
  if (statx(at, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0) return 0;
  errno = ENOTSUP;
  return st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0;
}

static int add_id(struct sbx_read_only_mounts *mounts, uint64_t id) {
  uint64_t *ids = realloc(mounts->ids, (mounts->count + 1) * sizeof *ids);
  if (!ids) return -1;
  mounts->ids = ids;
  ids[mounts->count++] = id;
  return 0;
}

int sbx_mounts_read_only(struct sbx_read_only_mounts *mounts) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  char *line = NULL, options[4];
  size_t room = 0;
  int rc = file ? 0 : -1;
  while (rc == 0 && getline(&line, &room, file) > 0) {
    unsigned long long id;
    if (sscanf(line, "%llu %*s %*s %*s %*s %3[^ ,]", &id, options) != 2) rc = -1;
    if (rc == 0 && strcmp(options, "ro") == 0) rc = add_id(mounts, id);
  }
  if (file && ferror(file)) rc = -1; /* what was not read could be one of them */
  free(line);
  if (file) fclose(file);
  return rc;
}

bool sbx_mounts_have(const struct sbx_read_only_mounts *mounts, uint64_t id) {
  for (size_t i = 0; i < mounts->count; i++)
    if (mounts->ids[i] == id) return true;
  return false;
}

int sbx_mount_limit(int clone, bool writable) {
  unsigned flags = AT_EMPTY_PATH | WHOLE_TREE;
  if (change(clone, "", flags, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV, 0) < 0) return -1;
  return writable ? change(clone, "", AT_EMPTY_PATH, 0, ATTR_RDONLY) : 0;
}

int sbx_mount_bar(int clone) {
  return change(clone, "", AT_EMPTY_PATH, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC, 0);
}

int sbx_mount_tame(int clone) {
  return change(clone, "", AT_EMPTY_PATH, ATTR_RDONLY | ATTR_NOSUID | ATTR_NOEXEC, 0);
}

int sbx_mount_attach(int clone, int target) {
  return (int)syscall(SYS_move_mount, clone, "", target, "", FROM_FD | TO_FD);
}

int sbx_mount_detach(int at) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", at);
  return umount2(path, MNT_DETACH);
}

int sbx_mount_seal(const char *path, bool recursive) {
  return change(AT_FDCWD, path, recursive ? WHOLE_TREE : 0, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV,
                0);
}

static int mount_new(const char *type, int target, unsigned long flags, const char *options) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", target);
  return mount(type, path, type, flags | MS_NOSUID, options);
}

int sbx_mount_tmpfs(int target, uint32_t mode) {
  char options[32];
  snprintf(options, sizeof options, "mode=%04o", mode & 07777);
  return mount_new("tmpfs", target, MS_NODEV, options);
}

/* newinstance is what every mount of devpts is since Linux 4.7; before, it has to be asked for. */
int sbx_mount_devpts(int target) {
  return mount_new("devpts", target, MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620");
}

/* The file system alone: what its mounts are stays (mount(2) would set both). */
int sbx_mount_resize(const char *path, uint64_t bytes) {
  char size[24];
  int at = sbx_path_open(path);
  snprintf(size, sizeof size, "%llu", (unsigned long long)bytes);
  int fs = at < 0 ? -1 : (int)syscall(SYS_fspick, at, "", PICK_CLOEXEC | PICK_EMPTY_PATH);
  fs = sbx_fd_high(fs);
  sbx_fd_close(&at);
  if (fs < 0) return -1;
  int rc = (int)syscall(SYS_fsconfig, fs, SET_STRING, "size", size, 0);
  if (rc == 0) rc = (int)syscall(SYS_fsconfig, fs, RECONFIGURE, NULL, NULL, 0);
  sbx_fd_close(&fs);
  return rc;
}

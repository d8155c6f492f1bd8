#include "engine/judge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

typedef struct sbx_refusal_seen refusal;

static const refusal nothing = {0, SBX_BY_NOTHING};

/* ---- facts ---- */

/* With the command's own credentials, which this process has: 0, EROFS where only the mount is in
 * the way, EACCES where plain permissions are (faccessat(2) looks at them first). */
static int access_of(int fd, int mode) {
  if (syscall(SYS_faccessat2, fd, "", mode, AT_EMPTY_PATH | AT_EACCESS) == 0) return 0;
  return errno;
}

static bool is_read_only(int fd) {
  struct statvfs fs;
  return fstatvfs(fd, &fs) == 0 && fs.f_flag & ST_RDONLY;
}

static bool is_mount_root(int fd) {
  struct statx st;
  return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) == 0 &&
         st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

bool sbx_judge_same_mount(int a, int b) {
  struct statx left, right;
  if (statx(a, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &left) < 0) return true;
  if (statx(b, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &right) < 0) return true;
  return left.stx_mnt_id == right.stx_mnt_id;
}

bool sbx_judge_is_directory(int fd) {
  struct stat st;
  return fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- what comes of them ---- */

/* Plain permissions do: what else is in the way. */
static refusal beyond_plain(const struct sbx_judge *judge, const char *path, bool read_only,
                            uint32_t right) {
  if (read_only) return (refusal){EROFS, SBX_BY_MOUNT};
  if (sbx_places_refuse(&judge->places, path, right)) return (refusal){EACCES, SBX_BY_LANDLOCK};
  return nothing;
}

/* For root they would do, had it its power. */
static refusal for_root(const struct sbx_judge *judge, const char *path, int fd, uint32_t right,
                        int code) {
  if (!judge->lost_power) return nothing;
  refusal found = beyond_plain(judge, path, right != SBX_PLACE_READ && is_read_only(fd), right);
  return found.code ? found : (refusal){code, SBX_BY_CAPABILITIES};
}

static refusal judge_access(const struct sbx_judge *judge, const char *path, int fd, int mode,
                            uint32_t right) {
  int code = access_of(fd, mode);
  if (code == 0 || code == EROFS) return beyond_plain(judge, path, code == EROFS, right);
  return code == EACCES ? for_root(judge, path, fd, right, EACCES) : nothing;
}

static refusal judge_names(const struct sbx_judge *judge, const struct sbx_found *at) {
  char path[PATH_MAX];
  if (!sbx_path_of(at->directory, path)) return nothing;
  return judge_access(judge, path, at->directory, W_OK | X_OK, SBX_PLACE_MAKE);
}

refusal sbx_judge_make(const struct sbx_judge *judge, const struct sbx_found *at) {
  if (at->object >= 0 || !*at->name) return nothing;
  return judge_names(judge, at);
}

/* In a directory like /tmp only the owner of either may. */
static bool is_kept(const struct sbx_judge *judge, const struct sbx_found *at) {
  struct stat above, st;
  if (fstat(at->directory, &above) < 0 || fstat(at->object, &st) < 0) return false;
  return above.st_mode & S_ISVTX && st.st_uid != judge->uid && above.st_uid != judge->uid;
}

refusal sbx_judge_remove(const struct sbx_judge *judge, const struct sbx_found *at) {
  char path[PATH_MAX];
  if (at->object < 0 || !*at->name || !sbx_path_of(at->directory, path)) return nothing;
  if (is_kept(judge, at)) return for_root(judge, path, at->directory, SBX_PLACE_MAKE, EPERM);
  if (is_mount_root(at->object)) {
    refusal found = judge_names(judge, at);
    return found.code ? found : (refusal){EBUSY, SBX_BY_PIN};
  }
  return judge_names(judge, at);
}

/* Over a file lies a node of a file system that takes no devices, over a directory one that nobody
 * may enter. */
static bool is_hidden(const struct sbx_judge *judge, int fd, const char *path, int mode) {
  struct stat st;
  if (!sbx_places_hide(&judge->places, path)) return false;
  if (access_of(fd, mode) == EACCES) return true;
  return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && is_mount_root(fd);
}

static refusal judge_object(const struct sbx_judge *judge, const struct sbx_found *at, int mode,
                            uint32_t right) {
  char path[PATH_MAX];
  if (at->object < 0 || !sbx_found_path(at, path)) return nothing;
  if (is_hidden(judge, at->object, path, mode)) return (refusal){EACCES, SBX_BY_HIDING};
  return judge_access(judge, path, at->object, mode, right);
}

refusal sbx_judge_write(const struct sbx_judge *judge, const struct sbx_found *at) {
  return judge_object(judge, at, W_OK, SBX_PLACE_WRITE);
}

refusal sbx_judge_read(const struct sbx_judge *judge, const struct sbx_found *at) {
  return judge_object(judge, at, R_OK, SBX_PLACE_READ);
}

/* Landlock has no right for it (landlock(7)): only the mount is in the way, or the owner. */
refusal sbx_judge_change(const struct sbx_judge *judge, const struct sbx_found *at,
                         bool by_writing) {
  struct stat st;
  if (at->object < 0 || fstat(at->object, &st) < 0) return nothing;
  int code = by_writing ? access_of(at->object, W_OK) : EACCES;
  bool plain = st.st_uid == judge->uid || code == 0 || code == EROFS;
  if (!plain && judge->uid != 0) return nothing;
  if (is_read_only(at->object)) return (refusal){EROFS, SBX_BY_MOUNT};
  return plain || !judge->lost_power ? nothing : (refusal){EPERM, SBX_BY_CAPABILITIES};
}

/* Who may not write another's file gets no second name of it anyway (proc_sys_fs(5),
 * protected_hardlinks). */
refusal sbx_judge_refer(const struct sbx_judge *judge, const struct sbx_found *at) {
  char path[PATH_MAX];
  struct stat st;
  if (at->object < 0 || fstat(at->object, &st) < 0 || !sbx_path_of(at->directory, path))
    return nothing;
  int code = st.st_uid == judge->uid ? 0 : access_of(at->object, R_OK | W_OK);
  if (code != 0 && code != EROFS) return nothing;
  if (is_read_only(at->object)) return (refusal){EXDEV, SBX_BY_MOUNT};
  if (sbx_places_refuse(&judge->places, path, SBX_PLACE_MAKE))
    return (refusal){EXDEV, SBX_BY_LANDLOCK};
  return nothing;
}

refusal sbx_judge_way(const struct sbx_judge *judge, const struct sbx_found *at) {
  char path[PATH_MAX];
  if (at->code != EACCES || !sbx_found_path(at, path)) return nothing;
  if (sbx_places_hide(&judge->places, path)) return (refusal){EACCES, SBX_BY_HIDING};
  return judge->lost_power ? (refusal){EACCES, SBX_BY_CAPABILITIES} : nothing;
}

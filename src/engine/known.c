#include "engine/known.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/remote.h"
#include "engine/sight.h"
#include "layers/descriptors.h"

/* Who is outside may change what no call here tells of. */
#define KEPT_MS 1000

/* A path as it was given: its directory's part and its last name. */
struct split {
  const char *path, *name;
  size_t size; /* of the directory's part, with its slashes */
};

/* What a path is relative to. */
struct base {
  uint64_t device, inode, mount;
};

/* ---- paths ---- */

/* False for what needs a walk: no plain name at the end. */
static bool split(const char *path, struct split *parts) {
  const char *slash = strrchr(path, '/');
  parts->path = path;
  parts->name = slash ? slash + 1 : path;
  parts->size = (size_t)(parts->name - path);
  const char *name = parts->name;
  if (parts->size >= SBX_KNOWN_TEXT || strlen(name) > NAME_MAX || !*name) return false;
  return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool find_base(const struct sbx_look *look, int at, const char *path, struct base *base) {
  struct statx st;
  char name[48];
  *base = (struct base){0};
  if (*path == '/') return true;
  int pid = (int)look->call->pid;
  int fd = at == SBX_NO_ARG ? AT_FDCWD : (int)look->call->data.args[at];
  if (fd == AT_FDCWD)
    snprintf(name, sizeof name, "/proc/%d/cwd", pid);
  else
    snprintf(name, sizeof name, "/proc/%d/fd/%d", pid, fd);
  if (statx(AT_FDCWD, name, AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, &st) < 0) return false;
  base->device = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
  base->inode = st.stx_ino;
  base->mount = st.stx_mnt_id + 1;
  return true;
}

/* ---- the list ---- */

static bool is_it(const struct sbx_directory *known, const struct base *base,
                  const struct split *parts) {
  return known->used && known->inode == base->inode && known->device == base->device &&
         known->mount == base->mount && strncmp(known->text, parts->path, parts->size) == 0 &&
         known->text[parts->size] == 0;
}

static size_t used(const struct sbx_known *known) {
  return known->next < SBX_KNOWN_MAX ? known->next : SBX_KNOWN_MAX;
}

static struct sbx_directory *find(struct sbx_known *list, const struct base *base,
                                  const struct split *parts) {
  for (size_t i = 0; i < used(list); i++)
    if (is_it(&list->list[i], base, parts)) return &list->list[i];
  return NULL;
}

static void drop(struct sbx_directory *known) {
  if (known->used) sbx_fd_close(&known->fd);
  known->used = false;
}

void sbx_known_forget(struct sbx_known *known) {
  for (size_t i = 0; i < used(known); i++) drop(&known->list[i]);
}

/* Only where no link is on the way: one could be put in another's place without being told. */
static int open_plain(const struct sbx_look *look, int at, const struct split *parts) {
  struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                         .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  char text[SBX_KNOWN_TEXT];
  bool relative = *parts->path != '/';
  int base = relative
                 ? sbx_resolve_base((pid_t)look->call->pid,
                                    at == SBX_NO_ARG ? AT_FDCWD : (int)look->call->data.args[at])
                 : AT_FDCWD;
  if (relative && (base < 0 || parts->size == 0)) return base;
  memcpy(text, parts->path, parts->size);
  text[parts->size] = 0;
  int fd = (int)syscall(SYS_openat2, base, text, &how, sizeof how);
  if (relative) close(base);
  return fd;
}

/* quiet: nothing that is made, removed or written in it is refused, but for what root has lost.
 * fixed: all that is made or removed is, whoever owns what. */
static void judge_names(const struct sbx_judge *judge, struct sbx_directory *known,
                        const char *path) {
  struct statvfs fs;
  struct stat st;
  if (fstatvfs(known->fd, &fs) < 0) return;
  known->fixed = fs.f_flag & ST_RDONLY || sbx_places_refuse(&judge->places, path, SBX_PLACE_MAKE);
  if (known->fixed || sbx_places_refuse(&judge->places, path, SBX_PLACE_WRITE)) return;
  known->quiet = !judge->lost_power || (fstat(known->fd, &st) == 0 && st.st_uid == judge->uid);
}

void sbx_known_touch(struct sbx_known *known) {
  if (known->next == 0) explicit_bzero(known, offsetof(struct sbx_known, list[1]));
}

static struct sbx_directory *keep(const struct sbx_look *look, int at, const struct base *base,
                                  const struct split *parts) {
  struct sbx_known *list = &look->sight->known;
  const struct sbx_judge *judge = &look->sight->judge;
  char path[PATH_MAX];
  int fd = sbx_remote_any() ? -1 : sbx_fd_high(open_plain(look, at, parts));
  if (fd < 0 || !sbx_path_of(fd, path)) {
    sbx_fd_close(&fd);
    return NULL;
  }
  struct sbx_directory *known = &list->list[list->next++ % SBX_KNOWN_MAX];
  drop(known);
  *known = (struct sbx_directory){.device = base->device,
                                  .inode = base->inode,
                                  .mount = base->mount,
                                  .since_ns = sbx_now(),
                                  .fd = fd,
                                  .used = true};
  judge_names(judge, known, path);
  memcpy(known->text, parts->path, parts->size);
  if (strlen(path) < sizeof known->real) memcpy(known->real, path, strlen(path) + 1);
  return known;
}

static bool real_path(const struct sbx_directory *known, char path[PATH_MAX]) {
  if (!*known->real) return sbx_path_of(known->fd, path);
  memcpy(path, known->real, strlen(known->real) + 1);
  return true;
}

static struct sbx_directory *look_up(const struct sbx_look *look, int at,
                                     const struct split *parts) {
  struct base base;
  if (!find_base(look, at, parts->path, &base)) return NULL;
  struct sbx_directory *known = find(&look->sight->known, &base, parts);
  if (known && sbx_now() - known->since_ns < KEPT_MS * SBX_MS) return known;
  if (known) drop(known);
  return keep(look, at, &base, parts);
}

/* ---- names in a known directory ---- */

/* Nothing is mounted there, and root has power over it. */
static bool is_plain(const struct sbx_look *look, const struct sbx_directory *known,
                     const char *name, uint32_t *type) {
  struct statx st;
  const struct sbx_judge *judge = &look->sight->judge;
  *type = 0;
  if (statx(known->fd, name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_UID,
            &st) < 0)
    return errno == ENOENT;
  *type = st.stx_mode & S_IFMT;
  if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) return false;
  return !judge->lost_power || st.stx_uid == judge->uid;
}

/* A read-only mount is not in the way of who opens a device, only of files, directories and links
 * (sb_permission() in fs/namei.c). /dev/null is opened by every other program. */
static bool finds_device(const struct sbx_look *look, const struct sbx_directory *known,
                         const char *name) {
  const struct sbx_judge *judge = &look->sight->judge;
  char path[PATH_MAX];
  struct statx st;
  if (statx(known->fd, name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0 ||
      (st.stx_mode & S_IFMT) != S_IFCHR || !real_path(known, path) || !sbx_path_append(path, name))
    return false;
  if (judge->lost_power && faccessat(known->fd, name, R_OK | W_OK, AT_EACCESS) < 0) return false;
  return !sbx_places_hide(&judge->places, path) &&
         !sbx_places_refuse(&judge->places, path, SBX_PLACE_WRITE) &&
         !sbx_places_refuse(&judge->places, path, SBX_PLACE_READ);
}

/* What was found once stays there in a directory that is fixed. */
static bool is_writable_device(const struct sbx_look *look, struct sbx_directory *known,
                               const char *name) {
  if (strcmp(known->node, name) == 0) return true;
  if (!finds_device(look, known, name)) return false;
  if (known->fixed && strlen(name) < sizeof known->node)
    memcpy(known->node, name, strlen(name) + 1);
  return true;
}

/* Whoever may not write what is there for want of plain permissions is no evidence. */
bool sbx_known_quiet(const struct sbx_look *look, int at, const char *path, enum sbx_use use) {
  struct split parts;
  uint32_t type;
  if (!split(path, &parts)) return false;
  struct sbx_directory *known = look_up(look, at, &parts);
  if (!known) return false;
  if (!known->quiet) return use == SBX_USE_OPEN && is_writable_device(look, known, parts.name);
  if (use == SBX_USE_MAKE) return true;
  if (!is_plain(look, known, parts.name, &type)) return false;
  if (use == SBX_USE_WRITE || use == SBX_USE_OPEN) return type != S_IFLNK; /* would be followed */
  return use == SBX_USE_REMOVE || type != S_IFDIR;
}

bool sbx_known_same(const struct sbx_look *look, int at, const char *path, int at2,
                    const char *path2) {
  struct split a, b;
  const struct sbx_directory *one = split(path, &a) ? look_up(look, at, &a) : NULL;
  int fd = one ? one->fd : -1;
  const struct sbx_directory *other = one && split(path2, &b) ? look_up(look, at2, &b) : NULL;
  if (!other) return false;
  return other->fd == fd || sbx_judge_same_mount(fd, other->fd);
}

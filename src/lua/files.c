/* Small files of the host, whole: policies, scripts, pointers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lua/border.h"

#define READ_MAX (4 << 20)
#define SLACK (64 * 1024)
#define SMALL 4096

static const char *type_of(mode_t mode) {
  if (S_ISREG(mode)) return "file";
  if (S_ISDIR(mode)) return "directory";
  if (S_ISLNK(mode)) return "link";
  if (S_ISFIFO(mode)) return "fifo";
  if (S_ISSOCK(mode)) return "socket";
  return S_ISCHR(mode) ? "char" : "block";
}

static void set(lua_State *L, const char *field, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, field);
}

void sbx_lua_push_stat(lua_State *L, const void *statx_buffer) {
  const struct statx *st = statx_buffer;
  lua_createtable(L, 0, 9);
  lua_pushstring(L, type_of(st->stx_mode));
  lua_setfield(L, -2, "type");
  set(L, "dev", (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor);
  set(L, "ino", st->stx_ino);
  set(L, "mount", st->stx_mnt_id);
  set(L, "uid", st->stx_uid);
  set(L, "gid", st->stx_gid);
  set(L, "mode", st->stx_mode & 07777);
  set(L, "nlink", st->stx_nlink);
  set(L, "size", st->stx_size);
  set(L, "mtime", (uint64_t)st->stx_mtime.tv_sec);
}

/* core.fs_stat(path) -> table, or nil and an error */
static int fs_stat(lua_State *L) {
  struct statx st;
  const char *path = luaL_checkstring(L, 1);
  if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS | STATX_MNT_ID, &st) < 0)
    return sbx_lua_errno(L, "stat", path);
  sbx_lua_push_stat(L, &st);
  return 1;
}

/* Regular files only: a FIFO in a place that is searched must not hang the host. */
static int open_regular(const char *path) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))) return fd;
  close(fd);
  errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
  return -1;
}

/* -1: errno; else the number of bytes, at most max + 1. */
static ssize_t read_whole(int fd, char *into, size_t max) {
  size_t used = 0;
  while (used <= max) {
    ssize_t size = read(fd, into + used, max + 1 - used);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return -1;
    if (size == 0) break;
    used += (size_t)size;
  }
  return (ssize_t)used;
}

/* -1: errno; else as read_whole(). */
static ssize_t read_file(const char *path, char *into, size_t max) {
  int fd = open_regular(path);
  if (fd < 0) return -1;
  ssize_t size = read_whole(fd, into, max);
  int saved = errno;
  close(fd);
  errno = saved;
  return size;
}

/* Room for the file as it is now and a little more; files of /proc say that they are empty. Made
 * before the file is opened: it may throw. */
static size_t room_for(const char *path, size_t max) {
  struct stat st;
  size_t room = SLACK;
  if (stat(path, &st) == 0 && st.st_size > 0) room += (size_t)st.st_size;
  return room < max ? room : max;
}

/* core.fs_read(path[, max]) -> text, or nil and an error (EFBIG past max bytes, 4 MiB) */
static int fs_read(lua_State *L) {
  char small[SMALL + 1], *buffer = small; /* most are, and would leave much garbage */
  const char *path = luaL_checkstring(L, 1);
  lua_Integer max = luaL_optinteger(L, 2, READ_MAX);
  luaL_argcheck(L, max > 0 && max <= (1 << 30), 2, "out of range");
  size_t room = max < SMALL ? (size_t)max : SMALL;
  ssize_t size = read_file(path, buffer, room);
  if (size > SMALL) room = room_for(path, (size_t)max);
  while (size > SMALL) {
    buffer = lua_newuserdatauv(L, room + 1, 0);
    size = read_file(path, buffer, room);
    if (size < 0 || (size_t)size <= room || room == (size_t)max) break;
    room = room < (size_t)max / 4 ? room * 4 : (size_t)max; /* it says that it is smaller */
  }
  if (size >= 0 && (size_t)size > room) errno = EFBIG;
  if (size < 0 || (size_t)size > room) return sbx_lua_errno(L, "read", path);
  lua_pushlstring(L, buffer, (size_t)size);
  return 1;
}

static int close_directory(lua_State *L) {
  DIR **box = lua_touserdata(L, 1);
  if (*box) closedir(*box);
  *box = NULL;
  return 0;
}

/* A directory stream in a box that an error of Lua's closes too. */
static DIR **new_directory(lua_State *L) {
  DIR **box = lua_newuserdatauv(L, sizeof(DIR *), 0);
  *box = NULL;
  if (luaL_newmetatable(L, "sbx.directory")) {
    lua_pushcfunction(L, close_directory);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return box;
}

/* core.fs_list(directory) -> names, or nil and an error */
static int fs_list(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_Integer n = 0;
  DIR **box = new_directory(L);
  if (!(*box = opendir(path))) return sbx_lua_errno(L, "opendir", path);
  lua_newtable(L);
  for (struct dirent *entry; (entry = readdir(*box));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    lua_pushstring(L, entry->d_name);
    lua_rawseti(L, -2, ++n);
  }
  closedir(*box);
  *box = NULL;
  return 1;
}

static int write_whole(int fd, const char *text, size_t size) {
  while (size > 0) {
    ssize_t written = write(fd, text, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return -1;
    text += written;
    size -= (size_t)written;
  }
  return 0;
}

/* core.fs_write(path, text[, exclusive]) -> true, or nil and an error */
static int fs_write(lua_State *L) {
  size_t size;
  const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &size);
  int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (lua_toboolean(L, 3) ? O_EXCL : O_TRUNC);
  int fd = open(path, flags, 0644);
  if (fd < 0) return sbx_lua_errno(L, "open", path);
  int rc = write_whole(fd, text, size), saved = errno;
  if (close(fd) < 0 && rc == 0) {
    rc = -1;
    saved = errno;
  }
  errno = saved;
  if (rc < 0) return sbx_lua_errno(L, "write", path);
  lua_pushboolean(L, 1);
  return 1;
}

static int make_directories(char *path) {
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    int rc = mkdir(path, 0755);
    *slash = '/';
    if (rc < 0 && errno != EEXIST) return -1;
  }
  return mkdir(path, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

/* core.fs_mkdir(path) -> true (with its parents), or nil and an error */
static int fs_mkdir(lua_State *L) {
  size_t size;
  const char *path = luaL_checklstring(L, 1, &size);
  char *copy = lua_newuserdatauv(L, size + 1, 0);
  memcpy(copy, path, size + 1);
  if (size == 0 || make_directories(copy) < 0) return sbx_lua_errno(L, "mkdir", path);
  lua_pushboolean(L, 1);
  return 1;
}

const luaL_Reg sbx_lua_files[] = {{"fs_stat", fs_stat},   {"fs_read", fs_read},
                                  {"fs_list", fs_list},   {"fs_write", fs_write},
                                  {"fs_mkdir", fs_mkdir}, {NULL, NULL}};

/* Logs of lines that are chained: each names the digest of the one before. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sha256.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lua/border.h"

/* Bytes of a line: of a start more than any argv, each byte of it escaped (execve(2), limits). */
#define LINE_MAX_BYTES (64 << 20)
#define STEP 4096
/* Of a millisecond: a writer needs less for a line. */
#define LOCK_TRIES 1000
#define LOCK_TRIES_SHARED 20
#define LOCK_MODE 0200
#define BOX "sbx.log"

/* In hexadecimal, with its NUL byte. */
static void digest(const void *text, size_t size, char into[SHA256_DIGEST_STRING_LENGTH]) {
  SHA256_CTX context;
  SHA256Init(&context);
  SHA256Update(&context, text, size);
  SHA256End(&context, into);
}

/* core.sha256(text) -> 64 hexadecimal digits */
static int log_sha256(lua_State *L) {
  char hex[SHA256_DIGEST_STRING_LENGTH];
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  digest(text, size, hex);
  lua_pushstring(L, hex);
  return 1;
}

/* Only what is a file: a pipe's reader would hold up the host. */
static int open_log(const char *path) {
  struct stat st;
  int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                0600);
  if (fd < 0) return -1;
  int code = EINVAL;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
    if (st.st_nlink == 1) return fd;
    code = EMLINK; /* by its other name who it tells of might write it */
  }
  close(fd);
  errno = code;
  return -1;
}

/* Who may read a file can lock it, a command for one: the lock is a file beside the log that nobody
 * can open for reading. -1 where none can be made there. */
static int open_lock(const char *path) {
  char lock[PATH_MAX];
  int size = snprintf(lock, sizeof lock, "%s.lock", path);
  if (size < 0 || (size_t)size >= sizeof lock) return -1;
  int fd = open(lock, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, LOCK_MODE);
  if (fd >= 0) fchmod(fd, LOCK_MODE); /* whatever the umask is */
  return fd;
}

/* Two writers at once would name the same line. It is waited for a while, and the line is written
 * all the same. */
static void lock_log(int fd, int tries) {
  const struct timespec moment = {.tv_nsec = 1000000};
  for (int i = 0; i < tries && flock(fd, LOCK_EX | LOCK_NB) < 0; i++) nanosleep(&moment, NULL);
}

/* All of it, or -1: somebody cuts the file. */
static int read_at(int fd, char *into, size_t size, off_t at) {
  ssize_t rc;
  do rc = pread(fd, into, size, at);
  while (rc < 0 && errno == EINTR);
  if (rc >= 0 && (size_t)rc < size) errno = EIO;
  return rc == (ssize_t)size ? 0 : -1;
}

/* Where the last line begins: behind the last newline but the one at the very end. */
static off_t last_line(int fd, off_t end) {
  char piece[STEP];
  errno = EFBIG; /* none of ours */
  for (off_t stop = end - 1; stop > 0;) {
    off_t from = stop > STEP ? stop - STEP : 0;
    if (end - from > LINE_MAX_BYTES + STEP) return -1;
    if (read_at(fd, piece, (size_t)(stop - from), from) < 0) return -1;
    const char *found = memrchr(piece, '\n', (size_t)(stop - from));
    if (found) return from + (found - piece) + 1;
    stop = from;
  }
  return 0;
}

/* The digest of the last line, without its newline; *torn: it has none. */
static int digest_last(int fd, char hex[SHA256_DIGEST_STRING_LENGTH], bool *torn) {
  char piece[STEP];
  SHA256_CTX context;
  SHA256Init(&context);
  off_t end = lseek(fd, 0, SEEK_END), at = end > 0 ? last_line(fd, end) : 0;
  if (end < 0 || at < 0) return -1;
  if (end > 0 && read_at(fd, piece, 1, end - 1) < 0) return -1;
  *torn = end > 0 && *piece != '\n';
  for (off_t stop = *torn ? end : end - 1; at < stop;) {
    size_t size = stop - at < STEP ? (size_t)(stop - at) : STEP;
    if (read_at(fd, piece, size, at) < 0) return -1;
    SHA256Update(&context, (unsigned char *)piece, size);
    at += (off_t)size;
  }
  if (end == 0) memset(hex, '0', SHA256_DIGEST_STRING_LENGTH - 1);
  if (end > 0) SHA256End(&context, hex);
  hex[SHA256_DIGEST_STRING_LENGTH - 1] = 0;
  return 0;
}

/* One write: a reader sees all of a line or nothing. One that could not be read again is none. */
static int write_line(int fd, const char *line, size_t size) {
  ssize_t rc;
  errno = EFBIG;
  if (size > LINE_MAX_BYTES) return -1;
  do rc = write(fd, line, size);
  while (rc < 0 && errno == EINTR);
  if (rc >= 0 && (size_t)rc < size) errno = ENOSPC;
  return rc == (ssize_t)size ? 0 : -1;
}

/* Pushes the line and gives what is to be written of it. */
static const char *line_of(lua_State *L, const char *hex, bool torn, size_t *size) {
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  if (torn) luaL_addchar(&buffer, '\n');
  lua_pushvalue(L, 2);
  luaL_addvalue(&buffer);
  luaL_addstring(&buffer, hex);
  lua_pushvalue(L, 3);
  luaL_addvalue(&buffer);
  luaL_addchar(&buffer, '\n');
  luaL_pushresult(&buffer);
  return lua_tolstring(L, -1, size);
}

static void shut(int *fd) {
  int saved = errno;
  if (*fd >= 0) close(*fd);
  *fd = -1;
  errno = saved;
}

/* A box closes the descriptor where Lua has no memory for the line. */
static int close_box(lua_State *L) {
  shut(lua_touserdata(L, 1));
  return 0;
}

static int *new_box(lua_State *L) {
  int *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = -1;
  luaL_setmetatable(L, BOX);
  return box;
}

void sbx_lua_open_log(lua_State *L) {
  luaL_newmetatable(L, BOX);
  lua_pushcfunction(L, close_box);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

/* core.log_append(path, before, after) -> true, or nil and an error: appends the line
 * before .. digest of the last line .. after */
static int log_append(lua_State *L) {
  char hex[SHA256_DIGEST_STRING_LENGTH];
  bool torn = false;
  size_t size;
  const char *path = luaL_checkstring(L, 1);
  luaL_checkstring(L, 2);
  luaL_checkstring(L, 3);
  int *lock = new_box(L), *box = new_box(L);
  if ((*box = open_log(path)) < 0) return sbx_lua_errno(L, "open", path);
  *lock = open_lock(path);
  lock_log(*lock >= 0 ? *lock : *box, *lock >= 0 ? LOCK_TRIES : LOCK_TRIES_SHARED);
  int rc = digest_last(*box, hex, &torn);
  if (rc == 0) {
    const char *line = line_of(L, hex, torn, &size);
    rc = write_line(*box, line, size);
  }
  shut(box);
  shut(lock);
  if (rc < 0) return sbx_lua_errno(L, "write", path);
  lua_pushboolean(L, 1);
  return 1;
}

/* core.time() -> the time of day, as "2026-11-24T04:05:06.123Z" */
static int log_time(lua_State *L) {
  char text[64];
  struct timespec now;
  struct tm tm;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &tm);
  size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(text + size, sizeof text - size, ".%03ldZ", now.tv_nsec / 1000000);
  lua_pushstring(L, text);
  return 1;
}

const luaL_Reg sbx_lua_log[] = {
    {"sha256", log_sha256}, {"log_append", log_append}, {"time", log_time}, {NULL, NULL}};

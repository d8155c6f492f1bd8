/* What was asked of the file system and what it answered: a plan rests on the answers, and is used
 * again only while all would be the same (design.md, rule 5). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "lua/border.h"

#define WORLD "sbx.world"
#define READ_MAX (1024 * 1024)

/* The coarsest clock that a file system keeps times by (FAT: mtime). */
#define SETTLED_S 3

enum question { ASK_STAT, ASK_LSTAT, ASK_REALPATH, ASK_READLINK, ASK_READ };

/* What a file was when it was read. */
struct version {
  uint64_t dev, ino;
  int64_t size;
  struct timespec modified, changed;
  bool settled; /* so long ago by then that whatever is written since has another time */
};

struct answer {
  bool found;
  uint64_t dev, ino, mount;
  uint32_t uid;
  uint16_t type;
  char *text; /* realpath, read: malloc'd */
  size_t size;
  struct version version;   /* read: of the file; says nothing of whether answers are the same */
  const sbx_engine *engine; /* for the time of asking; NULL: none was made yet */
};

struct asked {
  enum question question;
  char *path;
  struct answer answer;
};

struct world {
  struct asked *list;
  size_t count, room;
  /* The first question that could not be asked, for a reason of the moment: what it is about must
   * not count as missing. */
  int trouble;
  char trouble_path[PATH_MAX];
};

static struct world *check_world(lua_State *L) {
  return luaL_checkudata(L, 1, WORLD);
}

/* ---- asking ---- */

/* A placeholder that an earlier command of this process left for the next: nothing is there. */
static bool is_placeholder(const sbx_engine *engine, const char *path, const struct statx *st) {
  if (!engine || !S_ISDIR(st->stx_mode)) return false;
  dev_t dev = makedev(st->stx_dev_major, st->stx_dev_minor);
  return sbx_engine_placeholder(engine, path, dev, st->stx_ino);
}

static void ask_stat(const char *path, int flags, struct answer *answer, struct statx *st) {
  answer->found = statx(AT_FDCWD, path, flags, STATX_BASIC_STATS | STATX_MNT_ID, st) == 0 &&
                  !is_placeholder(answer->engine, path, st);
  if (!answer->found) return;
  answer->dev = (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor;
  answer->ino = st->stx_ino;
  answer->mount = st->stx_mnt_id;
  answer->uid = st->stx_uid;
  answer->type = st->stx_mode & S_IFMT;
}

static void ask_realpath(const char *path, struct answer *answer) {
  answer->text = realpath(path, NULL);
  answer->found = answer->text != NULL;
  answer->size = answer->found ? strlen(answer->text) : 0;
}

static void ask_readlink(const char *path, struct answer *answer) {
  char target[PATH_MAX];
  ssize_t size = readlink(path, target, sizeof target);
  answer->text = size > 0 ? strndup(target, (size_t)size) : NULL;
  answer->found = answer->text != NULL;
  answer->size = answer->found ? (size_t)size : 0;
}

static ssize_t read_up_to(int fd, char *into, size_t room) {
  size_t used = 0;
  while (used < room) {
    ssize_t size = read(fd, into + used, room - used);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return size < 0 ? -1 : (ssize_t)used;
    used += (size_t)size;
  }
  return (ssize_t)used;
}

static void close_quietly(int fd) {
  int saved = errno;
  close(fd);
  errno = saved;
}

static struct version version_of(const struct stat *st) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  bool settled =
      now.tv_sec - st->st_ctim.tv_sec >= SETTLED_S && now.tv_sec - st->st_mtim.tv_sec >= SETTLED_S;
  return (struct version){st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim, settled};
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Read long after it was last changed, and not changed since: its content needs no second look. */
static bool is_same_version(const struct asked *entry) {
  struct stat st;
  const struct version *then = &entry->answer.version;
  if (!then->settled || stat(entry->path, &st) < 0) return false;
  return then->dev == st.st_dev && then->ino == st.st_ino && then->size == st.st_size &&
         same_time(&then->modified, &st.st_mtim) && same_time(&then->changed, &st.st_ctim);
}

/* A file is read whole or not at all: one byte more than it has tells that it grew meanwhile. */
static void ask_read(const char *path, struct answer *answer) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= READ_MAX &&
      (answer->text = malloc((size_t)st.st_size + 1))) {
    ssize_t size = read_up_to(fd, answer->text, (size_t)st.st_size + 1);
    answer->found = size >= 0 && size <= st.st_size;
    answer->size = answer->found ? (size_t)size : 0;
    if (answer->found) answer->version = version_of(&st);
  }
  close_quietly(fd);
}

static void ask(const sbx_engine *engine, enum question question, const char *path,
                struct answer *answer, struct statx *st) {
  *answer = (struct answer){.engine = engine};
  switch (question) {
  case ASK_STAT: ask_stat(path, 0, answer, st); break;
  case ASK_LSTAT: ask_stat(path, AT_SYMLINK_NOFOLLOW, answer, st); break;
  case ASK_REALPATH: ask_realpath(path, answer); break;
  case ASK_READLINK: ask_readlink(path, answer); break;
  case ASK_READ: ask_read(path, answer); break;
  }
  answer->engine = NULL;
}

static bool same_answer(const struct answer *a, const struct answer *b) {
  if (a->found != b->found || a->dev != b->dev || a->ino != b->ino || a->mount != b->mount ||
      a->uid != b->uid || a->type != b->type || a->size != b->size)
    return false;
  return a->size == 0 || memcmp(a->text, b->text, a->size) == 0;
}

/* ---- keeping ---- */

/* Made before it is filled: the path is copied first, and only a whole entry counts. */
static struct asked *new_entry(lua_State *L, struct world *world, const char *path) {
  if (world->count == world->room) {
    size_t room = world->room ? world->room * 2 : 32;
    struct asked *list = realloc(world->list, room * sizeof *list);
    if (!list) sbx_lua_misuse(L, "not enough memory");
    world->list = list;
    world->room = room;
  }
  char *copy = strdup(path);
  if (!copy) sbx_lua_misuse(L, "not enough memory");
  struct asked *entry = &world->list[world->count++];
  *entry = (struct asked){.path = copy};
  return entry;
}

/* What says nothing about the path, and may be otherwise in a moment. */
static bool is_trouble(int code) {
  return code == ENOMEM || code == EMFILE || code == ENFILE || code == EIO || code == EINTR ||
         code == EAGAIN;
}

static void note_trouble(struct world *world, const char *path, int code) {
  if (world->trouble || !is_trouble(code)) return;
  world->trouble = code;
  strncpy(world->trouble_path, path, sizeof world->trouble_path - 1);
}

static const struct answer *answer_of(lua_State *L, enum question question, struct statx *st) {
  struct world *world = check_world(L);
  const char *path = luaL_checkstring(L, 2);
  struct asked *entry = new_entry(L, world, path);
  entry->question = question;
  errno = 0;
  ask(sbx_lua_engine_made(L), question, path, &entry->answer, st);
  if (!entry->answer.found) note_trouble(world, path, errno);
  return &entry->answer;
}

static int push_stat(lua_State *L, enum question question) {
  struct statx st;
  if (answer_of(L, question, &st)->found)
    sbx_lua_push_stat(L, &st);
  else
    lua_pushnil(L);
  return 1;
}

static int push_text(lua_State *L, enum question question) {
  const struct answer *answer = answer_of(L, question, NULL);
  if (answer->found)
    lua_pushlstring(L, answer->text, answer->size);
  else
    lua_pushnil(L);
  return 1;
}

/* ---- methods ---- */

static int world_stat(lua_State *L) {
  return push_stat(L, ASK_STAT);
}

static int world_lstat(lua_State *L) {
  return push_stat(L, ASK_LSTAT);
}

static int world_realpath(lua_State *L) {
  return push_text(L, ASK_REALPATH);
}

static int world_readlink(lua_State *L) {
  return push_text(L, ASK_READLINK);
}

static int world_read(lua_State *L) {
  return push_text(L, ASK_READ);
}

static bool is_same(const sbx_engine *engine, const struct asked *entry) {
  struct answer now;
  struct statx st;
  if (entry->question == ASK_READ && is_same_version(entry)) return true;
  ask(engine, entry->question, entry->path, &now, &st);
  bool same = same_answer(&now, &entry->answer);
  free(now.text);
  return same;
}

/* world:same() -> whether every answer would be the same now */
static int world_same(lua_State *L) {
  const struct world *world = check_world(L);
  const sbx_engine *engine = sbx_lua_engine_made(L);
  bool same = true;
  for (size_t i = 0; same && i < world->count; i++) same = is_same(engine, &world->list[i]);
  lua_pushboolean(L, same);
  return 1;
}

/* world:trouble() -> code and path of the first question that could not be asked, or nil */
static int world_trouble(lua_State *L) {
  const struct world *world = check_world(L);
  if (!world->trouble) return 0;
  const char *name = sbx_lua_errno_name(world->trouble);
  lua_pushstring(L, name ? name : strerror(world->trouble));
  lua_pushstring(L, world->trouble_path);
  return 2;
}

static int world_gc(lua_State *L) {
  struct world *world = check_world(L);
  for (size_t i = 0; i < world->count; i++) {
    free(world->list[i].path);
    free(world->list[i].answer.text);
  }
  free(world->list);
  *world = (struct world){0};
  return 0;
}

int sbx_lua_world(lua_State *L) {
  struct world *world = lua_newuserdatauv(L, sizeof *world, 0);
  *world = (struct world){0};
  luaL_setmetatable(L, WORLD);
  return 1;
}

void sbx_lua_open_world(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"stat", world_stat},         {"lstat", world_lstat}, {"realpath", world_realpath},
      {"readlink", world_readlink}, {"read", world_read},   {"same", world_same},
      {"trouble", world_trouble},   {"__gc", world_gc},     {NULL, NULL}};
  luaL_newmetatable(L, WORLD);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

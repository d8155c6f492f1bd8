#include "engine/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "engine/remote.h"
#include "engine/who.h"
#include "layers/descriptors.h"

/* As many as the kernel follows for one path. */
#define LINKS_MAX 40
#define PROC_ROOT_INO 1
#define PLACE (O_PATH | O_CLOEXEC)

struct walk {
  struct sbx_found *found;
  pid_t pid;
  bool follow;
  int links;
  const char *left;        /* in text */
  char text[2 * PATH_MAX]; /* what is left when links were put in */
};

/* ---- names of places ---- */

bool sbx_path_of(int fd, char path[PATH_MAX]) {
  static const char gone[] = " (deleted)";
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = fd >= 0 ? readlink(link, path, PATH_MAX - 1) : -1;
  path[size > 0 ? size : 0] = 0;
  if (size <= 0 || *path != '/') return false;
  size_t tail = sizeof gone - 1;
  return (size_t)size < tail || strcmp(path + (size_t)size - tail, gone) != 0;
}

bool sbx_path_append(char path[PATH_MAX], const char *name) {
  size_t size = strlen(path), more = strlen(name);
  if (more == 0) return true;
  if (size + more + 2 > PATH_MAX) return false;
  if (size == 0 || path[size - 1] != '/') path[size++] = '/';
  memcpy(path + size, name, more + 1);
  return true;
}

bool sbx_found_path(const struct sbx_found *found, char path[PATH_MAX]) {
  if (found->code == 0 && !*found->name) return sbx_path_of(found->object, path);
  return sbx_path_of(found->directory, path) &&
         sbx_path_append(path, found->code ? found->rest : found->name);
}

int sbx_resolve_base(pid_t pid, int at) {
  char name[48];
  if (at == AT_FDCWD)
    snprintf(name, sizeof name, "/proc/%d/cwd", (int)pid);
  else
    snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)pid, at);
  return open(name, PLACE);
}

/* ---- links ---- */

static void enter(struct sbx_found *found, int fd) {
  sbx_fd_close(&found->directory);
  found->directory = fd;
}

static int fail(struct walk *w, int code) {
  const char *left = w->left + strspn(w->left, "/");
  size_t size = strnlen(left, PATH_MAX - 1);
  memcpy(w->found->rest, left, size);
  w->found->rest[size] = 0;
  w->found->code = code;
  return -1;
}

/* Puts a link's text before what is left. */
static int put_in(struct walk *w, const char *text, size_t size, const char *left) {
  size_t more = strlen(left);
  if (size == 0 || size + more + 1 > sizeof w->text) return fail(w, ENAMETOOLONG);
  memmove(w->text + size, left, more + 1); /* it may lie in text itself */
  memcpy(w->text, text, size);
  w->left = w->text;
  if (*text != '/') return 0;
  int root = open("/", PLACE | O_DIRECTORY);
  if (root < 0) return fail(w, errno);
  enter(w->found, root);
  return 0;
}

static bool is_proc(int fd, bool *is_root) {
  struct statfs fs;
  struct stat st;
  if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) return false;
  *is_root = fstat(fd, &st) == 0 && st.st_ino == PROC_ROOT_INO;
  return true;
}

/* What this process has would not be shown to the one that asks. */
static bool is_own(int directory) {
  char path[PATH_MAX], own[32];
  int size = snprintf(own, sizeof own, "/proc/%d", (int)getpid());
  if (!sbx_path_of(directory, path)) return true;
  return strncmp(path, own, (size_t)size) == 0 && (path[size] == '/' || path[size] == 0);
}

static int put_self(struct walk *w, const char *name, const char *left) {
  char text[64];
  struct sbx_who who;
  sbx_who_read(&who, w->pid);
  int size = strcmp(name, "self") == 0
                 ? snprintf(text, sizeof text, "%d", (int)who.pid)
                 : snprintf(text, sizeof text, "%d/task/%d", (int)who.pid, (int)w->pid);
  return put_in(w, text, (size_t)size, left);
}

/* A link of /proc leads to the thing itself, whatever its text says. */
static int follow_magic(struct walk *w, const char *name, const char *left) {
  if (is_own(w->found->directory)) return fail(w, EPERM);
  int fd = openat(w->found->directory, name, PLACE);
  if (fd < 0) return fail(w, errno);
  if (sbx_remote_is(fd)) return close(fd), fail(w, EREMOTE);
  w->left = left;
  if (!*left) {
    w->found->object = fd;
    w->found->name[0] = 0;
    return 1;
  }
  enter(w->found, fd);
  return 0;
}

static int follow_link(struct walk *w, int link, const char *name, const char *left) {
  char text[PATH_MAX];
  bool is_root = false, proc = is_proc(w->found->directory, &is_root);
  if (++w->links > LINKS_MAX) return fail(w, ELOOP);
  if (proc && is_root && (strcmp(name, "self") == 0 || strcmp(name, "thread-self") == 0))
    return put_self(w, name, left);
  if (proc && !is_root) return follow_magic(w, name, left);
  ssize_t size = readlinkat(link, "", text, sizeof text - 1);
  if (size <= 0) return fail(w, size < 0 ? errno : ENOENT);
  text[size] = 0;
  return put_in(w, text, (size_t)size, left);
}

/* ---- one name after another ---- */

/* The next name and what comes after it; false at the end. */
static bool take_name(struct walk *w, char name[NAME_MAX + 1], const char **left, int *code) {
  const char *at = w->left + strspn(w->left, "/");
  size_t size = strcspn(at, "/");
  *code = size > NAME_MAX ? ENAMETOOLONG : 0;
  if (size == 0 || *code) return size != 0;
  memcpy(name, at, size);
  name[size] = 0;
  *left = at + size;
  return true;
}

static bool is_last(const char *left) {
  return left[strspn(left, "/")] == 0;
}

/* The last name: what is there stays the object, its directory the directory. */
static int arrive(struct sbx_found *found, int fd, const char *name, const char *left) {
  snprintf(found->name, sizeof found->name, "%s", name);
  found->object = fd;
  found->slash = *left == '/';
  return 1;
}

/* 0: go on; 1: arrived; -1: the way ended. */
static int step(struct walk *w, const char *name, const char *left) {
  struct sbx_found *found = w->found;
  struct stat st;
  if (sbx_remote_is(found->directory)) return fail(w, EREMOTE);
  bool last = is_last(left), up = strcmp(name, "..") == 0;
  if (strcmp(name, ".") == 0 && !last) return w->left = left, 0;
  int fd = openat(found->directory, name, PLACE | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT && last) return arrive(found, -1, name, left);
  if (fd < 0) return fail(w, errno);
  if (sbx_remote_is(fd)) return close(fd), fail(w, EREMOTE);
  if (fstat(fd, &st) < 0) st.st_mode = 0;
  if (S_ISLNK(st.st_mode) && (!last || w->follow || *left == '/')) {
    int rc = follow_link(w, fd, name, left);
    close(fd);
    return rc;
  }
  if (last && !up && strcmp(name, ".") != 0) return arrive(found, fd, name, left);
  w->left = left;
  enter(found, fd);
  return 0;
}

static void run(struct walk *w) {
  char name[NAME_MAX + 1];
  const char *left = "";
  int code = 0, rc = 0;
  while (rc == 0 && take_name(w, name, &left, &code))
    rc = code ? fail(w, code) : step(w, name, left);
  if (rc != 0) return;
  if (sbx_remote_is(w->found->directory)) {
    fail(w, EREMOTE);
    return;
  }
  /* no name at the end (/, . or ..): the directory is the object itself */
  w->found->name[0] = 0;
  w->found->object = fcntl(w->found->directory, F_DUPFD_CLOEXEC, 3);
}

void sbx_resolve(struct sbx_found *found, pid_t pid, int at, const char *path, bool follow) {
  static struct walk w; /* large, and one path is looked at at a time */
  w.found = found;
  w.pid = pid;
  w.follow = follow;
  w.links = 0;
  w.left = path;
  found->object = -1;
  found->code = 0;
  found->slash = false;
  found->name[0] = found->rest[0] = 0;
  found->directory = *path == '/' ? open("/", PLACE | O_DIRECTORY) : sbx_resolve_base(pid, at);
  if (found->directory < 0)
    fail(&w, errno);
  else
    run(&w);
}

void sbx_found_close(struct sbx_found *found) {
  sbx_fd_close(&found->directory);
  sbx_fd_close(&found->object);
}

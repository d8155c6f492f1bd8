#include "layers/group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/descriptors.h"
#include "layers/paths.h"

#define PREFIX "sbxjob."
/* The last process may still be on its way out of it. */
#define BUSY_TRIES 100

int sbx_group_open_parent(const char *path) {
  return sbx_path_open(path);
}

/* ---- what a maker that was killed has left ---- */

/* Whoever lives holds a lock on the directory of his group. */
static void remove_if_left(int parent, const char *name) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) unlinkat(parent, name, AT_REMOVEDIR);
  sbx_fd_close(&fd);
}

void sbx_group_sweep(int parent, const char *prefix) {
  int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = fd < 0 ? NULL : fdopendir(fd);
  if (!list) {
    sbx_fd_close(&fd);
    return;
  }
  for (struct dirent *entry; (entry = readdir(list));)
    if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) remove_if_left(parent, entry->d_name);
  closedir(list);
}

/* ---- one of our own ---- */

/* Another's sweep may take it in the moment before the lock; kernfs says ENODEV where that comes
 * between looking it up and opening it. */
static bool is_taken(int code) {
  return code == ENOENT || code == ENODEV || code == EWOULDBLOCK;
}

static int make_locked(struct sbx_group *group) {
  uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) return -1;
  snprintf(group->name, sizeof group->name, PREFIX "%016llx", (unsigned long long)number);
  if (mkdirat(group->parent, group->name, 0755) < 0) return -1;
  group->directory =
      sbx_fd_high(openat(group->parent, group->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (group->directory < 0 || flock(group->directory, LOCK_SH | LOCK_NB) < 0) return -1;
  group->procs = sbx_fd_high(openat(group->directory, "cgroup.procs", O_WRONLY | O_CLOEXEC));
  return group->procs < 0 ? -1 : 0;
}

int sbx_group_make(struct sbx_group *group, int parent) {
  *group = SBX_GROUP_NONE;
  group->parent = parent;
  sbx_group_sweep(parent, PREFIX);
  for (int tries = 0; tries < 3; tries++) {
    if (make_locked(group) == 0) return 0;
    int saved = errno;
    unlinkat(group->parent, group->name, AT_REMOVEDIR);
    *group->name = 0;
    sbx_fd_close(&group->directory);
    errno = saved;
    if (!is_taken(errno)) break;
  }
  sbx_fd_close(&group->parent);
  return -1;
}

int sbx_group_set(const struct sbx_group *group, const char *text) {
  char file[64];
  bool optional = *text == '?';
  if (optional) text++;
  size_t length = strcspn(text, " ");
  errno = EINVAL;
  if (length >= sizeof file || !text[length]) return -1;
  memcpy(file, text, length);
  file[length] = 0;
  const char *value = text + length + 1;
  int fd = openat(group->directory, file, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return optional && errno == ENOENT ? 0 : -1;
  ssize_t size = write(fd, value, strlen(value));
  sbx_fd_close(&fd);
  return size < 0 ? -1 : 0;
}

/* The number behind a word that stands at the beginning of a line. */
static int64_t number_behind(const char *text, const char *word) {
  size_t length = strlen(word);
  for (const char *line = text; line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (strncmp(line, word, length) == 0 && line[length] == ' ')
      return strtoll(line + length, NULL, 10);
  }
  return -1;
}

int64_t sbx_group_read(const struct sbx_group *group, const char *text) {
  char file[64], content[4096];
  size_t length = strcspn(text, " ");
  if (length >= sizeof file) return -1;
  memcpy(file, text, length);
  file[length] = 0;
  int fd = openat(group->directory, file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t size = read(fd, content, sizeof content - 1);
  sbx_fd_close(&fd);
  if (size <= 0) return -1;
  content[size] = 0;
  return text[length] ? number_behind(content, text + length + 1) : strtoll(content, NULL, 10);
}

void sbx_group_remove(struct sbx_group *group) {
  sbx_fd_close(&group->procs);
  for (int i = 0; i < BUSY_TRIES && group->parent >= 0 && *group->name; i++) {
    if (unlinkat(group->parent, group->name, AT_REMOVEDIR) == 0 || errno != EBUSY) break;
    usleep(1000);
  }
  sbx_fd_close(&group->directory);
  sbx_fd_close(&group->parent);
}

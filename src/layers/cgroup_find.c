/* Where this process may make cgroups: its own, in the mounted v2 hierarchy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "layers/cgroup.h"
#include "layers/group.h"

/* The path behind "0::" in proc_pid_cgroup(5). */
static bool own_path(char *path, size_t size) {
  char line[4096];
  bool found = false;
  FILE *file = fopen("/proc/thread-self/cgroup", "re");
  if (!file) return false;
  while (!found && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    found = strncmp(line, "0::/", 4) == 0 && (size_t)snprintf(path, size, "%s", line + 3) < size;
  }
  fclose(file);
  return found;
}

/* Root and mount point of a cgroup2 line of proc_pid_mountinfo(5); the fields are separated by
 * blanks, optional ones end with "-". */
static bool parse_mount(char *line, char **root, char **point) {
  char *type = strstr(line, " - cgroup2 "), *rest = NULL;
  if (!type) return false;
  for (int field = 0; field < 3; field++)
    if (!strtok_r(field ? NULL : line, " ", &rest)) return false;
  *root = strtok_r(NULL, " ", &rest);
  *point = strtok_r(NULL, " ", &rest);
  return *root && *point;
}

/* A namespace may show a part of the hierarchy only: what lies outside has no path here. */
static bool join(char *into, size_t size, const char *root, const char *point, const char *own) {
  size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
  if (strncmp(own, root, length) != 0) return false;
  const char *below = own + length;
  if (*below && *below != '/') return false;
  if (strcmp(below, "/") == 0) below = "";
  return (size_t)snprintf(into, size, "%s%s", point, below) < size;
}

static bool find_directory(char *into, size_t size, const char *own) {
  char *line = NULL, *root, *point;
  size_t room = 0;
  bool found = false;
  FILE *file = fopen("/proc/self/mountinfo", "re");
  if (!file) return false;
  while (!found && getline(&line, &room, file) > 0)
    found = parse_mount(line, &root, &point) && join(into, size, root, point, own);
  free(line);
  fclose(file);
  return found;
}

bool sbx_cgroup_find(char *path, size_t size) {
  char own[4096];
  struct sbx_cgroup cgroup;
  if (!own_path(own, sizeof own) || !find_directory(path, size, own)) return false;
  int parent = sbx_group_open_parent(path);
  if (parent >= 0) sbx_group_sweep(parent, SBX_CGROUP_PREFIX);
  if (sbx_cgroup_make(&cgroup, parent, getpid()) < 0) return false;
  sbx_cgroup_remove(&cgroup);
  return true;
}

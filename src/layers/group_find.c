/* Where this process may make groups with a controller: in its own group's directory, or, for
 * version 2, in the nearest one above whose children have the controller ("no internal processes",
 * cgroups(7)), where none on the way has bounds of its own. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "layers/group.h"

#define PATH_ROOM 4096

/* Whether a list whose words are separated by this byte has the word. */
static bool has_word(const char *list, const char *word, char separator) {
  size_t length = strlen(word);
  for (; list; list = strchr(list, separator)) {
    if (*list == separator) list++;
    char after = list[strncmp(list, word, length) == 0 ? length : 0];
    if (strncmp(list, word, length) == 0 && (after == 0 || after == separator || after == '\n'))
      return true;
  }
  return false;
}

/* The path of this thread in a hierarchy: "id:controllers:path" (proc_pid_cgroup(5)). */
static bool own_path(const char *controller, char *path, size_t size) {
  char line[PATH_ROOM + 256];
  bool found = false;
  /* not the process's: what this thread starts begins in its groups */
  FILE *file = fopen("/proc/thread-self/cgroup", "re");
  if (!file) return false;
  while (!found && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char *list = strchr(line, ':'), *own = list ? strchr(list + 1, ':') : NULL;
    if (!own) continue;
    *own++ = 0;
    bool same = controller ? has_word(list + 1, controller, ',') : strcmp(line, "0:") == 0;
    found = same && (size_t)snprintf(path, size, "%s", own) < size;
  }
  fclose(file);
  return found;
}

/* Root and mount point of a line of proc_pid_mountinfo(5), where it is that hierarchy. */
static bool parse_mount(char *line, const char *controller, char **root, char **point) {
  char *type = strstr(line, controller ? " - cgroup " : " - cgroup2 "), *rest = NULL;
  if (!type) return false;
  line[strcspn(line, "\n")] = 0;
  const char *options = strrchr(type, ' ');
  if (controller && !has_word(options + 1, controller, ',')) return false;
  for (int field = 0; field < 3; field++)
    if (!strtok_r(field ? NULL : line, " ", &rest)) return false;
  *root = strtok_r(NULL, " ", &rest);
  *point = strtok_r(NULL, " ", &rest);
  return *root && *point;
}

/* What lies outside of the part that is mounted has no path here. */
static size_t join(char *into, size_t size, const char *root, const char *point, const char *own) {
  size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
  if (strncmp(own, root, length) != 0) return 0;
  const char *below = own + length;
  if (*below && *below != '/') return 0;
  if (strcmp(below, "/") == 0) below = "";
  if ((size_t)snprintf(into, size, "%s%s", point, below) >= size) return 0;
  return strlen(point);
}

/* The length of the mount point in the path, or 0. */
static size_t find_directory(const char *controller, char *into, size_t size) {
  char own[PATH_ROOM], *line = NULL, *root, *point;
  size_t room = 0, found = 0;
  FILE *file = fopen("/proc/self/mountinfo", "re");
  if (file && own_path(controller, own, sizeof own))
    while (!found && getline(&line, &room, file) > 0)
      if (parse_mount(line, controller, &root, &point)) found = join(into, size, root, point, own);
  free(line);
  if (file) fclose(file);
  return found;
}

static bool has_controller(const char *path, const char *controller) {
  char name[PATH_ROOM + 32], list[512] = "";
  if (!*controller) return true;
  snprintf(name, sizeof name, "%s/cgroup.subtree_control", path);
  FILE *file = fopen(name, "re");
  if (!file) return false;
  bool has = fgets(list, sizeof list, file) && has_word(list, controller, ' ');
  fclose(file);
  return has;
}

/* A process comes into a group only from one whose common parent its mover may write. */
static bool can_make(const char *path) {
  char name[PATH_ROOM + 32];
  struct sbx_group group;
  snprintf(name, sizeof name, "%s/cgroup.procs", path);
  if (faccessat(AT_FDCWD, name, W_OK, AT_EACCESS) < 0) return false;
  int parent = sbx_group_open_parent(path);
  if (parent < 0 || sbx_group_make(&group, parent) < 0) return false;
  sbx_group_remove(&group);
  return true;
}

int sbx_group_find(const char *controller, char *path, size_t size) {
  if (*controller && find_directory(controller, path, size) && can_make(path)) return 1;
  size_t top = find_directory(NULL, path, size);
  if (!top) return 0;
  while (!has_controller(path, controller) || !can_make(path)) {
    /* what is made beside a group escapes its bounds: a command must not have more than its host */
    if (strlen(path) <= top || sbx_group_is_bounded(path)) return 0;
    *strrchr(path, '/') = 0;
  }
  return 2;
}

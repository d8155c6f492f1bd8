/* The parent of an attempt looks at what became of it, in /proc. Signs:
 *   fd:TEXT      it holds a descriptor whose link has TEXT in it
 *   write:TEXT   the same, open for writing
 *   disk:        it holds the machine's disk; disk:write, open for writing
 *   pts:         it holds a terminal of the host's devpts
 *   ns:KIND      it, or a child of it, is in another namespace than its parent
 *   root:        its root is not its parent's
 *   mount:       something is mounted in its scratch directory
 *   number:N     it has a descriptor of that number
 *   tracer:      it traces this program's parent
 *   core:        it may leave cores of any size */
#include "catalogue.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static int link_of(char *link, size_t size, const char *path) {
  ssize_t length = readlink(path, link, size - 1);
  link[length < 0 ? 0 : length] = 0;
  return length > 0;
}

static int is_written(pid_t pid, const char *number) {
  char line[64];
  unsigned flags = 0;
  FILE *info = fopen(text("/proc/%d/fdinfo/%s", pid, number), "re");
  while (info && fgets(line, sizeof line, info)) sscanf(line, "flags: %o", &flags);
  if (info) fclose(info);
  return (flags & O_ACCMODE) != O_RDONLY;
}

static int holds(pid_t pid, const char *wanted, int writing) {
  char link[4096];
  int found = 0;
  DIR *list = opendir(text("/proc/%d/fd", pid));
  for (struct dirent *entry; list && !found && (entry = readdir(list));)
    found = link_of(link, sizeof link, text("/proc/%d/fd/%s", pid, entry->d_name)) &&
            strstr(link, wanted) && (!writing || is_written(pid, entry->d_name));
  if (list) closedir(list);
  return found;
}

static int holds_terminal(pid_t pid) {
  struct stat st;
  int found = 0;
  DIR *list = opendir(text("/proc/%d/fd", pid));
  for (struct dirent *entry; list && !found && (entry = readdir(list));)
    found = stat(text("/proc/%d/fd/%s", pid, entry->d_name), &st) == 0 && S_ISCHR(st.st_mode) &&
            st.st_dev == strtoull(fact("devpts"), NULL, 10);
  if (list) closedir(list);
  return found;
}

static int in_other_namespace(pid_t pid, const char *kind) {
  char mine[64], its[64];
  link_of(mine, sizeof mine, text("/proc/self/ns/%s", kind));
  return link_of(its, sizeof its, text("/proc/%d/ns/%s", pid, kind)) && strcmp(mine, its) != 0;
}

static int any_namespace(pid_t pid, const char *kind) {
  int child = 0, found = in_other_namespace(pid, kind);
  FILE *list = fopen(text("/proc/%d/task/%d/children", pid, pid), "re");
  while (list && !found && fscanf(list, "%d", &child) == 1) found = in_other_namespace(child, kind);
  if (list) fclose(list);
  return found;
}

static int has_line(const char *path, const char *start, const char *part) {
  char line[8192];
  int found = 0;
  FILE *file = fopen(path, "re");
  while (file && !found && fgets(line, sizeof line, file))
    found = strncmp(line, start, strlen(start)) == 0 && strstr(line, part);
  if (file) fclose(file);
  return found;
}

static int has_other_root(pid_t pid) {
  struct stat mine, its;
  if (stat("/", &mine) < 0 || stat(text("/proc/%d/root/", pid), &its) < 0) return 0;
  return mine.st_dev != its.st_dev || mine.st_ino != its.st_ino;
}

/* Whoever started this program: the supervisor, where there is one. */
static int traces_supervisor(pid_t pid) {
  return has_line(text("/proc/%d/status", getppid()), "TracerPid:", text("\t%d\n", pid));
}

int observed(const char *sign, pid_t pid) {
  if (strncmp(sign, "fd:", 3) == 0) return holds(pid, sign + 3, 0);
  if (strncmp(sign, "write:", 6) == 0) return holds(pid, sign + 6, 1);
  if (strncmp(sign, "disk:", 5) == 0)
    return *fact("disk") && holds(pid, fact("disk"), strcmp(sign, "disk:write") == 0);
  if (strncmp(sign, "ns:", 3) == 0) return any_namespace(pid, sign + 3);
  if (strcmp(sign, "pts:") == 0) return holds_terminal(pid);
  if (strcmp(sign, "tracer:") == 0) return traces_supervisor(pid);
  if (strncmp(sign, "number:", 7) == 0)
    return access(text("/proc/%d/fd/%s", pid, sign + 7), F_OK) == 0;
  if (strcmp(sign, "root:") == 0) return has_other_root(pid);
  if (strcmp(sign, "core:") == 0)
    return has_line(text("/proc/%d/limits", pid), "Max core file size", " unlimited  ");
  if (strcmp(sign, "mount:") == 0)
    return has_line(text("/proc/%d/mountinfo", pid), "", text(" %s ", inside("dir")));
  return 0;
}

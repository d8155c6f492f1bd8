/* Whether a group of version 2 bounds what is in it. What can't be read counts as a bound: only a
 * file that isn't there says that its controller has none. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layers/group.h"

#define PATH_ROOM 4096

/* Whether a file's line says that there is a bound. */
typedef bool line_bounds(char *line);

/* "max", and for cpu.max a period behind it. */
static bool is_number(char *line) {
  return strncmp(line, "max", 3) != 0;
}

/* What nobody has set is a number here, too: the greatest count of pages, in bytes. */
static bool is_bytes(char *line) {
  return is_number(line) && strtoull(line, NULL, 10) < 1ULL << 62;
}

/* A list of processors or nodes; an empty one is that of the parent. */
static bool is_list(char *line) {
  return line[strspn(line, " \n")] != 0;
}

/* "device key=max ..." or "resource max": some have a line for what isn't bounded, too. */
static bool is_row(char *line) {
  char *rest = NULL;
  if (!strtok_r(line, " \n", &rest)) return false;
  for (const char *word; (word = strtok_r(NULL, " \n", &rest));) {
    const char *value = strchr(word, '=');
    if (strcmp(value ? value + 1 : word, "max") != 0) return true;
  }
  return false;
}

static bool has_bound(const char *path, const char *name, line_bounds *bounds) {
  char file[PATH_ROOM + 288], *line = NULL;
  size_t room = 0;
  if ((size_t)snprintf(file, sizeof file, "%s/%s", path, name) >= sizeof file) return true;
  FILE *stream = fopen(file, "re");
  if (!stream) return errno != ENOENT;
  bool bounded = false;
  while (!bounded && getline(&line, &room, stream) > 0) bounded = bounds(line);
  bounded = bounded || !feof(stream); /* a failed read, or no memory */
  free(line);
  fclose(stream);
  return bounded;
}

/* hugetlb.<size>.max and hugetlb.<size>.rsvd.max. */
static bool is_hugetlb(const char *name) {
  size_t length = strlen(name);
  return strncmp(name, "hugetlb.", 8) == 0 && length > 12 && strcmp(name + length - 4, ".max") == 0;
}

static bool has_hugetlb_bound(const char *path) {
  DIR *list = opendir(path);
  if (!list) return true;
  bool bounded = false;
  const struct dirent *entry;
  errno = 0;
  while (!bounded && (entry = readdir(list))) {
    bounded = is_hugetlb(entry->d_name) && has_bound(path, entry->d_name, is_bytes);
    errno = 0; /* that of readdir alone */
  }
  bounded = bounded || errno != 0;
  closedir(list);
  return bounded;
}

bool sbx_group_is_bounded(const char *path) {
  static const struct {
    const char *name;
    line_bounds *bounds;
  } files[] = {
      {"memory.max", is_number},
      {"memory.high", is_number},
      {"memory.swap.max", is_number},
      {"memory.swap.high", is_number},
      {"memory.zswap.max", is_number},
      {"pids.max", is_number},
      {"cpu.max", is_number},
      {"cpuset.cpus", is_list},
      {"cpuset.mems", is_list},
      {"io.max", is_row},
      {"rdma.max", is_row},
      {"misc.max", is_row},
      {"dmem.max", is_row},
  };
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    if (has_bound(path, files[i].name, files[i].bounds)) return true;
  return has_hugetlb_bound(path);
}

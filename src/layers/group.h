/* A control group of one job's own, in a hierarchy of either version, for counting and limits
 * (cgroups(7)). Which files are written and read is the caller's business. */
#ifndef SBX_GROUP_H
#define SBX_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sbx_group {
  int parent, directory, procs; /* descriptors, -1: none */
  char name[32];
};

#define SBX_GROUP_NONE ((struct sbx_group){-1, -1, -1, ""})

/* The directory that groups are made in. */
int sbx_group_open_parent(const char *path);
/* Makes a group below parent, which it owns from then on. 0, or -1 and errno. */
int sbx_group_make(struct sbx_group *group, int parent);
/* Removes what a maker that was killed has left: empty, its name so, and nobody's lock on it. */
void sbx_group_sweep(int parent, const char *prefix);
/* "file value"; "?file value" where the file may be missing. 0, or -1 and errno. */
int sbx_group_set(const struct sbx_group *group, const char *text);
/* The number in "file", or behind the word in "file word"; -1: none. */
int64_t sbx_group_read(const struct sbx_group *group, const char *text);
void sbx_group_remove(struct sbx_group *group); /* once it is empty; idempotent */

/* Where this process may make groups with a controller: the hierarchy's version, or 0. For version
 * 2 an empty controller means any directory. Tried by making one. */
int sbx_group_find(const char *controller, char *path, size_t size);
/* Whether a group of version 2 has bounds of its own. */
bool sbx_group_is_bounded(const char *path);

#endif

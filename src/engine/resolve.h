/* Where a path leads, as the process that gave it would walk: from its directory, over links, with
 * /proc/self as its own. Nothing is opened but as a place (O_PATH): neither a FIFO nor a device
 * can hold the one up that looks. */
#ifndef SBX_RESOLVE_H
#define SBX_RESOLVE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct sbx_found {
  int directory; /* that holds the last name, or that the way ended in; -1 */
  int object;    /* what is there; -1: nothing */
  int code;      /* errno: the way ended before the last name (EREMOTE: nothing is known there) */
  bool slash;    /* asked for as a directory */
  char name[NAME_MAX + 1]; /* "": the object was not reached by a name */
  char rest[PATH_MAX];     /* with code: what was left of the path */
};

/* at: a descriptor of the process, or AT_FDCWD. follow: over a link at the last name, too. */
void sbx_resolve(struct sbx_found *found, pid_t pid, int at, const char *path, bool follow);
/* The file behind a descriptor of the process (AT_FDCWD: its directory) itself: -1 and errno. */
int sbx_resolve_base(pid_t pid, int at);
void sbx_found_close(struct sbx_found *found);
/* The real path of what was found or would be made: false where it has none. */
bool sbx_found_path(const struct sbx_found *found, char path[PATH_MAX]);
bool sbx_path_of(int fd, char path[PATH_MAX]);
/* False: it would be too long. */
bool sbx_path_append(char path[PATH_MAX], const char *name);

#endif

/* Whether what a plan protects is still where it was. A mount protects the file, not its name: who
 * is outside may move it away, and what stands there then is open (security.md 9). */
#ifndef SBX_WATCH_H
#define SBX_WATCH_H

#include <stddef.h>

#include "engine/plan.h"

struct sbx_watched {
  const char *path;
  uint64_t dev, ino;
  int number; /* of inotify's watch */
};

struct sbx_watch {
  int fd; /* readable when somebody should look; -1: nothing is watched */
  struct sbx_watched *list;
  size_t count;
  int64_t taken;    /* bytes of events read so far */
  const char *lost; /* the path that could not be watched */
  char *above;      /* while it is opened: the directory that was watched last, and for what */
  uint32_t above_events;
};

/* The entries with SBX_MOUNT_WATCHED of a plan, as they are now: 0, or -1, errno and lost. */
int sbx_watch_open(struct sbx_watch *watch, const sbx_plan *plan);
/* After fd was readable: the path that is another's now, or NULL. */
const char *sbx_watch_lost(struct sbx_watch *watch);

#endif

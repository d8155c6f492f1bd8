/* The placeholders that an engine's jobs hold: made before a job, taken away after it. Where one
 * command follows the other they stay in between, for less than a second. */
#ifndef SBX_PLACEHOLDERS_H
#define SBX_PLACEHOLDERS_H

#include <sys/types.h>

#include "engine/sandbox.h"

struct sbx_top; /* a directory with placeholders in it */

/* Shared by an engine and its jobs, whoever ends last. */
struct sbx_placeholders {
  unsigned users;
  pid_t owner; /* a fork of the host holds a copy that must clear nothing */
  char *path;  /* of the journal, or NULL: none was needed yet */
  int journal; /* -1: not open */
  int keeper;  /* socket to the process that clears what this one can't, or -1 */
  struct sbx_top **tops;
  size_t count;
  int64_t told_ns; /* when the keeper was told last */
};

/* What one job holds. */
struct sbx_hold {
  struct sbx_placeholders *of; /* NULL: nothing */
  struct sbx_top **tops;
  size_t count;
  sbx_plan *inside; /* the sandbox's, and the placeholders as they are now */
};

/* Starts the keeper: its socket, or -1 and errno. */
typedef int sbx_keeper_start(void *context, const char *journal);

struct sbx_placeholders *sbx_placeholders_new(void); /* with one user; NULL and errno */
/* One user less; the last takes away what is left, unless it is a fork. */
void sbx_placeholders_release(struct sbx_placeholders *all);
/* Makes those that the sandbox needs. 0, or -1 and err. */
int sbx_placeholders_make(struct sbx_placeholders *all, const sbx_sandbox *sandbox,
                          struct sbx_hold *hold, sbx_keeper_start *start, void *context,
                          struct sbx_error *err);
/* After the job's tree is gone; idempotent. */
void sbx_placeholders_drop(struct sbx_hold *hold);
/* Whether what is at a path is one of those: for its owner, nothing is there. */
bool sbx_placeholders_have(const struct sbx_placeholders *all, const char *path, uint64_t dev,
                           uint64_t ino);

/* ---- the keeper's process ---- */

/* socket: to the host, whose end it waits for; lease: a pipe that all supervisors of the host keep
 * open. Never comes back before both are gone. */
int sbx_keeper_main(int socket, int lease, const char *journal);

#endif

/* A compiled sandbox: a plan that the kernel has accepted as far as it can before there is a
 * process. Ready to be applied any number of times. */
#ifndef SBX_SANDBOX_H
#define SBX_SANDBOX_H

#include "engine/program.h"
#include "engine/telling.h"
#include "sbx.h"

#define SBX_LIMITS_MAX 16

/* What every job of this sandbox shares; plain data, handed to the spawner as it is. */
struct sbx_layers {
  uint32_t namespaces, flags, kill, nlimits;
  uint64_t keep_caps;
  struct {
    uint32_t resource, reserved;
    uint64_t limit;
  } limits[SBX_LIMITS_MAX];
  uint32_t filter_count; /* instructions; they follow elsewhere */
  uint32_t has_ruleset;
  uint32_t watched;     /* the filter tells the supervisor of calls */
  uint32_t on_behalf;   /* it hands calls to the supervisor, which makes them */
  uint32_t child_ahead; /* a child can wait behind it for its request */
  uint32_t reserved;
  uint64_t filter_key, ruleset_id; /* of its instructions; of the ruleset, in this process */
  /* bytes of what is made inside, and their hashes; they follow the filter */
  uint32_t ahead_size, inside_size;
  uint64_t ahead_key, inside_key;
};

struct sbx_sandbox {
  struct sbx_layers layers;
  /* What the supervisor makes inside, with the identity of each path: first what many policies
   * share. What rests on placeholders is apart: theirs is known once a job has made them. */
  sbx_plan *ahead, *inside, *placeholders;
  sbx_plan *names; /* to be resolved for each job; and by whom the addresses are then told */
  char *journals;  /* of placeholders, in order, each with a NUL byte behind it; or NULL */
  size_t journals_size;
  struct sbx_program refusing; /* the filter of an unwatched run, and the first part of telling's */
  struct sbx_telling telling;
  int ruleset; /* Landlock, or -1 */
  char *cgroup;
  int *pins; /* O_PATH: while it is open, a rule's inode number can't be given to another file */
  size_t npins;
};

/* The filter, of so many instructions as the layers say. */
const struct sock_filter *sbx_sandbox_filter(const sbx_sandbox *sandbox);
/* Notes in the layers what is made inside. */
void sbx_layers_measure(struct sbx_layers *layers, const sbx_plan *inside);

#endif

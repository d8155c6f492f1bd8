/* The seccomp program of a watched sandbox: it refuses, and of the rest it hands calls to the
 * supervisor. */
#ifndef SBX_TELLING_H
#define SBX_TELLING_H

#include <linux/filter.h>

#include "engine/program.h"

struct sbx_telling {
  struct sock_filter *code; /* NULL: none */
  uint32_t count;           /* instructions */
  bool on_behalf;           /* some of the calls are made by the supervisor */
};

/* Compiles the plan's records of type WATCH behind what refuses; their copies in `inside` have the
 * calls' numbers. 0, or -1 and err. */
int sbx_telling_make(struct sbx_telling *telling, const struct sbx_program *refusing,
                     const sbx_plan *plan, sbx_plan *inside, struct sbx_error *err);
/* Whether a child makes it behind the filter, while its supervisor still waits for its execve and
 * could not answer: such a call can't be watched. name: may be NULL or "". */
bool sbx_call_is_own(const char *name, int number);
void sbx_telling_free(struct sbx_telling *telling); /* what it holds */

#endif

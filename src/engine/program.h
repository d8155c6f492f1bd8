/* The seccomp program of a sandbox that refuses, and the records of the plan that it is made of. */
#ifndef SBX_PROGRAM_H
#define SBX_PROGRAM_H

#include <linux/filter.h>

#include "engine/plan.h"

struct sbx_program {
  sbx_plan *calls;
  struct sock_filter *code; /* NULL: none */
  uint32_t count;           /* instructions */
  bool on_behalf;           /* hands calls over that the supervisor makes */
};

/* Adds a record of type REFUSE. 0, or -1 and errno. */
int sbx_program_add(struct sbx_program *program, const struct sbx_record_header *record);
/* Compiles it, or copies another's (or NULL) of the same records: libseccomp takes longer than all
 * else of a sandbox. 0, or -1 and err. */
int sbx_program_make(struct sbx_program *program, const struct sbx_program *like,
                     struct sbx_error *err);
void sbx_program_free(struct sbx_program *program); /* what it holds */

/* A call as a record of the plan has it. */
struct sbx_call {
  struct sbx_refusal refusal;
  struct sbx_arg args[6];
  const char *name;
};
struct sbx_call sbx_call_of(const struct sbx_record_header *record);
/* Whether the supervisor may make it. 0, or -1 and err. */
int sbx_call_on_behalf(const struct sbx_call *call, struct sbx_error *err);

#endif

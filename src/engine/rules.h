/* The rules of a watch: which answer a call gets that is handed over, by its registers alone. The
 * filter looks less closely (notify.h). Several may hold, and what refuses comes first. */
#ifndef SBX_RULES_H
#define SBX_RULES_H

#include <linux/seccomp.h>
#include <stddef.h>

#include "engine/calls.h"
#include "engine/plan.h"

struct sbx_rules {
  struct sbx_rule {
    int number, value; /* SBX_CONTINUE, SBX_ON_BEHALF or an errno */
    unsigned nargs;
    const struct sbx_arg *args;       /* in the plan */
    const struct sbx_call_form *form; /* or NULL */
  } * list;
  size_t count;
  const sbx_plan *plan; /* still to be read; or NULL */
};

/* Makes room for those of a plan, which must outlive them. They are read when the first call comes:
 * many a short command makes none that is handed over. 0, or -1 and errno. */
int sbx_rules_open(struct sbx_rules *rules, const sbx_plan *plan);
/* Reads them now. */
void sbx_rules_read(struct sbx_rules *rules);
/* The rule that decides, or NULL. */
const struct sbx_rule *sbx_rules_find(struct sbx_rules *rules, const struct seccomp_data *data);

#endif

/* What a tree has used, from the few files of /proc that tell it of the dead. */
#ifndef SBX_METER_H
#define SBX_METER_H

#include <stdbool.h>

#include "sbx.h"

struct sbx_meter {
  int64_t first_id;
  int io, ids;                   /* -1: not known */
  int64_t own_read, own_written; /* of the supervisor itself */
};

#define SBX_METER_NONE ((struct sbx_meter){.io = -1, .ids = -1})

/* While the supervisor may still open its own files: they belong to root once it is not dumpable.
 */
void sbx_meter_open(struct sbx_meter *meter, bool pidns);
/* What is counted is what comes after. */
void sbx_meter_begin(struct sbx_meter *meter);
/* Of all that was waited for until now; reaped: how many by the supervisor itself. */
void sbx_meter_read(const struct sbx_meter *meter, int64_t reaped, struct sbx_usage *usage);

#endif

/* What a tree has used, from the few files of /proc that tell it of the dead. */
#ifndef SBX_METER_H
#define SBX_METER_H

#include <stdbool.h>

#include "sbx.h"

struct sbx_meter {
  int64_t first_id;
  int io, ids;                   /* -1: not known */
  int64_t own_read, own_written; /* of the supervisor itself */
  int64_t own_forks;
  int64_t own_events; /* bytes read of what became of protected names */
};

/* What the io file said when the supervisor began to do something of its own. */
struct sbx_aside {
  int64_t size, in, out; /* size: of the file itself, 0: it can't be read */
};

#define SBX_METER_NONE ((struct sbx_meter){.io = -1, .ids = -1})

/* While the supervisor may still open its own files: they belong to root once it is not dumpable.
 */
void sbx_meter_open(struct sbx_meter *meter, bool pidns);
/* What is counted is what comes after. */
void sbx_meter_begin(struct sbx_meter *meter);
/* Around what the supervisor reads and writes by itself, and nothing is waited for in between: the
 * kernel's own figures say how much it was. */
struct sbx_aside sbx_meter_aside(const struct sbx_meter *meter);
void sbx_meter_resume(struct sbx_meter *meter, const struct sbx_aside *aside);
/* Of all that was waited for until the aside began; reaped: how many by the supervisor itself. */
void sbx_meter_read(const struct sbx_meter *meter, const struct sbx_aside *aside, int64_t reaped,
                    struct sbx_usage *usage);

#endif

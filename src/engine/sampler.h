/* Looks at a tree now and then, for bounds that no layer of the kernel holds or tells of. It costs
 * a hundredth of a processor, a tenth of one close to a bound. */
#ifndef SBX_SAMPLER_H
#define SBX_SAMPLER_H

#include "engine/groups.h"
#include "engine/meter.h"

struct sbx_sampler {
  const struct sbx_bounds *bounds; /* NULL: nothing to look at */
  const struct sbx_groups *groups;
  struct sbx_meter *meter; /* what is read here is not the command's */
  const sbx_plan *plan;
  const struct sbx_broker *broker; /* whose workers are not the command's */
  bool pidns;
  int64_t due_ns;
  uint32_t reached;         /* 1 << enum sbx_bound */
  uint64_t memory, peak;    /* of the tree, bytes */
  uint64_t cpu_us, last_us; /* cpu_us never falls: what is never waited for counts, too */
};

void sbx_sampler_start(struct sbx_sampler *sampler, const sbx_plan *plan, bool pidns,
                       const struct sbx_groups *groups, const struct sbx_broker *broker,
                       struct sbx_meter *meter);
/* When due: the bound that was passed, or SBX_BOUND_NONE. */
enum sbx_bound sbx_sampler_look(struct sbx_sampler *sampler);
/* At the end of the command: the bound that it died of. failed: it did not end with 0. */
enum sbx_bound sbx_sampler_conclude(struct sbx_sampler *sampler, bool failed);
/* What was seen better than by waiting. */
void sbx_sampler_usage(const struct sbx_sampler *sampler, struct sbx_usage *usage);

#endif

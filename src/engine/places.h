/* What Landlock gives below which path, for who has to tell before it refuses: the sum of all that
 * lie above, as the kernel has it. */
#ifndef SBX_PLACES_H
#define SBX_PLACES_H

#include "engine/plan.h"

struct sbx_places {
  const sbx_plan *plan;
  uint32_t handled; /* enum sbx_place: what it takes away elsewhere */
};

void sbx_places_read(struct sbx_places *places, const sbx_plan *plan);
/* Whether something at the path is refused that needs this right. */
bool sbx_places_refuse(const struct sbx_places *places, const char *path, uint32_t right);
/* Whether a mount hides the path: what is behind can't be seen, nor whether it is there. */
bool sbx_places_hide(const struct sbx_places *places, const char *path);

#endif

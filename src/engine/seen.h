/* What a job's watch has told of, as the host keeps it: bounded, whatever comes. */
#ifndef SBX_SEEN_H
#define SBX_SEEN_H

#include "sbx.h"

struct sbx_seen_list {
  struct sbx_seen_slot *slots[SBX_SEEN_MAX]; /* NULL: nothing under this number */
  unsigned waiting;                          /* refusals that no step has given yet */
};

/* Reads a message: false: it is none. */
bool sbx_seen_take(struct sbx_seen_list *list, const char *bytes, size_t size);
/* The number of the next refusal that was not given yet. */
bool sbx_seen_next(struct sbx_seen_list *list, size_t *number);
bool sbx_seen_waits(const struct sbx_seen_list *list);
bool sbx_seen_get(const struct sbx_seen_list *list, size_t number, struct sbx_seen *seen);
void sbx_seen_free(struct sbx_seen_list *list);

#endif

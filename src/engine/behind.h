/* Whether a child can wait for its request behind its filter: what it calls from then on. */
#ifndef SBX_BEHIND_H
#define SBX_BEHIND_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

/* None of a waiting child's calls is refused or handed over, whatever its arguments are. Without a
 * program it can. */
bool sbx_child_may_wait(const struct sock_filter *filter, size_t count);

#endif

/* The part of a filter that hands calls to a listener, behind what refuses. It may hand over more
 * than was asked for, never less: who listens compares the registers again. Foreign architectures
 * are for what refuses to refuse. */
#ifndef SBX_NOTIFY_H
#define SBX_NOTIFY_H

#include <linux/filter.h>
#include <stddef.h>

#include "sbx.h"

struct sbx_notify {
  struct sbx_notify_call {
    int number;
    int index;     /* of the argument that tells; -1: every call */
    uint32_t bits; /* any of them set; 0: the argument isn't 0 */
  } * list;
  size_t count;
};

/* A rule for a call, all of whose comparisons hold. 0, or -1 and errno. */
int sbx_notify_add(struct sbx_notify *notify, int number, const struct sbx_arg *args,
                   unsigned nargs);
/* The whole program (free() it), or NULL and errno. What `refusing` allows, a program of
 * `refusing_count` instructions or none, goes on to this part, so that of both the stricter answer
 * is taken, as by two filters (seccomp(2)), at the price of one. One call is compared after the
 * other: sbx_filter_shorten is for that. */
struct sock_filter *sbx_notify_compile(const struct sbx_notify *notify,
                                       const struct sock_filter *refusing, size_t refusing_count,
                                       size_t *count);
void sbx_notify_free(struct sbx_notify *notify);

#endif

/* What a watch has seen: equal refusals are counted; so much is kept and no more, whatever the
 * command does. */
#ifndef SBX_REFUSED_H
#define SBX_REFUSED_H

#include "engine/who.h"
#include "sbx.h"

#define SBX_REFUSED_KEPT 256
#define SBX_REFUSED_FAILURES 64
#define SBX_REFUSED_UNREAD (SBX_REFUSED_KEPT + SBX_REFUSED_FAILURES)
#define SBX_REFUSED_DROPPED (SBX_REFUSED_UNREAD + 1)
#define SBX_REFUSED_ALL (SBX_REFUSED_DROPPED + 1)

struct sbx_refused {
  struct sbx_kept {
    struct sbx_seen seen; /* its strings are its own, in one block */
    char *text;
    uint32_t hash;
    bool used, changed, told; /* since it was told last; ever */
  } list[SBX_REFUSED_ALL];
  size_t count, replaced, failures;
  uint64_t order;
  bool changed; /* something is to be told */
};

/* kind REFUSED: code, call, operation, by, path and target are the caller's. */
void sbx_refused_add(struct sbx_refused *refused, const struct sbx_seen *seen,
                     const struct sbx_who *who);
void sbx_refused_failure(struct sbx_refused *refused, const struct sbx_who *who, int code);
void sbx_refused_unread(struct sbx_refused *refused, const struct sbx_who *who, int call);
/* Tells the host what it doesn't know yet and never waits: first what it has never heard of, all
 * that changed with `all`. False: something is left. */
bool sbx_refused_tell(struct sbx_refused *refused, int socket, bool all);
/* The last word: waits a bounded time for a host that doesn't read. */
void sbx_refused_tell_last(struct sbx_refused *refused, int socket);

#endif

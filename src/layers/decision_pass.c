/* What a program says of a call whose arguments are not known. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "layers/decision.h"
#include "layers/seccomp.h"

struct question {
  const struct sbx_decisions *graph;
  char *asked; /* of each place: 1 once it was looked at for this call */
  uint32_t arch;
  const struct sbx_own_call *call;
};

static bool holds(const struct sbx_decision *d, uint32_t word) {
  word &= d->mask;
  switch (d->op) {
  case BPF_JEQ: return word == d->k;
  case BPF_JGT: return word > d->k;
  case BPF_JGE: return word >= d->k;
  default: return (word & d->k) != 0;
  }
}

/* The word that is compared, where it is known. */
static bool read_word(const struct question *q, uint32_t offset, uint32_t *word) {
  struct seccomp_data data = {.nr = q->call->number, .arch = q->arch};
  size_t first = offsetof(struct seccomp_data, args);
  bool is_first = offset >= first && offset < first + sizeof data.args[0];
  data.args[0] = q->call->first;
  if (offset != offsetof(struct seccomp_data, nr) &&
      offset != offsetof(struct seccomp_data, arch) && !(is_first && q->call->knows_first))
    return false;
  memcpy(word, (const char *)&data + offset, sizeof *word);
  return true;
}

static bool is_allowed(struct question *q, int place) {
  const struct sbx_decision *d = &q->graph->list[place];
  uint32_t word;
  if (d->answers) return d->k == SECCOMP_RET_ALLOW;
  if (q->asked[place]) return true; /* by another way: it is in that one's answer */
  q->asked[place] = 1;
  if (read_word(q, d->offset, &word)) return is_allowed(q, holds(d, word) ? d->taken : d->missed);
  return is_allowed(q, d->taken) && is_allowed(q, d->missed);
}

static bool all_pass(const struct sbx_decisions *graph, int root, const struct sbx_own_call *calls,
                     size_t ncalls) {
  char *asked = malloc((size_t)graph->count);
  struct question q = {.graph = graph, .asked = asked, .arch = sbx_call_arch()};
  bool pass = asked != NULL;
  for (size_t i = 0; pass && i < ncalls; i++) {
    q.call = &calls[i];
    memset(asked, 0, (size_t)graph->count);
    pass = is_allowed(&q, root);
  }
  free(asked);
  return pass;
}

bool sbx_filter_lets_pass(const struct sock_filter *program, size_t count,
                          const struct sbx_own_call *calls, size_t ncalls) {
  struct sbx_decisions graph;
  bool pass = count == 0;
  if (count == 0 || count > SBX_READ_MAX) return pass;
  if (sbx_decisions_open(&graph, (int)count + 1) == 0) {
    int root = sbx_decisions_read(&graph, program, count);
    pass = root >= 0 && !graph.full && all_pass(&graph, root, calls, ncalls);
  }
  sbx_decisions_close(&graph);
  return pass;
}

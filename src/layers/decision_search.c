/* The search for the call's number: calls with the same way on, whose numbers follow each other,
 * are one range, and the ranges are found by halves. */
#include <stdlib.h>

#include "layers/decision.h"

#define NUMBER ((uint32_t)offsetof(struct seccomp_data, nr))
/* Ranges that are compared one after another at the end of the search. */
#define LEAF 4

struct range {
  uint32_t first, last;
  int target;
};

static bool compares_number(const struct sbx_decision *d) {
  return !d->answers && d->offset == NUMBER && d->mask == SBX_WHOLE_WORD && d->op != BPF_JSET;
}

static int next_of(const struct sbx_decision *d, uint32_t number) {
  bool taken = d->op == BPF_JEQ   ? number == d->k
               : d->op == BPF_JGT ? number > d->k
                                  : number >= d->k;
  return taken ? d->taken : d->missed;
}

/* ---- what is left to decide of one number ---- */

/* known: of each decision, what it comes to, or -1. */
static int settle(struct sbx_decisions *graph, int at, uint32_t number, int *known) {
  while (compares_number(&graph->list[at])) at = next_of(&graph->list[at], number);
  struct sbx_decision d = graph->list[at];
  if (d.answers) return at;
  if (known[at] < 0) {
    d.taken = settle(graph, d.taken, number, known);
    d.missed = settle(graph, d.missed, number, known);
    known[at] = sbx_decisions_add(graph, d);
  }
  return known[at];
}

/* ---- ranges ---- */

static int by_value(const void *a, const void *b) {
  const uint32_t *left = a, *right = b;
  return (*left > *right) - (*left < *right);
}

/* Where the way on can change: 0, and what any comparison names. Ascending, each once. */
static size_t find_edges(const struct sbx_decisions *graph, uint32_t *edges) {
  size_t count = 1, kept = 0;
  edges[0] = 0;
  for (int i = 0; i < graph->count; i++) {
    const struct sbx_decision *d = &graph->list[i];
    if (!compares_number(d)) continue;
    edges[count++] = d->k;
    if (d->k < UINT32_MAX) edges[count++] = d->k + 1;
  }
  qsort(edges, count, sizeof *edges, by_value);
  for (size_t i = 1; i < count; i++)
    if (edges[i] != edges[kept]) edges[++kept] = edges[i];
  return kept + 1;
}

/* All numbers, in order. */
static size_t find_ranges(struct sbx_decisions *graph, int root, const uint32_t *edges,
                          size_t nedges, int *known, struct range *ranges) {
  int there = graph->count; /* what is added on the way is settled */
  size_t count = 0;
  for (size_t i = 0; i < nedges; i++) {
    uint32_t last = i + 1 < nedges ? edges[i + 1] - 1 : UINT32_MAX;
    for (int at = 0; at < there; at++) known[at] = -1;
    int target = settle(graph, root, edges[i], known);
    if (count && ranges[count - 1].target == target)
      ranges[count - 1].last = last;
    else
      ranges[count++] = (struct range){edges[i], last, target};
  }
  return count;
}

/* What most of them lead to, which needs no comparison of its own. */
static int most_common(const struct range *ranges, size_t count) {
  size_t best = 0, most = 0;
  for (size_t i = 0; i < count; i++) {
    size_t times = 0;
    for (size_t j = 0; j < count; j++) times += ranges[j].target == ranges[i].target;
    if (times > most) {
      most = times;
      best = i;
    }
  }
  return ranges[best].target;
}

/* ---- the search ---- */

static int compare(struct sbx_decisions *graph, uint16_t op, uint32_t k, int taken, int missed) {
  return sbx_decisions_add(graph, (struct sbx_decision){.op = op,
                                                        .offset = NUMBER,
                                                        .mask = SBX_WHOLE_WORD,
                                                        .k = k,
                                                        .taken = taken,
                                                        .missed = missed});
}

/* otherwise: where no range has the number. */
static int search(struct sbx_decisions *graph, const struct range *ranges, size_t count,
                  int otherwise) {
  if (count > LEAF) {
    size_t middle = count / 2;
    int below = search(graph, ranges, middle, otherwise);
    int above = search(graph, ranges + middle, count - middle, otherwise);
    return compare(graph, BPF_JGE, ranges[middle].first, above, below);
  }
  int way = otherwise;
  for (size_t i = count; i-- > 0;) {
    const struct range *range = &ranges[i];
    if (range->first == range->last) {
      way = compare(graph, BPF_JEQ, range->first, range->target, way);
    } else { /* below it are only such as were compared before */
      int within = compare(graph, BPF_JGT, range->last, way, range->target);
      way = compare(graph, BPF_JGE, range->first, within, otherwise);
    }
  }
  return way;
}

static int search_ranges(struct sbx_decisions *graph, struct range *ranges, size_t count) {
  int otherwise = most_common(ranges, count);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (ranges[i].target != otherwise) ranges[kept++] = ranges[i];
  return search(graph, ranges, kept, otherwise);
}

static int search_anew(struct sbx_decisions *graph, int root) {
  size_t most = (size_t)graph->count * 2 + 1;
  uint32_t *edges = malloc(most * sizeof *edges);
  struct range *ranges = calloc(most, sizeof *ranges);
  int *known = malloc((size_t)graph->count * sizeof *known), found = -1;
  if (edges && ranges && known)
    found = search_ranges(graph, ranges,
                          find_ranges(graph, root, edges, find_edges(graph, edges), known, ranges));
  free(edges);
  free(ranges);
  free(known);
  return found;
}

int sbx_decisions_search(struct sbx_decisions *graph, int root) {
  struct sbx_decision arch = graph->list[root];
  if (arch.answers || arch.offset != offsetof(struct seccomp_data, arch)) return root;
  arch.taken = search_anew(graph, arch.taken);
  return arch.taken < 0 ? -1 : sbx_decisions_add(graph, arch);
}

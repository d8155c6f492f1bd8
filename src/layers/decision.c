#include "layers/decision.h"

#include <stdlib.h>

int sbx_decisions_open(struct sbx_decisions *graph, int room) {
  *graph = (struct sbx_decisions){.room = room, .slots = 64};
  while (graph->slots < room * 2) graph->slots *= 2;
  graph->list = malloc((size_t)room * sizeof *graph->list);
  graph->table = malloc((size_t)graph->slots * sizeof *graph->table);
  for (int i = 0; graph->table && i < graph->slots; i++) graph->table[i] = -1;
  return graph->list && graph->table ? 0 : -1;
}

void sbx_decisions_close(struct sbx_decisions *graph) {
  free(graph->list);
  free(graph->table);
}

/* ---- one of each ---- */

static bool is_same(const struct sbx_decision *a, const struct sbx_decision *b) {
  return a->answers == b->answers && a->op == b->op && a->offset == b->offset &&
         a->mask == b->mask && a->k == b->k && a->taken == b->taken && a->missed == b->missed;
}

/* FNV-1a, of words. */
static uint32_t hash_of(const struct sbx_decision *d) {
  const uint32_t words[] = {d->answers,         d->op, d->offset, d->mask, d->k, (uint32_t)d->taken,
                            (uint32_t)d->missed};
  uint32_t hash = UINT32_C(2166136261);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    hash = (hash ^ words[i] ^ words[i] >> 15) * UINT32_C(16777619);
  return hash;
}

static int keep(struct sbx_decisions *graph, struct sbx_decision decision) {
  uint32_t slot = hash_of(&decision) & (uint32_t)(graph->slots - 1);
  for (; graph->table[slot] >= 0; slot = (slot + 1) & (uint32_t)(graph->slots - 1))
    if (is_same(&graph->list[graph->table[slot]], &decision)) return graph->table[slot];
  if (graph->count == graph->room) {
    graph->full = true;
    return 0;
  }
  graph->list[graph->count] = decision;
  graph->table[slot] = graph->count;
  return graph->count++;
}

/* ---- comparisons of bits ---- */

static bool is_bits_of(const struct sbx_decision *d, uint32_t offset) {
  return !d->answers && d->op == BPF_JSET && d->offset == offset;
}

/* Any of these; a further such comparison behind it is one with it. */
static int add_bits(struct sbx_decisions *graph, uint32_t offset, uint32_t bits, int taken,
                    int missed) {
  if (bits == 0 || taken == missed) return missed;
  const struct sbx_decision *next = &graph->list[missed];
  if (is_bits_of(next, offset) && next->taken == taken) {
    bits |= next->k;
    missed = next->missed;
  }
  return keep(graph, (struct sbx_decision){.op = BPF_JSET,
                                           .offset = offset,
                                           .mask = SBX_WHOLE_WORD,
                                           .k = bits,
                                           .taken = taken,
                                           .missed = missed});
}

static bool is_one_bit(uint32_t bits) {
  return bits && !(bits & (bits - 1));
}

int sbx_decisions_add(struct sbx_decisions *graph, struct sbx_decision d) {
  if (d.answers) return keep(graph, d);
  if (d.taken == d.missed) return d.taken;
  if (d.op == BPF_JSET) return add_bits(graph, d.offset, d.k & d.mask, d.taken, d.missed);
  if (d.op == BPF_JEQ && d.k & ~d.mask) return d.missed;
  if (d.op == BPF_JEQ && d.mask != SBX_WHOLE_WORD && d.k == 0)
    return add_bits(graph, d.offset, d.mask, d.missed, d.taken);
  if (d.op == BPF_JEQ && d.k == d.mask && is_one_bit(d.mask))
    return add_bits(graph, d.offset, d.mask, d.taken, d.missed);
  return keep(graph, d);
}

void sbx_held_meet(struct sbx_held *held, struct sbx_held other) {
  if (!held->known)
    *held = other;
  else if (other.clashes || held->offset != other.offset || held->mask != other.mask)
    held->clashes = true;
}

/* ---- the whole ---- */

static struct sock_filter *shorten(struct sbx_decisions *graph, const struct sock_filter *program,
                                   size_t *count) {
  int root = sbx_decisions_read(graph, program, *count);
  if (root >= 0 && !graph->full) root = sbx_decisions_search(graph, root);
  if (root < 0 || graph->full) return NULL;
  return sbx_decisions_write(graph, root, count);
}

struct sock_filter *sbx_filter_shorten(struct sock_filter *program, size_t *count) {
  struct sbx_decisions graph;
  struct sock_filter *shorter = NULL;
  if (*count == 0 || *count > SBX_READ_MAX) return program;
  if (sbx_decisions_open(&graph, (int)*count * 4 + 16) == 0)
    shorter = shorten(&graph, program, count);
  sbx_decisions_close(&graph);
  if (!shorter) return program;
  free(program);
  return shorter;
}

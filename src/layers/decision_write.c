/* From what is decided to a program. */
#include <stdlib.h>

#include "layers/decision.h"

/* As far as a conditional jump leads. */
#define NEAR 255

struct place {
  struct sbx_held before; /* what it finds in the accumulator */
  size_t at;              /* its first instruction */
  bool reached, far_taken, far_missed;
};

struct layout {
  const struct sbx_decision *list;
  struct place *places; /* of each decision */
  int *order, count;    /* each before those that it leads to */
};

/* ---- the order ---- */

/* Depth first; what is visited last comes next, so that a comparison that fails falls through. */
static void visit(struct layout *l, int which) {
  const struct sbx_decision *d = &l->list[which];
  if (l->places[which].reached) return;
  l->places[which].reached = true;
  if (!d->answers) {
    visit(l, d->taken);
    visit(l, d->missed);
  }
  l->order[l->count++] = which;
}

static void put_in_order(struct layout *l, int root) {
  visit(l, root);
  for (int i = 0; i < l->count / 2; i++) {
    int other = l->order[l->count - 1 - i];
    l->order[l->count - 1 - i] = l->order[i];
    l->order[i] = other;
  }
}

static void find_held(struct layout *l) {
  for (int i = 0; i < l->count; i++) {
    const struct sbx_decision *d = &l->list[l->order[i]];
    struct sbx_held held = {true, false, d->offset, d->mask};
    if (d->answers) continue;
    sbx_held_meet(&l->places[d->taken].before, held);
    sbx_held_meet(&l->places[d->missed].before, held);
  }
}

/* ---- sizes ---- */

static bool must_load(const struct layout *l, int which) {
  const struct sbx_held *before = &l->places[which].before;
  const struct sbx_decision *d = &l->list[which];
  return !before->known || before->clashes || before->offset != d->offset ||
         (d->mask & ~before->mask) != 0;
}

static bool must_mask(const struct layout *l, int which) {
  uint32_t held = must_load(l, which) ? SBX_WHOLE_WORD : l->places[which].before.mask;
  return l->list[which].mask != held;
}

static size_t size_of(const struct layout *l, int which) {
  const struct place *place = &l->places[which];
  if (l->list[which].answers) return 1;
  return (size_t)must_load(l, which) + must_mask(l, which) + 1 + place->far_taken +
         place->far_missed;
}

static size_t measure(struct layout *l) {
  size_t size = 0;
  for (int i = 0; i < l->count; i++) {
    l->places[l->order[i]].at = size;
    size += size_of(l, l->order[i]);
  }
  return size;
}

/* Whether a jump that is too long has become one of two instructions: all are measured again. */
static bool stretch(struct layout *l) {
  bool changed = false;
  for (int i = 0; i < l->count; i++) {
    struct place *place = &l->places[l->order[i]];
    const struct sbx_decision *d = &l->list[l->order[i]];
    if (d->answers) continue;
    bool far_taken = l->places[d->taken].at - place->at > NEAR;
    bool far_missed = l->places[d->missed].at - place->at > NEAR;
    changed |= (far_taken && !place->far_taken) || (far_missed && !place->far_missed);
    place->far_taken |= far_taken;
    place->far_missed |= far_missed;
  }
  return changed;
}

/* ---- instructions ---- */

static void put(struct sock_filter **at, uint16_t code, uint32_t k) {
  *(*at)++ = (struct sock_filter){.code = code, .k = k};
}

static void put_jump(const struct layout *l, int which, struct sock_filter *program,
                     struct sock_filter *at) {
  const struct sbx_decision *d = &l->list[which];
  const struct place *place = &l->places[which];
  size_t behind = (size_t)(at - program) + 1;
  size_t taken = l->places[d->taken].at, missed = l->places[d->missed].at;
  at->code = (uint16_t)(BPF_JMP | d->op | BPF_K);
  at->k = d->k;
  at->jt = place->far_taken ? 0 : (uint8_t)(taken - behind);
  at->jf = place->far_missed ? place->far_taken : (uint8_t)(missed - behind);
  at++;
  if (place->far_taken) put(&at, BPF_JMP | BPF_JA, (uint32_t)(taken - behind - 1));
  if (place->far_missed)
    put(&at, BPF_JMP | BPF_JA, (uint32_t)(missed - behind - 1 - place->far_taken));
}

static void put_decision(const struct layout *l, int which, struct sock_filter *program) {
  const struct sbx_decision *d = &l->list[which];
  struct sock_filter *at = program + l->places[which].at;
  if (d->answers) {
    put(&at, BPF_RET | BPF_K, d->k);
    return;
  }
  if (must_load(l, which)) put(&at, BPF_LD | BPF_W | BPF_ABS, d->offset);
  if (must_mask(l, which)) put(&at, BPF_ALU | BPF_AND | BPF_K, d->mask);
  put_jump(l, which, program, at);
}

static struct sock_filter *write_all(struct layout *l, int root, size_t *count) {
  put_in_order(l, root);
  find_held(l);
  size_t size = measure(l);
  while (stretch(l)) size = measure(l);
  struct sock_filter *program = size < *count ? calloc(size, sizeof *program) : NULL;
  if (!program) return NULL;
  for (int i = 0; i < l->count; i++) put_decision(l, l->order[i], program);
  *count = size;
  return program;
}

struct sock_filter *sbx_decisions_write(const struct sbx_decisions *graph, int root,
                                        size_t *count) {
  struct layout layout = {.list = graph->list,
                          .places = calloc((size_t)graph->count, sizeof *layout.places),
                          .order = calloc((size_t)graph->count, sizeof *layout.order)};
  struct sock_filter *program = NULL;
  if (layout.places && layout.order) program = write_all(&layout, root, count);
  free(layout.places);
  free(layout.order);
  return program;
}

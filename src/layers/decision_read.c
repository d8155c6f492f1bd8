/* From a program to what it decides. */
#include <stdlib.h>

#include "layers/decision.h"

/* What the accumulator holds behind this instruction; false for one that is not understood here. */
static bool step(const struct sock_filter *at, struct sbx_held *held) {
  switch (at->code) {
  case BPF_LD | BPF_W | BPF_ABS:
    *held = (struct sbx_held){true, false, at->k, SBX_WHOLE_WORD};
    return true;
  case BPF_ALU | BPF_AND | BPF_K: held->mask &= at->k; return held->known && !held->clashes;
  case BPF_RET | BPF_K:
  case BPF_JMP | BPF_JA: return true;
  case BPF_JMP | BPF_JEQ | BPF_K:
  case BPF_JMP | BPF_JGT | BPF_K:
  case BPF_JMP | BPF_JGE | BPF_K:
  case BPF_JMP | BPF_JSET | BPF_K: return held->known && !held->clashes;
  default: return false;
  }
}

static bool is_conditional(const struct sock_filter *at) {
  return BPF_CLASS(at->code) == BPF_JMP && BPF_OP(at->code) != BPF_JA;
}

/* The instruction behind it, or where it leads if what it compares holds. */
static size_t taken_from(const struct sock_filter *at, size_t i) {
  if (BPF_CLASS(at->code) != BPF_JMP) return i + 1;
  return i + 1 + (BPF_OP(at->code) == BPF_JA ? at->k : at->jt);
}

/* What each instruction finds in the accumulator; jumps lead forward only. */
static bool follow(const struct sock_filter *program, size_t count, struct sbx_held *before) {
  for (size_t i = 0; i < count; i++) {
    const struct sock_filter *at = &program[i];
    struct sbx_held held = before[i];
    if (!step(at, &held)) return false;
    if (BPF_CLASS(at->code) == BPF_RET) continue;
    size_t taken = taken_from(at, i), missed = is_conditional(at) ? i + 1 + at->jf : taken;
    if (taken >= count || missed >= count) return false;
    sbx_held_meet(&before[taken], held);
    if (missed != taken) sbx_held_meet(&before[missed], held);
  }
  return true;
}

/* From the end, as each instruction leads to later ones. places: in the graph, of each. */
static void add_all(struct sbx_decisions *graph, const struct sock_filter *program, size_t count,
                    const struct sbx_held *before, int *places) {
  for (size_t i = count; i-- > 0;) {
    const struct sock_filter *at = &program[i];
    if (BPF_CLASS(at->code) == BPF_RET)
      places[i] = sbx_decisions_add(graph, (struct sbx_decision){.answers = true, .k = at->k});
    else if (!is_conditional(at))
      places[i] = places[taken_from(at, i)];
    else
      places[i] = sbx_decisions_add(graph, (struct sbx_decision){.op = BPF_OP(at->code),
                                                                 .offset = before[i].offset,
                                                                 .mask = before[i].mask,
                                                                 .k = at->k,
                                                                 .taken = places[i + 1 + at->jt],
                                                                 .missed = places[i + 1 + at->jf]});
  }
}

int sbx_decisions_read(struct sbx_decisions *graph, const struct sock_filter *program,
                       size_t count) {
  struct sbx_held *before = calloc(count, sizeof *before);
  int *places = calloc(count, sizeof *places), root = -1;
  if (before && places && follow(program, count, before)) {
    add_all(graph, program, count, before, places);
    root = places[0];
  }
  free(before);
  free(places);
  return root;
}

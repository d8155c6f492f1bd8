#include "engine/rules.h"

#include <stdlib.h>

static size_t count_of(const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  size_t count = 0;
  while ((header = sbx_plan_next(&cursor))) count += header->type == SBX_RECORD_WATCH;
  return count;
}

/* What refuses first, then what is on behalf: that it goes on is the answer only where no other
 * rule has one. */
static int rank(const struct sbx_rule *rule) {
  if (rule->value == SBX_CONTINUE) return 2;
  return rule->value == SBX_ON_BEHALF ? 1 : 0;
}

static bool is_before(const struct sbx_rule *a, const struct sbx_rule *b) {
  if (a->number != b->number) return a->number < b->number;
  return rank(a) < rank(b);
}

/* They come nearly in order (sandbox.c); qsort(3) would allocate, and ask how much memory there is.
 */
static void insert(struct sbx_rules *rules, struct sbx_rule rule) {
  size_t at = rules->count++;
  for (; at > 0 && is_before(&rule, &rules->list[at - 1]); at--)
    rules->list[at] = rules->list[at - 1];
  rules->list[at] = rule;
}

int sbx_rules_open(struct sbx_rules *rules, const sbx_plan *plan) {
  rules->plan = plan;
  rules->list = malloc((count_of(plan) + 1) * sizeof *rules->list);
  return rules->list ? 0 : -1;
}

void sbx_rules_read(struct sbx_rules *rules) {
  if (!rules->plan) return;
  struct sbx_cursor cursor = sbx_plan_cursor(rules->plan);
  const struct sbx_record_header *header;
  rules->plan = NULL;
  while ((header = sbx_plan_next(&cursor))) {
    const struct sbx_refusal *refusal = sbx_record_payload(header);
    if (header->type != SBX_RECORD_WATCH) continue;
    bool again = rules->count > 0 && rules->list[rules->count - 1].number == refusal->number;
    insert(rules, (struct sbx_rule){refusal->number, refusal->errno_value, refusal->nargs,
                                    (const struct sbx_arg *)(refusal + 1),
                                    again ? rules->list[rules->count - 1].form
                                          : sbx_call_form(refusal->number)});
  }
}

/* As the filter does: on all 64 bits. */
static bool holds(const struct sbx_arg *arg, const struct seccomp_data *data) {
  if (arg->index > 5) return false;
  uint64_t value = data->args[arg->index];
  switch (arg->op) {
  case SBX_EQ: return value == arg->a;
  case SBX_NE: return value != arg->a;
  case SBX_LT: return value < arg->a;
  case SBX_LE: return value <= arg->a;
  case SBX_GT: return value > arg->a;
  case SBX_GE: return value >= arg->a;
  case SBX_MASKED_EQ: return (value & arg->a) == arg->b;
  default: return false;
  }
}

static bool all_hold(const struct sbx_rule *rule, const struct seccomp_data *data) {
  for (unsigned i = 0; i < rule->nargs; i++)
    if (!holds(&rule->args[i], data)) return false;
  return true;
}

/* The first of a call's, as they are sorted. */
static size_t first_of(const struct sbx_rules *rules, int number) {
  size_t low = 0, high = rules->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (rules->list[middle].number < number)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

const struct sbx_rule *sbx_rules_find(struct sbx_rules *rules, const struct seccomp_data *data) {
  sbx_rules_read(rules);
  for (size_t i = first_of(rules, data->nr); i < rules->count; i++) {
    if (rules->list[i].number != data->nr) return NULL;
    if (all_hold(&rules->list[i], data)) return &rules->list[i];
  }
  return NULL;
}

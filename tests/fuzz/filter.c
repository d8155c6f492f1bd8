/* The two programs of a watched sandbox in one: what refuses is answered as without the other, what
 * a rule of the watch names is handed over, and no call that none names. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "engine/rules.h"
#include "fuzz.h"
#include "layers/notify.h"
#include "layers/seccomp.h"

#define RULES 64
#define CALLS 480
#define ARGS 3

struct rule {
  int number;
  unsigned nargs;
  struct sbx_arg args[ARGS];
};

struct rules {
  struct rule list[RULES];
  size_t count;
};

/* ---- what the kernel does with a program (Documentation/networking/filter.rst) ---- */

static bool jumps(const struct sock_filter *at, uint32_t a) {
  switch (BPF_OP(at->code)) {
  case BPF_JEQ: return a == at->k;
  case BPF_JGT: return a > at->k;
  case BPF_JGE: return a >= at->k;
  case BPF_JSET: return a & at->k;
  default: MUST(!"a jump that seccomp knows"); return false;
  }
}

static uint32_t answer(const struct sock_filter *program, size_t count,
                       const struct seccomp_data *data) {
  uint32_t a = 0;
  for (size_t i = 0; i < count; i++) {
    const struct sock_filter *at = &program[i];
    switch (BPF_CLASS(at->code)) {
    case BPF_LD:
      MUST(at->k % 4 == 0 && at->k < sizeof *data);
      memcpy(&a, (const char *)data + at->k, sizeof a);
      break;
    case BPF_ALU:
      MUST(BPF_OP(at->code) == BPF_AND);
      a &= at->k;
      break;
    case BPF_JMP: i += BPF_OP(at->code) == BPF_JA ? at->k : jumps(at, a) ? at->jt : at->jf; break;
    default: MUST(at->code == (BPF_RET | BPF_K)); return at->k;
    }
  }
  MUST(!"a program that ends");
  return 0;
}

/* ---- rules ---- */

static uint64_t value_of(struct fuzz_input *in) {
  uint64_t value = fuzz_number(in, 256);
  switch (fuzz_number(in, 4)) {
  case 0: return value << 32;
  case 1: return UINT64_C(1) << value % 64;
  case 2: return ~value;
  default: return value;
  }
}

/* Those of the lists in lua/sbx are of these kinds: a bit, a value, and all but a value. */
static struct sbx_arg arg_of(struct fuzz_input *in) {
  static const uint32_t ops[] = {SBX_MASKED_EQ, SBX_NE, SBX_EQ, SBX_MASKED_EQ};
  uint32_t op = ops[fuzz_number(in, 4)];
  struct sbx_arg arg = {.index = fuzz_number(in, 6), .op = op, .a = value_of(in)};
  if (op == SBX_NE && fuzz_number(in, 2)) arg.a = 0;
  if (op == SBX_MASKED_EQ) arg.b = fuzz_number(in, 4) ? arg.a : arg.a & value_of(in);
  return arg;
}

static void read_rules(struct rules *rules, struct fuzz_input *in, size_t most) {
  for (rules->count = 0; rules->count < most && in->at < in->end; rules->count++) {
    struct rule *rule = &rules->list[rules->count];
    rule->number = (int)(fuzz_number(in, 256) + fuzz_number(in, 2) * (CALLS - 256));
    rule->nargs = fuzz_number(in, ARGS + 1);
    for (unsigned i = 0; i < rule->nargs; i++) {
      rule->args[i] = arg_of(in);
      rule->args[i].index = (rule->args[0].index + i) % 6; /* libseccomp: each one once */
    }
  }
}

static bool holds(const struct rule *rule, const struct seccomp_data *data) {
  struct sbx_rule one = {.number = rule->number, .nargs = rule->nargs, .args = rule->args};
  struct sbx_rules rules = {.list = &one, .count = 1};
  return sbx_rules_find(&rules, data) != NULL;
}

/* ---- both programs ---- */

static struct sock_filter *make_refusing(const struct rules *rules, size_t *count) {
  struct sbx_filter *filter = sbx_filter_new();
  MUST(filter);
  for (size_t i = 0; i < rules->count; i++)
    sbx_filter_refuse(filter, NULL, rules->list[i].number, 1 + (int)(i % 2), rules->list[i].args,
                      rules->list[i].nargs);
  struct sock_filter *program = sbx_filter_export(filter, count);
  sbx_filter_free(filter);
  return program;
}

static struct sock_filter *make_whole(const struct rules *watched,
                                      const struct sock_filter *refusing, size_t before,
                                      size_t *count) {
  struct sbx_notify notify = {0};
  for (size_t i = 0; i < watched->count; i++)
    MUST(sbx_notify_add(&notify, watched->list[i].number, watched->list[i].args,
                        watched->list[i].nargs) == 0);
  struct sock_filter *whole = sbx_notify_compile(&notify, refusing, before, count);
  sbx_notify_free(&notify);
  MUST(whole);
  return whole;
}

struct programs {
  const struct sock_filter *refusing, *whole;
  size_t before, count;
};

static void check_call(const struct programs *programs, const struct rules *watched,
                       const struct seccomp_data *data) {
  bool named = false, handed_over = false;
  uint32_t refused = answer(programs->refusing, programs->before, data);
  uint32_t whole = answer(programs->whole, programs->count, data);
  if (refused != SECCOMP_RET_ALLOW) {
    MUST(whole == refused);
    return;
  }
  for (size_t i = 0; i < watched->count; i++) {
    named |= watched->list[i].number == data->nr;
    handed_over |= holds(&watched->list[i], data);
  }
  MUST(whole == SECCOMP_RET_ALLOW || whole == SECCOMP_RET_USER_NOTIF);
  if (handed_over) MUST(whole == SECCOMP_RET_USER_NOTIF);
  if (!named) MUST(whole == SECCOMP_RET_ALLOW);
}

static void check_calls(const struct programs *programs, const struct rules *watched,
                        struct fuzz_input *in) {
  static const uint32_t archs[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386};
  struct seccomp_data data = {0};
  for (int round = 0; round < 4; round++) {
    data.arch = archs[round == 3];
    for (int i = 0; round > 0 && i < 6; i++) data.args[i] = value_of(in);
    for (data.nr = 0; data.nr < CALLS + 4; data.nr++) check_call(programs, watched, &data);
    data.nr = 0x40000000 | (int)fuzz_number(in, 256);
    if (programs->before) check_call(programs, watched, &data);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = {data, data + size};
  struct rules refused, watched;
  struct programs programs = {0};
  read_rules(&refused, &in, fuzz_number(&in, 12));
  struct sock_filter *refusing = make_refusing(&refused, &programs.before);
  if (!refusing) return -1; /* more than libseccomp can put into one */
  read_rules(&watched, &in, 1 + fuzz_number(&in, RULES));
  struct sock_filter *whole = make_whole(&watched, refusing, programs.before, &programs.count);
  programs.refusing = refusing;
  programs.whole = whole;
  check_calls(&programs, &watched, &in);
  free(refusing);
  free(whole);
  return 0;
}

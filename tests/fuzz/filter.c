/* Filters: shortened they answer as before, libseccomp's and any that only jumps forward. With the
 * part of a watch behind it, what refuses is answered as without, what a rule of the watch names is
 * handed over, and nothing else where the part can tell. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "engine/rules.h"
#include "fuzz.h"
#include "layers/decision.h"
#include "layers/notify.h"
#include "layers/seccomp.h"

#define RULES 200
#define REFUSALS 48
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

struct program {
  struct sock_filter *code;
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

static uint32_t answer(const struct program *program, const struct seccomp_data *data) {
  uint32_t a = 0;
  for (size_t i = 0; i < program->count; i++) {
    const struct sock_filter *at = &program->code[i];
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

/* libseccomp loses some memory over rules for one call that contradict each other. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
  return "leak:libseccomp";
}

static struct program make_refusing(const struct rules *rules) {
  struct program program = {0};
  if (rules->count == 0) return program; /* a watch alone */
  struct sbx_filter *filter = sbx_filter_new();
  MUST(filter);
  for (size_t i = 0; i < rules->count; i++)
    sbx_filter_refuse(filter, NULL, rules->list[i].number, 1 + (int)(i % 2), rules->list[i].args,
                      rules->list[i].nargs);
  program.code = sbx_filter_export(filter, &program.count);
  sbx_filter_free(filter);
  return program;
}

static struct program make_whole(const struct rules *watched, const struct program *refusing) {
  struct program program = {0};
  struct sbx_notify notify = {0};
  for (size_t i = 0; i < watched->count; i++)
    MUST(sbx_notify_add(&notify, watched->list[i].number, watched->list[i].args,
                        watched->list[i].nargs) == 0);
  program.code = sbx_notify_compile(&notify, refusing->code, refusing->count, &program.count);
  sbx_notify_free(&notify);
  MUST(program.code);
  return program;
}

/* Each as it is made, and as it is shortened. */
struct programs {
  struct program refusing, short_refusing, whole, short_whole;
};

static struct program shortened(const struct program *program) {
  struct program copy = {malloc(program->count * sizeof *copy.code), program->count};
  MUST(copy.code);
  memcpy(copy.code, program->code, program->count * sizeof *copy.code);
  copy.code = sbx_filter_shorten(copy.code, &copy.count);
  MUST(copy.count <= program->count);
  return copy;
}

static void free_all(struct programs *programs) {
  free(programs->refusing.code);
  free(programs->short_refusing.code);
  free(programs->whole.code);
  free(programs->short_whole.code);
}

/* What the part compares itself: opening for reading and exit(0) must not be handed over. */
static bool is_plain(const struct rule *rule) {
  const struct sbx_arg *arg = rule->args;
  if (rule->nargs != 1) return rule->nargs == 0;
  if (arg->op == SBX_NE) return arg->a == 0;
  return arg->op == SBX_MASKED_EQ && arg->a == arg->b && arg->a && arg->a <= UINT32_MAX &&
         !(arg->a & (arg->a - 1));
}

static void check_call(const struct programs *programs, const struct rules *watched,
                       const struct seccomp_data *data) {
  size_t named = 0;
  bool handed_over = false, exact = true;
  bool refuses = programs->refusing.count > 0;
  uint32_t refused = refuses ? answer(&programs->refusing, data) : SECCOMP_RET_ALLOW,
           whole = answer(&programs->whole, data);
  MUST(!refuses || answer(&programs->short_refusing, data) == refused);
  MUST(answer(&programs->short_whole, data) == whole);
  if (refused != SECCOMP_RET_ALLOW) {
    MUST(whole == refused);
    return;
  }
  for (size_t i = 0; i < watched->count; i++) {
    if (watched->list[i].number != data->nr) continue;
    named++;
    handed_over |= holds(&watched->list[i], data);
    exact &= is_plain(&watched->list[i]);
  }
  MUST(whole == SECCOMP_RET_ALLOW || whole == SECCOMP_RET_USER_NOTIF);
  if (handed_over) MUST(whole == SECCOMP_RET_USER_NOTIF);
  if (named == 0 || (named == 1 && exact && !handed_over)) MUST(whole == SECCOMP_RET_ALLOW);
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
    check_call(programs, watched, &data);
  }
}

/* What passes whatever its arguments are does with any; here all of them, or all but the first. */
static void check_pass(const struct program *program, struct fuzz_input *in) {
  struct seccomp_data data = {.arch = sbx_call_arch()};
  struct sbx_own_call call = {(int)fuzz_number(in, 256), fuzz_number(in, 2), value_of(in)};
  if (program->count == 0) return;
  if (!sbx_filter_lets_pass(program->code, program->count, &call, 1)) return;
  data.nr = call.number;
  for (int round = 0; round < 16; round++) {
    for (int i = 0; i < 6; i++) data.args[i] = value_of(in);
    if (call.knows_first) data.args[0] = call.first;
    MUST(answer(program, &data) == SECCOMP_RET_ALLOW);
  }
}

/* ---- any program ---- */

#define INSTRUCTIONS 64

static struct sock_filter instruction_of(struct fuzz_input *in, size_t left) {
  static const uint16_t ops[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET, BPF_JA};
  struct sock_filter made = {.k = fuzz_number(in, 8)};
  switch (fuzz_number(in, 8)) {
  case 0:
  case 1:
    made.code = BPF_LD | BPF_W | BPF_ABS;
    made.k = made.k * 4;
    return made;
  case 2: made.code = BPF_ALU | BPF_AND | BPF_K; return made;
  case 3:
    made.code = BPF_RET | BPF_K;
    if (made.k < 4) made.k = SECCOMP_RET_ALLOW;
    return made;
  default: break;
  }
  made.code = (uint16_t)(BPF_JMP | ops[fuzz_number(in, 5)] | BPF_K);
  made.jt = (uint8_t)fuzz_number(in, (unsigned)left);
  made.jf = (uint8_t)fuzz_number(in, (unsigned)left);
  if (BPF_OP(made.code) == BPF_JA) made.k = made.jt;
  return made;
}

/* Loads first, ends with an answer, and leads nowhere else: the kernel takes no other. */
static void check_any(struct fuzz_input *in) {
  struct sock_filter code[INSTRUCTIONS];
  struct program program = {code, 2 + fuzz_number(in, INSTRUCTIONS - 2)};
  struct seccomp_data data = {0};
  for (size_t i = 0; i + 1 < program.count; i++)
    code[i] = instruction_of(in, program.count - i - 1);
  code[0] = (struct sock_filter){.code = BPF_LD | BPF_W | BPF_ABS, .k = fuzz_number(in, 2) * 4};
  code[program.count - 1] = (struct sock_filter){.code = BPF_RET | BPF_K,
                                                 .k = fuzz_number(in, 2) ? 99 : SECCOMP_RET_ALLOW};
  struct program shorter = shortened(&program);
  check_pass(&program, in);
  for (int round = 0; round < 64; round++) {
    for (size_t i = 0; i < sizeof data / 4; i++) {
      uint32_t word = fuzz_number(in, 9);
      memcpy((char *)&data + i * 4, &word, sizeof word);
    }
    for (data.nr = 0; data.nr < 9; data.nr++)
      MUST(answer(&program, &data) == answer(&shorter, &data));
  }
  free(shorter.code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = {data, data + size};
  struct rules refused, watched;
  struct programs programs = {0};
  if (fuzz_number(&in, 4) == 0) {
    check_any(&in);
    return 0;
  }
  read_rules(&refused, &in, fuzz_number(&in, REFUSALS));
  programs.refusing = make_refusing(&refused);
  if (refused.count && !programs.refusing.code) return -1; /* more than libseccomp takes */
  if (refused.count) programs.short_refusing = shortened(&programs.refusing);
  read_rules(&watched, &in, 1 + fuzz_number(&in, RULES));
  programs.whole = make_whole(&watched, &programs.short_refusing);
  programs.short_whole = shortened(&programs.whole);
  check_calls(&programs, &watched, &in);
  for (int i = 0; i < 64; i++) check_pass(&programs.short_refusing, &in);
  for (int i = 0; i < 64; i++) check_pass(&programs.short_whole, &in);
  free_all(&programs);
  return 0;
}

#include "layers/notify.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>

/* Calls that are compared one after another at the end of a search. */
#define LEAF 6
/* As far as a conditional jump leads. */
#define NEAR 255

typedef struct sbx_notify_call watched;

/* ---- calls ---- */

/* What one comparison says in terms of a quick look; always, where it says nothing. */
static watched look_of(int number, const struct sbx_arg *args, unsigned nargs) {
  if (nargs > 0 && args->op == SBX_MASKED_EQ && args->a == args->b && args->a &&
      args->a <= UINT32_MAX)
    return (watched){number, (int)args->index, (uint32_t)args->a};
  if (nargs > 0 && args->op == SBX_NE && args->a == 0)
    return (watched){number, (int)args->index, 0};
  return (watched){number, -1, 0};
}

static void join(watched *call, const watched *other) {
  if (call->index == other->index && call->bits && other->bits)
    call->bits |= other->bits;
  else if (call->index != other->index || call->bits != other->bits)
    call->index = -1;
}

int sbx_notify_add(struct sbx_notify *notify, int number, const struct sbx_arg *args,
                   unsigned nargs) {
  watched call = look_of(number, args, nargs);
  for (size_t i = 0; i < notify->count; i++) {
    if (notify->list[i].number != number) continue;
    join(&notify->list[i], &call);
    return 0;
  }
  watched *list = realloc(notify->list, (notify->count + 1) * sizeof *list);
  if (!list) return -1;
  notify->list = list;
  list[notify->count++] = call;
  return 0;
}

void sbx_notify_free(struct sbx_notify *notify) {
  free(notify->list);
  *notify = (struct sbx_notify){0};
}

/* ---- ranges ---- */

static int by_number(const void *a, const void *b) {
  const watched *left = a, *right = b;
  return (left->number > right->number) - (left->number < right->number);
}

/* Calls of any arguments whose numbers follow each other are one comparison. */
struct range {
  watched call; /* its number is the first */
  int last;
};

static size_t find_ranges(struct range *ranges, const watched *list, size_t count) {
  size_t found = 0;
  for (size_t i = 0; i < count; i++) {
    struct range *before = found ? &ranges[found - 1] : NULL;
    if (before && before->call.index < 0 && list[i].index < 0 && before->last + 1 == list[i].number)
      before->last++;
    else
      ranges[found++] = (struct range){list[i], list[i].number};
  }
  return found;
}

/* Its instructions. */
static size_t size_of(const struct range *range) {
  if (range->call.index >= 0) return range->call.bits ? 3 : 5;
  return range->last > range->call.number ? 2 : 1;
}

/* At most: with the search among them, and the answers. */
static size_t size_of_all(const struct range *ranges, size_t count) {
  size_t size = 2 + count;
  for (size_t i = 0; i < count; i++) size += size_of(&ranges[i]);
  return size;
}

/* ---- the program ---- */

struct program {
  struct sock_filter *at;
  size_t size;
};

static size_t put(struct program *p, uint16_t code, uint32_t k) {
  p->at[p->size] = (struct sock_filter){.code = code, .k = k};
  return p->size++;
}

static uint32_t half_of(int index, bool high) {
  size_t low = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4;
  return (uint32_t)(offsetof(struct seccomp_data, args) + (size_t)index * 8 +
                    (high ? 4 - low : low));
}

#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define EQUAL (BPF_JMP | BPF_JEQ | BPF_K)
#define AT_LEAST (BPF_JMP | BPF_JGE | BPF_K)
#define MORE_THAN (BPF_JMP | BPF_JGT | BPF_K)
#define ANY_BIT (BPF_JMP | BPF_JSET | BPF_K)

/* Where a jump leads; the answers come last, so that both are told by a mark until then. */
enum way { NEXT, TO_ALLOW, TO_NOTIFY };

/* What is near enough to share its answers. */
struct part {
  struct program *p;
  struct {
    size_t at;
    enum way taken, missed;
  } jumps[NEAR];
  size_t count;
};

static size_t jump(struct part *part, uint16_t code, uint32_t k, enum way taken, enum way missed) {
  size_t at = put(part->p, code, k);
  part->jumps[part->count].at = at;
  part->jumps[part->count].taken = taken;
  part->jumps[part->count++].missed = missed;
  return at;
}

/* From here the number is no longer at hand: each way ends in an answer. */
static void put_argument(struct part *part, const watched *call) {
  put(part->p, LOAD, half_of(call->index, false));
  if (call->bits) {
    jump(part, ANY_BIT, call->bits, TO_NOTIFY, TO_ALLOW);
    return;
  }
  jump(part, EQUAL, 0, NEXT, TO_NOTIFY);
  put(part->p, LOAD, half_of(call->index, true));
  jump(part, EQUAL, 0, TO_ALLOW, TO_NOTIFY);
}

/* otherwise: the next one's comparison, or after the last the answer. */
static void put_range(struct part *part, const struct range *range, enum way otherwise) {
  uint32_t first = (uint32_t)range->call.number;
  if (range->call.index >= 0) {
    size_t at = jump(part, EQUAL, first, NEXT, otherwise);
    put_argument(part, &range->call);
    if (otherwise == NEXT) part->p->at[at].jf = (uint8_t)(part->p->size - at - 1);
  } else if (range->last == range->call.number) {
    jump(part, EQUAL, first, TO_NOTIFY, otherwise);
  } else { /* below it are only such as were compared before */
    jump(part, AT_LEAST, first, NEXT, TO_ALLOW);
    jump(part, MORE_THAN, (uint32_t)range->last, otherwise, TO_NOTIFY);
  }
}

static void put_near(struct part *part, const struct range *ranges, size_t count) {
  if (count <= LEAF) {
    for (size_t i = 0; i < count; i++) put_range(part, &ranges[i], i + 1 < count ? NEXT : TO_ALLOW);
    return;
  }
  size_t at = put(part->p, AT_LEAST, (uint32_t)ranges[count / 2].call.number);
  put_near(part, ranges, count / 2);
  part->p->at[at].jt = (uint8_t)(part->p->size - at - 1);
  put_near(part, ranges + count / 2, count - count / 2);
}

static void lead(uint8_t *jump, enum way way, size_t at, size_t allow) {
  if (way != NEXT) *jump = (uint8_t)(allow + (way == TO_NOTIFY) - at - 1);
}

static void put_part(struct program *p, const struct range *ranges, size_t count) {
  struct part part = {.p = p};
  put_near(&part, ranges, count);
  size_t allow = put(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  put(p, BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  for (size_t i = 0; i < part.count; i++) {
    size_t at = part.jumps[i].at;
    lead(&p->at[at].jt, part.jumps[i].taken, at, allow);
    lead(&p->at[at].jf, part.jumps[i].missed, at, allow);
  }
}

/* A search by halves: the kernel walks the program for every number when it is installed, to learn
 * which are always allowed. */
static void put_search(struct program *p, const struct range *ranges, size_t count) {
  if (size_of_all(ranges, count) <= NEAR) {
    put_part(p, ranges, count);
    return;
  }
  put(p, AT_LEAST, (uint32_t)ranges[count / 2].call.number);
  p->at[p->size - 1].jf = 1;
  size_t far = put(p, BPF_JMP | BPF_JA, 0);
  put_search(p, ranges, count / 2);
  p->at[far].k = (uint32_t)(p->size - far - 1);
  put_search(p, ranges + count / 2, count - count / 2);
}

/* Where the first program allows, it goes on to what follows it. */
static void put_before(struct program *p, const struct sock_filter *refusing, size_t before) {
  for (size_t i = 0; i < before; i++) {
    bool allows = refusing[i].code == (BPF_RET | BPF_K) && refusing[i].k == SECCOMP_RET_ALLOW;
    p->at[i] = refusing[i];
    if (allows)
      p->at[i] = (struct sock_filter){.code = BPF_JMP | BPF_JA, .k = (uint32_t)(before - i - 1)};
  }
  p->size = before;
}

struct sock_filter *sbx_notify_compile(struct sbx_notify *notify,
                                       const struct sock_filter *refusing, size_t before,
                                       size_t *count) {
  struct range *ranges = calloc(notify->count + 1, sizeof *ranges);
  if (!ranges) return NULL;
  if (notify->count) qsort(notify->list, notify->count, sizeof *notify->list, by_number);
  size_t found = find_ranges(ranges, notify->list, notify->count);
  /* each part has at least some forty of them, two instructions before and answers of its own */
  size_t most = before + 1 + size_of_all(ranges, found) + found;
  struct program p = {.at = calloc(most, sizeof *p.at)};
  if (p.at) {
    put_before(&p, refusing, before);
    put(&p, LOAD, offsetof(struct seccomp_data, nr));
    put_search(&p, ranges, found);
    *count = p.size;
  }
  free(ranges);
  return p.at;
}

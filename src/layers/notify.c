#include "layers/notify.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>

/* Calls that are compared one after another at the end of a search. */
#define LEAF 6
/* Of a leaf: its calls, the comparison of an argument's two halves for each, both answers. */
#define LEAF_MAX (LEAF * 5 + 2)

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
#define ANY_BIT (BPF_JMP | BPF_JSET | BPF_K)

/* Jumps of a leaf that lead to its answers, which come last. */
struct leaf {
  struct program *p;
  struct {
    size_t at;
    bool taken, notifies; /* the jump where it holds or where it doesn't; to which answer */
  } jumps[LEAF * 5];
  size_t count;
};

static void jump(struct leaf *leaf, size_t at, bool taken, bool notifies) {
  leaf->jumps[leaf->count].at = at;
  leaf->jumps[leaf->count].taken = taken;
  leaf->jumps[leaf->count++].notifies = notifies;
}

/* From here the number is no longer at hand: each way ends in an answer. */
static void put_argument(struct leaf *leaf, const watched *call) {
  struct program *p = leaf->p;
  put(p, LOAD, half_of(call->index, false));
  size_t at = put(p, call->bits ? ANY_BIT : EQUAL, call->bits);
  jump(leaf, at, call->bits != 0, true);
  if (call->bits) {
    jump(leaf, at, false, false);
    return;
  }
  put(p, LOAD, half_of(call->index, true));
  at = put(p, EQUAL, 0);
  jump(leaf, at, false, true);
  jump(leaf, at, true, false);
}

static void put_leaf(struct program *p, const watched *list, size_t count) {
  struct leaf leaf = {.p = p};
  for (size_t i = 0; i < count; i++) {
    size_t at = put(p, EQUAL, (uint32_t)list[i].number);
    if (list[i].index < 0) {
      jump(&leaf, at, true, true);
      continue;
    }
    put_argument(&leaf, &list[i]);
    p->at[at].jf = (uint8_t)(p->size - at - 1);
  }
  size_t allow = put(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  size_t notify = put(p, BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  for (size_t i = 0; i < leaf.count; i++) {
    size_t at = leaf.jumps[i].at, to = leaf.jumps[i].notifies ? notify : allow;
    *(leaf.jumps[i].taken ? &p->at[at].jt : &p->at[at].jf) = (uint8_t)(to - at - 1);
  }
}

/* A search by halves: the kernel walks the program for every number when it is installed, to learn
 * which are always allowed. */
static void put_search(struct program *p, const watched *list, size_t count) {
  if (count <= LEAF) {
    put_leaf(p, list, count);
    return;
  }
  size_t middle = (count / 2 + LEAF - 1) / LEAF * LEAF;
  if (middle >= count) middle = count / 2;
  put(p, AT_LEAST, (uint32_t)list[middle].number);
  p->at[p->size - 1].jf = 1;
  size_t far = put(p, BPF_JMP | BPF_JA, 0);
  put_search(p, list, middle);
  p->at[far].k = (uint32_t)(p->size - far - 1);
  put_search(p, list + middle, count - middle);
}

static int by_number(const void *a, const void *b) {
  const watched *left = a, *right = b;
  return (left->number > right->number) - (left->number < right->number);
}

struct sock_filter *sbx_notify_compile(struct sbx_notify *notify, size_t *count) {
  size_t leaves = notify->count + 1; /* more than there are */
  struct program p = {.at = calloc(1 + leaves * (LEAF_MAX + 2), sizeof *p.at)};
  if (!p.at) return NULL;
  if (notify->count) qsort(notify->list, notify->count, sizeof *notify->list, by_number);
  put(&p, LOAD, offsetof(struct seccomp_data, nr));
  put_search(&p, notify->list, notify->count);
  *count = p.size;
  return p.at;
}

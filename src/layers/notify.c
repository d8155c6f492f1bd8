#include "layers/notify.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>

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

static struct sock_filter *put(struct program *p, uint16_t code, uint32_t k) {
  p->at[p->size] = (struct sock_filter){.code = code, .k = k};
  return &p->at[p->size++];
}

static void jump(struct program *p, uint16_t op, uint32_t k, uint8_t taken, uint8_t missed) {
  struct sock_filter *at = put(p, (uint16_t)(BPF_JMP | op | BPF_K), k);
  at->jt = taken;
  at->jf = missed;
}

static uint32_t half_of(int index, bool high) {
  size_t low = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4;
  return (uint32_t)(offsetof(struct seccomp_data, args) + (size_t)index * 8 +
                    (high ? 4 - low : low));
}

#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define RETURN (BPF_RET | BPF_K)
#define CALL_MAX 7 /* instructions of one */

/* Each has its answers with it: what follows is for other numbers. */
static void put_call(struct program *p, const watched *call) {
  uint32_t number = (uint32_t)call->number;
  if (call->index < 0) {
    jump(p, BPF_JEQ, number, 0, 1);
  } else if (call->bits) {
    jump(p, BPF_JEQ, number, 0, 4);
    put(p, LOAD, half_of(call->index, false));
    jump(p, BPF_JSET, call->bits, 1, 0);
    put(p, RETURN, SECCOMP_RET_ALLOW);
  } else {
    jump(p, BPF_JEQ, number, 0, 6);
    put(p, LOAD, half_of(call->index, false));
    jump(p, BPF_JEQ, 0, 0, 3);
    put(p, LOAD, half_of(call->index, true));
    jump(p, BPF_JEQ, 0, 0, 1);
    put(p, RETURN, SECCOMP_RET_ALLOW);
  }
  put(p, RETURN, SECCOMP_RET_USER_NOTIF);
}

/* Where the first program allows, it goes on to what follows it. */
static void put_refusing(struct program *p, const struct sock_filter *refusing, size_t count) {
  for (size_t i = 0; i < count; i++) {
    bool allows = refusing[i].code == RETURN && refusing[i].k == SECCOMP_RET_ALLOW;
    p->at[i] = refusing[i];
    if (allows)
      p->at[i] = (struct sock_filter){.code = BPF_JMP | BPF_JA, .k = (uint32_t)(count - i - 1)};
  }
  p->size = count;
}

struct sock_filter *sbx_notify_compile(const struct sbx_notify *notify,
                                       const struct sock_filter *refusing, size_t refusing_count,
                                       size_t *count) {
  struct program p = {0};
  p.at = calloc(refusing_count + notify->count * CALL_MAX + 2, sizeof *p.at);
  if (!p.at) return NULL;
  put_refusing(&p, refusing, refusing_count);
  put(&p, LOAD, offsetof(struct seccomp_data, nr));
  for (size_t i = 0; i < notify->count; i++) put_call(&p, &notify->list[i]);
  put(&p, RETURN, SECCOMP_RET_ALLOW);
  *count = p.size;
  return p.at;
}

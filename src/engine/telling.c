#include "engine/telling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "layers/decision.h"
#include "layers/notify.h"
#include "layers/seccomp.h"

static int fail(struct sbx_error *err, int code, const char *detail) {
  return sbx_fail(err, SBX_ERROR_SANDBOX, "watch", code, detail);
}

bool sbx_call_is_own(const char *name, int number) {
  static const char *const own[] = {"rt_sigprocmask", "prctl", "execve", "exit", NULL};
  bool named = name && *name;
  for (const char *const *at = own; *at; at++)
    if (named ? strcmp(name, *at) == 0 : number == sbx_call_number(*at, -1)) return true;
  return false;
}

/* The supervisor compares numbers, and has no library to ask. A call that this architecture lacks
 * is none. */
static int add(struct sbx_telling *telling, struct sbx_notify *notify, sbx_plan *inside,
               const struct sbx_record_header *record, struct sbx_error *err) {
  struct sbx_call call = sbx_call_of(record);
  int number = sbx_call_number(call.name, call.refusal.number);
  if (number == -1) return fail(err, ENOENT, call.name);
  if (sbx_call_is_own(call.name, call.refusal.number))
    return fail(err, EINVAL, *call.name ? call.name : "a call by number");
  if (call.refusal.errno_value == SBX_ON_BEHALF) {
    if (sbx_call_on_behalf(&call, err) < 0) return -1;
    telling->on_behalf = true;
  }
  if (number < 0) return 0;
  struct sbx_refusal *copied = sbx_plan_copy(inside, record);
  if (!copied || sbx_notify_add(notify, number, call.args, call.refusal.nargs) < 0)
    return fail(err, errno, NULL);
  copied->number = number;
  return 0;
}

static int fill(struct sbx_telling *telling, struct sbx_notify *notify, const sbx_plan *plan,
                sbx_plan *inside, struct sbx_error *err) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  while ((record = sbx_plan_next(&cursor)))
    if (record->type == SBX_RECORD_WATCH && add(telling, notify, inside, record, err) < 0)
      return -1;
  return 0;
}

static bool has_calls(const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *record;
  while ((record = sbx_plan_next(&cursor)))
    if (record->type == SBX_RECORD_WATCH) return true;
  return false;
}

int sbx_telling_make(struct sbx_telling *telling, const struct sbx_program *refusing,
                     const sbx_plan *plan, sbx_plan *inside, struct sbx_error *err) {
  struct sbx_notify notify = {0};
  size_t count = 0;
  if (!has_calls(plan)) return 0;
  int rc = fill(telling, &notify, plan, inside, err);
  if (rc == 0 &&
      !(telling->code = sbx_notify_compile(&notify, refusing->code, refusing->count, &count)))
    rc = fail(err, errno, NULL);
  if (rc == 0) telling->code = sbx_filter_shorten(telling->code, &count);
  if (rc == 0 && count > BPF_MAXINSNS) rc = fail(err, E2BIG, NULL);
  telling->count = (uint32_t)count;
  sbx_notify_free(&notify);
  return rc;
}

void sbx_telling_free(struct sbx_telling *telling) {
  free(telling->code);
}

#include "engine/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "layers/decision.h"
#include "layers/seccomp.h"

static int fail(struct sbx_error *err, const char *step, int code, const char *detail) {
  return sbx_fail(err, SBX_ERROR_SANDBOX, step, code, detail);
}

/* ---- records ---- */

struct sbx_call sbx_call_of(const struct sbx_record_header *record) {
  struct sbx_call call;
  memcpy(&call.refusal, sbx_record_payload(record), sizeof call.refusal);
  const char *after = (const char *)sbx_record_payload(record) + sizeof call.refusal;
  memcpy(call.args, after, call.refusal.nargs * sizeof *call.args);
  call.name = after + call.refusal.nargs * sizeof *call.args;
  return call;
}

int sbx_call_on_behalf(const struct sbx_call *call, struct sbx_error *err) {
  if (strcmp(call->name, "connect") == 0) return 0;
  return fail(err, "seccomp", ENOTSUP, "only connect can be made on behalf");
}

int sbx_program_add(struct sbx_program *program, const struct sbx_record_header *record) {
  if (!program->calls && !(program->calls = sbx_plan_new())) return -1;
  return sbx_plan_copy(program->calls, record) ? 0 : -1;
}

/* ---- compiling ---- */

static int add_call(struct sbx_program *program, struct sbx_filter *filter,
                    const struct sbx_record_header *record, struct sbx_error *err) {
  struct sbx_call call = sbx_call_of(record);
  const struct sbx_refusal *refusal = &call.refusal;
  if (refusal->errno_value == SBX_ON_BEHALF) {
    if (sbx_call_on_behalf(&call, err) < 0) return -1;
    program->on_behalf = true;
  }
  int rc = sbx_filter_refuse(filter, call.name, refusal->number, refusal->errno_value, call.args,
                             refusal->nargs);
  if (rc == 0) return 0;
  bool second = rc == ENOTSUP && sbx_rule_winds(call.args, refusal->nargs);
  char which[96];
  snprintf(which, sizeof which, "%s%s", *call.name ? call.name : "a call by number",
           second ? ": a second rule with ne, lt, le, ge or gt before its last argument" : "");
  return fail(err, "seccomp", rc, which);
}

static int add_calls(struct sbx_program *program, struct sbx_filter *filter,
                     struct sbx_error *err) {
  struct sbx_cursor cursor = sbx_plan_cursor(program->calls);
  const struct sbx_record_header *record;
  while ((record = sbx_plan_next(&cursor)))
    if (add_call(program, filter, record, err) < 0) return -1;
  return 0;
}

static int compile(struct sbx_program *program, struct sbx_error *err) {
  size_t count = 0;
  struct sbx_filter *filter = sbx_filter_new();
  if (!filter) return fail(err, "seccomp", errno, NULL);
  int rc = add_calls(program, filter, err);
  if (rc == 0 && !(program->code = sbx_filter_export(filter, &count)))
    rc = fail(err, "seccomp", errno ? errno : EINVAL, "export the filter");
  if (rc == 0) program->code = sbx_filter_shorten(program->code, &count);
  if (rc == 0 && count > BPF_MAXINSNS) rc = fail(err, "seccomp", E2BIG, NULL);
  program->count = (uint32_t)count;
  sbx_filter_free(filter);
  return rc;
}

/* ---- copying ---- */

static bool is_same(const struct sbx_program *a, const struct sbx_program *b) {
  size_t size_a, size_b;
  if (!b->calls || !b->code) return false;
  const void *bytes_a = sbx_plan_bytes(a->calls, &size_a);
  const void *bytes_b = sbx_plan_bytes(b->calls, &size_b);
  return size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0;
}

static int copy(struct sbx_program *program, const struct sbx_program *like,
                struct sbx_error *err) {
  size_t size = like->count * sizeof *like->code;
  program->code = malloc(size);
  if (!program->code) return fail(err, "seccomp", ENOMEM, NULL);
  memcpy(program->code, like->code, size);
  program->count = like->count;
  program->on_behalf = like->on_behalf;
  return 0;
}

int sbx_program_make(struct sbx_program *program, const struct sbx_program *like,
                     struct sbx_error *err) {
  if (!program->calls) return 0;
  return like && is_same(program, like) ? copy(program, like, err) : compile(program, err);
}

void sbx_program_free(struct sbx_program *program) {
  sbx_plan_free(program->calls);
  free(program->code);
}

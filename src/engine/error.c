#include "engine/error.h"

#include <stdio.h>
#include <string.h>

int sbx_fail(struct sbx_error *err, enum sbx_error_kind kind, const char *step, int code,
             const char *detail) {
  if (!err) return -1;
  err->kind = kind;
  err->code = code;
  snprintf(err->step, sizeof err->step, "%s", step);
  bool has_detail = detail && *detail;
  snprintf(err->message, sizeof err->message, "%s%s%.300s%s%s", step, has_detail ? ": " : "",
           has_detail ? detail : "", code ? ": " : "", code ? strerror(code) : "");
  return -1;
}

/* Errors are made in one function on this side of the border. */
#ifndef SBX_ERROR_H
#define SBX_ERROR_H

#include "sbx.h"

/* Fills err (which may be NULL) and returns -1. code is an errno, 0 for none. The message is
 * "step: detail: errno's text", each part where there is one. */
int sbx_fail(struct sbx_error *err, enum sbx_error_kind kind, const char *step, int code,
             const char *detail);

#endif

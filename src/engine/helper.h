/* The helper form: a plan and a request as words of a command line, and back. The words hold no
 * value of a variable, only its name and a checksum. */
#ifndef SBX_HELPER_H
#define SBX_HELPER_H

#include "sbx.h"

#define SBX_HELPER_PLAN "--plan"

/* What the words say. Strings point into the block. */
struct sbx_helper_request {
  void *block;
  sbx_plan *plan;
  const char *cwd;  /* "": none */
  const char *arg0; /* NULL: none */
  char **names;     /* "checksum:NAME", NULL-terminated */
  int64_t setup_timeout_ms;
};

/* Joins the plan's words: the decoded size, or -1; *bytes is the caller's to free either way. *next
 * is the first word of the command. */
long sbx_helper_join(int argc, char **argv, void **bytes, int *next);
/* size bytes, decoded from the words; they are taken over. */
int sbx_helper_decode(struct sbx_helper_request *request, void *bytes, size_t size,
                      struct sbx_error *err);
void sbx_helper_release(struct sbx_helper_request *request);
unsigned sbx_helper_checksum(const char *value);

#endif

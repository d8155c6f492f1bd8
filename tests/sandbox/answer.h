/* What the attack programs share: each try prints one line, "NAME ok" or "NAME ERRNO", and the
 * program ends with 0, so that no heuristic reads anything into it. */
#ifndef ANSWER_H
#define ANSWER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int answer(const char *name, long result) {
  int code = errno;
  const char *text = strerrorname_np(code);
  printf("%s %s\n", name, result >= 0 ? "ok" : text ? text : "unknown");
  fflush(stdout);
  return result >= 0;
}

#endif

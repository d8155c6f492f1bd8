/* One clock for all processes of a job: CLOCK_MONOTONIC, in nanoseconds. */
#ifndef SBX_CLOCK_H
#define SBX_CLOCK_H

#include <stdint.h>
#include <time.h>

#define SBX_MS INT64_C(1000000)
#define SBX_NEVER INT64_MAX

static inline int64_t sbx_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* now + ms without overflow; a negative ms is never. */
static inline int64_t sbx_deadline(int64_t now, int64_t ms) {
  if (ms < 0 || ms > (SBX_NEVER - now) / SBX_MS) return SBX_NEVER;
  return now + ms * SBX_MS;
}

static inline int64_t sbx_earlier(int64_t a, int64_t b) {
  return a < b ? a : b;
}

#endif

/* A call by the 32-bit gate, where a number means another call. */
#ifndef INT80_H
#define INT80_H

#ifdef __x86_64__
#include <errno.h>

static long int80(long number, long first, long second, long third) {
  long result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(number), "b"(first), "c"(second), "d"(third)
                   : "memory", "r8", "r9", "r10", "r11");
  if (result < 0 && result > -4096) {
    errno = (int)-result;
    return -1;
  }
  return result;
}
#endif

#endif

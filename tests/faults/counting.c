/* malloc(3) and its kin for a program that is linked with this file, for all its libraries too:
 * whether one fails is asked of the program, and the blocks that are held are counted. */
#include "counting.h"

#include <errno.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void __libc_free(void *block);

static long held;

long counting_held(void) {
  return held;
}

static void *given(void *block) {
  if (block) held++;
  return block;
}

static bool refused(const void *caller) {
  if (!counting_refuses(caller)) return false;
  errno = ENOMEM;
  return true;
}

void *malloc(size_t size) {
  return refused(__builtin_return_address(0)) ? NULL : given(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
  return refused(__builtin_return_address(0)) ? NULL : given(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
  if (refused(__builtin_return_address(0))) return NULL;
  void *moved = __libc_realloc(block, size);
  return block ? moved : given(moved);
}

void free(void *block) {
  if (block) held--;
  __libc_free(block);
}

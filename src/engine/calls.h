/* Which registers of a system call hold what: for calls that a watch may see. */
#ifndef SBX_CALLS_H
#define SBX_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "sbx.h"

#define SBX_NO_ARG (-1)

enum sbx_call_kind {
  SBX_CALL_OTHER,  /* nothing is named */
  SBX_CALL_OPEN,   /* flags say what for */
  SBX_CALL_OPEN2,  /* they lie in memory */
  SBX_CALL_WRITE,  /* to a file that is there */
  SBX_CALL_MAKE,   /* a new name */
  SBX_CALL_REMOVE, /* a name; flags may ask for a directory's */
  SBX_CALL_MOVE,
  SBX_CALL_LINK,
  SBX_CALL_CHANGE, /* mode, owner, times, attributes */
  SBX_CALL_TARGET, /* a path that is told as it is */
  SBX_CALL_ADDRESS,
  SBX_CALL_SOCKET,
  SBX_CALL_OPTION, /* one that there is not (ENOPROTOOPT) programs do without: no evidence */
  SBX_CALL_EXIT,
};

struct sbx_call_form {
  int number;
  enum sbx_call_kind kind;
  enum sbx_operation operation;
  /* path, and the descriptor that it is relative to; the second path of two; flags. Of an address
   * path is where it lies, flags its size. */
  int8_t at, path, at2, path2, flags;
  uint8_t fixed; /* what the call itself implies: enum sbx_call_fixed */
};

enum sbx_call_fixed {
  SBX_FIXED_DIRECTORY = 1, /* makes or removes a directory */
  SBX_FIXED_KEEP = 2,      /* doesn't follow the last link */
  SBX_FIXED_CREATE = 4,    /* opens as creat(2) */
  SBX_FIXED_WRITE = 8,     /* who may write may do it, not only the owner */
};

/* NULL: nothing is known of it. */
const struct sbx_call_form *sbx_call_form(int number);

#endif

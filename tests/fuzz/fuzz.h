/* What the targets share: taking an input apart, and how a broken promise is told. */
#ifndef SBX_FUZZ_H
#define SBX_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/plan.h"

/* libFuzzer keeps the input of a process that aborts. */
#define MUST(what)                                                                                 \
  do {                                                                                             \
    if (!(what)) {                                                                                 \
      fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #what);                           \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);

struct fuzz_input {
  const uint8_t *at, *end;
};

/* The next byte as a number below so much; 0 at the end. */
unsigned fuzz_number(struct fuzz_input *in, unsigned below);
/* Up to so many bytes. */
const uint8_t *fuzz_bytes(struct fuzz_input *in, size_t want, size_t *size);
/* A string of the input, up to a NUL byte or the end; the caller frees it. */
char *fuzz_text(struct fuzz_input *in);

/* How many descriptors this process has: none may stay. */
unsigned fuzz_open_files(void);

/* Gives the plan at `offset` the header that says how long it is, so that mutations of the length
 * come as far as the records. size_at: where a size of it stands before, or SIZE_MAX. */
void fuzz_mend_plan(uint8_t *data, size_t size, size_t offset, size_t size_at);

/* Forbids this process to change any file but below these directories and what libFuzzer's own
 * arguments name: an engine that goes wrong must not reach the machine. */
void fuzz_confine(int argc, char **argv, const char *scratch);

#endif

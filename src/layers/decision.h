/* What a filter decides, without how: a graph of comparisons, so that a program can be written anew
 * in fewer instructions. What a filter costs at each start is its length: the kernel checks,
 * converts and compiles it for every process that installs it, and walks it for each call's number
 * (seccomp(2), SECCOMP_SET_MODE_FILTER). */
#ifndef SBX_DECISION_H
#define SBX_DECISION_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SBX_WHOLE_WORD UINT32_MAX
/* Instructions of a program that is read: far more than libseccomp makes of our lists; it bounds
 * time, and the depth of what is recursive. */
#define SBX_READ_MAX 2048

/* A word of struct seccomp_data is compared, or the answer given. Equal ones are one. */
struct sbx_decision {
  bool answers;
  uint16_t op;           /* BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET */
  uint32_t offset, mask; /* the word, and which bits of it */
  uint32_t k;            /* to compare with; the answer */
  int taken, missed;     /* of the graph */
};

struct sbx_decisions {
  struct sbx_decision *list;
  int *table; /* by their hash; -1: free */
  int count, room, slots;
  bool full; /* there were more: what was made of them is not to be used */
};

/* What the accumulator holds. */
struct sbx_held {
  bool known, clashes; /* clashes: one of several */
  uint32_t offset, mask;
};

/* 0, or -1: no memory. */
int sbx_decisions_open(struct sbx_decisions *graph, int room);
void sbx_decisions_close(struct sbx_decisions *graph);
/* The place of one, or of what it comes to: tests of single bits become one of several. */
int sbx_decisions_add(struct sbx_decisions *graph, struct sbx_decision decision);

/* What two ways lead to: it holds what both leave. */
void sbx_held_meet(struct sbx_held *held, struct sbx_held other);

/* Reads a program; the place of its first comparison, or -1: not understood, or no memory. */
int sbx_decisions_read(struct sbx_decisions *graph, const struct sock_filter *program,
                       size_t count);
/* The same with another search for the call's number behind the comparison of the architecture, or
 * -1: no memory. */
int sbx_decisions_search(struct sbx_decisions *graph, int root);
/* Writes a program of less than `count` instructions, and their number there; or NULL. */
struct sock_filter *sbx_decisions_write(const struct sbx_decisions *graph, int root, size_t *count);

/* The shorter program (free() it), with its instructions in `count`, in place of this one, which it
 * frees; or this one: it can't be made shorter, or is not understood, or there is no memory. */
struct sock_filter *sbx_filter_shorten(struct sock_filter *program, size_t *count);

/* A call of this architecture with any arguments, or with the first one known. */
struct sbx_own_call {
  int number;
  bool knows_first;
  uint64_t first;
};

/* Whether a program allows each of these. False where it is not understood. */
bool sbx_filter_lets_pass(const struct sock_filter *program, size_t count,
                          const struct sbx_own_call *calls, size_t ncalls);

#endif

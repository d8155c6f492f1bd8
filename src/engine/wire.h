/* What host, spawner and supervisor say to each other. All of one build, on one machine: plain
 * structs. A request goes to the spawner as one message with its descriptors; reports and orders
 * of a job have fixed sizes and go over the job's own control socket. */
#ifndef SBX_WIRE_H
#define SBX_WIRE_H

#include "engine/sandbox.h"

#define SBX_WIRE_MAGIC 0x33786273u
#define SBX_WIRE_FDS 7

struct sbx_wire_head {
  uint32_t magic, blob_size;
  struct sbx_layers layers;
  int64_t timeout_ms, kill_grace_ms, linger_ms;
  uint32_t argc, envc, ncandidates;
  /* which descriptors come along, in this order, after control, stdout and stderr */
  uint8_t has_stdin, has_ruleset, blob_in_memfd, reserved;
};
/* The blob: the filter's instructions, the two plans of what is made inside, then NUL-terminated
 * strings: argv, env, candidates, cwd, cgroup */

/* Spares: the host orders one from the spawner, which offers it when it is made, with the socket
 * that takes its request and a pidfd of it. Both messages are this; in an order the plans of what
 * is made inside follow, and the filter, and the ruleset comes along where the host has made it;
 * inside_size 0: only the first plan, for any policy that shares it. */
#define SBX_WIRE_SPARE 0x73786273u

struct sbx_wire_spare {
  uint32_t magic, has_ruleset;
  int64_t made_ns; /* before it was forked */
  struct sbx_layers layers;
};

enum sbx_report_type {
  SBX_REPORT_HELLO,
  SBX_REPORT_FAILED,
  SBX_REPORT_STARTED,
  SBX_REPORT_EXITED,
  SBX_REPORT_DONE,
  SBX_REPORT_QUESTION, /* by a worker: may an address be connected to? */
  SBX_REPORT_SEEN      /* behind it, in the same message: struct sbx_wire_seen, one after another */
};

enum sbx_reason {
  SBX_REASON_EXIT,
  SBX_REASON_TIMEOUT,
  SBX_REASON_KILLED,
  SBX_REASON_PROTECT,
  SBX_REASON_BOUND
};

struct sbx_report {
  uint32_t type, reason;
  int32_t pid;    /* started: of the command (in the credentials where namespaces differ) */
  int32_t code;   /* failed: errno; else the wait status */
  uint32_t layer; /* failed: 1 where a layer failed, 0 where the command could not be started */
  uint32_t zap;   /* done: the tree is gone once the supervisor is */
  uint32_t bound, reached; /* ended: enum sbx_bound; those that were come to */
  int64_t started_ns, ended_ns, leftover;
  struct sbx_usage usage;
  char step[32];
  char detail[224]; /* failed, protect: the path */
  struct sbx_question question;
};

/* What the watch has seen, in a form that any further one of the same number takes the place of.
 * Behind it three strings with their NUL bytes: program, path, target. */
struct sbx_wire_seen {
  uint32_t size; /* of all of it: a multiple of 8 */
  uint32_t number;
  uint32_t kind, operation, by;
  int32_t code, call, pid, ppid;
  int32_t pids[SBX_SEEN_PIDS];
  uint32_t reserved;
  uint64_t count, first, last;
};

#define SBX_WIRE_SEEN_MAX (24 * 1024) /* of those in one message */

enum sbx_order_type {
  SBX_ORDER_GO, /* nothing is executed before it */
  SBX_ORDER_KILL,
  SBX_ORDER_SIGNAL,
  SBX_ORDER_SIGNAL_GROUP,
  SBX_ORDER_FINISH,
  SBX_ORDER_ANSWER, /* signal: 1 for yes */
};

struct sbx_order {
  uint32_t type;
  int32_t signal;
  int64_t grace_ms;
  uint64_t id; /* of the question */
};

#endif

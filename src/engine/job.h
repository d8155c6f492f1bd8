/* A job as the host holds it. spawn.c makes it, job.c runs it. */
#ifndef SBX_JOB_H
#define SBX_JOB_H

#include "engine/capture.h"
#include "engine/launch.h"
#include "engine/placeholders.h"
#include "engine/seen.h"
#include "engine/stdin.h"
#include "engine/wire.h"

/* Who holds the output after the end is waited for this many times drain_ms in all. */
#define SBX_DRAIN_TIMES 10
/* A supervisor that doesn't answer an order to kill by then is killed itself. */
#define SBX_OVERDUE_MS 4000

struct sbx_stream_state {
  int fd;      /* read end, or -1: not captured, or at its end */
  bool ready;  /* poll said so, not read since */
  bool ended;  /* end of file came and was not told yet (live) */
  size_t left; /* how much more is taken once the tree is gone; SIZE_MAX before */
  struct sbx_capture capture;
};

struct sbx_job {
  int control, pidfd;
  int epoll, timer; /* -1 until an event loop asks */
  struct sbx_stdin in;
  struct sbx_stream_state out[2];
  struct sbx_capture both; /* kept apart only once both streams have bytes */
  bool is_both;
  char *aside; /* where the bytes of a small cap are read; NULL until needed */
  bool live;
  pid_t owner; /* a fork of the host holds a copy that must not touch the job */
  pid_t pid, inner_pid;
  int64_t sent_ns, started_ns;
  int64_t drain_ms, idle_ms;
  int64_t last_ns;         /* of output */
  int64_t until_ns;        /* when the supervisor itself is overdue */
  bool exited, done, lost; /* what the supervisor said, or that it can't any more */
  bool stuck;              /* it was not started in time */
  bool finishing;          /* it was told to end what is left */
  bool idle, gone;
  bool stopped;        /* it was told to end for what is counted here */
  uint64_t end_output; /* bytes of both streams past which the command is ended; 0: none */
  bool flooded;        /* it came to that: no more is read until the tree is gone */
  int64_t exited_ns, done_ns;
  struct sbx_report end;
  bool ended;
  struct sbx_seen_list seen;
  struct sbx_hold hold; /* placeholders, until the tree is gone */
  struct sbx_result result;
};

/* Reads one report: 1, 0 when none waits, -1 when the supervisor is gone. A pidfd that came along
 * is the job's; *pid is set when the kernel told the sender's. */
int sbx_job_receive(struct sbx_job *job, struct sbx_report *report, pid_t *pid);

/* When something is due that no descriptor tells (SBX_NEVER: nothing). */
int64_t sbx_job_due(const struct sbx_job *job);

/* pollfd.c: once an event loop has asked for the descriptor, it is kept true. */
void sbx_job_sync_timer(struct sbx_job *job);
void sbx_job_watch_pidfd(struct sbx_job *job);
void sbx_job_watch_output(struct sbx_job *job, bool watched);

#endif

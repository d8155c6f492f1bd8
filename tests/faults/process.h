/* What the tracer knows of each process of the tree: who it is by lineage and name, and how often
 * it has made each system call since the host said "begin". */
#ifndef FAULTS_PROCESS_H
#define FAULTS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CALLS 512 /* system calls have smaller numbers */

struct process {
  pid_t pid;
  char role[24];               /* host, start, spawner, supervisor-2, child-2, keeper, command */
  char step[20];               /* the name that it gave itself last: the child's is its step */
  bool seen;                   /* it has stopped for the first time */
  bool in_call;                /* a call of its is altered: what its exit is to say */
  bool set_up_done;            /* a supervisor whose command has been executed */
  long answer;                 /* of the altered call */
  bool answers;                /* false: what the kernel says stands (a short read) */
  unsigned long long rdi, rdx; /* as they were */
  int children;                /* a spawner numbers its supervisors */
  struct process *parent;
  struct process *next;
};

/* Calls are counted for each role, not for each process: a role is one process, but "start", whose
 * processes come one after the other. */
struct counts {
  char role[24];
  unsigned count[CALLS];
  struct counts *next;
};

struct process *process_find(pid_t pid);
struct process *process_add(pid_t pid, const char *role, struct process *parent);
void process_remove(pid_t pid);
struct process *process_all(void);

/* A new process of `parent`: what it is until it executes something. */
void process_inherit(struct process *process, struct process *parent);

/* It has executed something: what it is by its arguments. */
void process_executed(struct process *process);

/* The n-th call of this number in its role, from 1. */
unsigned process_count(const struct process *process, long number);

/* Which part of starting a command its calls belong to, "" for none. */
const char *process_phase(const struct process *process, int host_phase);

#endif

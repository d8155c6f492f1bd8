/* The processes below a subreaper, where no PID namespace ends them all at once. */
#ifndef SBX_TREE_H
#define SBX_TREE_H

#include <stdbool.h>
#include <sys/types.h>

/* Sends the signal to every process below the caller but those for which spare() says true (NULL:
 * none), children first found first. Returns how many there were. */
int sbx_tree_signal(int signal, bool (*spare)(void *context, pid_t pid), void *context);

/* Whether the kernel lists children (CONFIG_PROC_CHILDREN) and /proc is there. */
bool sbx_tree_visible(void);

/* A child that made its parent its tracer (PTRACE_TRACEME) has stopped for a signal: it goes on,
 * with the signal, as if nobody traced it. Without this a wait would take the stop for its end. */
void sbx_tree_let_go(pid_t pid, int status);

/* Calls each() for every process below the caller; pidns: for every one in its PID namespace, of
 * which it is the init and which /proc shows. */
void sbx_tree_each(bool pidns, void (*each)(void *context, pid_t pid), void *context);

#endif

/* The catalogue of escape attempts. Each is a small function that tries one way out of the sandbox
 * and gives what the kernel gave; nobody believes it. What counts is evidence of somebody else:
 *   the state of the host's files (the spec looks), a process, an object or a socket of the host
 *   that says it was touched or that heard the attempt's name (world.c), the host's secret in what
 *   the attempt printed (it knows none), or the sign in /proc that its parent sees (observe.c).
 * No attempt harms the machine where nothing refuses it: it aims at scratch files, at victims made
 * for it alone, or works in a namespace of its own. */
#ifndef CATALOGUE_H
#define CATALOGUE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

struct attempt {
  const char *name, *about;
  long (*run)(void);
  const char *sign;      /* for observe.c; NULL: the host's state tells */
  void (*prepare)(void); /* on the host, before */
};

extern const struct attempt file_attempts[], inherited_attempts[], metadata_attempts[],
    process_attempts[], memory_attempts[], unix_attempts[], network_attempts[], arrival_attempts[],
    ipc_attempts[], namespace_attempts[], mount_attempts[], kernel_attempts[], device_attempts[],
    protect_attempts[], read_attempts[], foreign_attempts[], nested_attempts[],
    supervisor_attempts[];

/* Which attempt it is about, and the directory with everything of this run. */
extern const char *current, *arena;
extern pid_t supervisor; /* who started `catalogue try` */
const struct attempt *attempt_of(const char *name);

/* Paths of the current attempt: OUTSIDE is not its to change, INSIDE is, and so is ROOT, which is a
 * writable root of its own with protected names in it. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *outside(const char *name);
char *inside(const char *name);
char *root(const char *name);

/* What the world says: "KEY VALUE", or "KEY.ATTEMPT VALUE" for `own`. */
const char *fact(const char *key);
const char *own(const char *key);
int same_namespace(const char *kind); /* as the host's */

/* The host's side only. */
void each_chosen(void (*call)(const struct attempt *));
int is_chosen(const char *name);
const char *secret_of(const char *name);
void tell(const char *verb, const char *name);
void note(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));
void write_file(const char *path, const char *content);

int put(int fd); /* writes to it and closes it */
void leak(const void *bytes, ssize_t size);
ssize_t leak_from(int fd);
int observed(const char *sign, pid_t pid);
int run_program(char *const argv[]);
long finish(pid_t pid); /* waits for it: its exit status as 0 or an errno */

int world(const char *directory, char **names);
int victim(const char *name, const char *secret);
void make_victims(void);
void ask_victims(void);
void make_objects(void);
void check_objects(void);
void serve(void); /* until the end of the input */

struct io_uring_sqe;
int uring_call(const struct io_uring_sqe *wish);

#endif

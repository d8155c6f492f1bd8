#include "engine/tree.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEPTH_MAX 256

struct walk {
  int signal, count, depth;
  void (*each)(void *context, pid_t pid); /* instead of a signal */
  bool (*spare)(void *context, pid_t pid);
  void *context;
};

static void visit(struct walk *walk, pid_t parent);

static void visit_child(struct walk *walk, pid_t pid) {
  if (walk->depth == 0 && walk->spare && walk->spare(walk->context, pid)) return;
  if (walk->each) walk->each(walk->context, pid);
  /* Stopped first, so that it can't fork while its own children are looked for. */
  if (walk->signal == SIGKILL) kill(pid, SIGSTOP);
  if (walk->depth < DEPTH_MAX) {
    walk->depth++;
    visit(walk, pid);
    walk->depth--;
  }
  if (!walk->each) kill(pid, walk->signal);
  walk->count++;
}

static pid_t next_pid(const char **at) {
  char *end;
  long pid = strtol(*at, &end, 10);
  if (end == *at) return 0;
  *at = end;
  return (pid_t)pid;
}

static void visit_list(struct walk *walk, char *text, size_t size, size_t room) {
  text[size] = 0;
  /* A number that the buffer cut is dropped: the next round sees it whole. */
  if (size == room)
    while (size > 0 && !isspace((unsigned char)text[size - 1])) text[--size] = 0;
  const char *at = text;
  for (pid_t pid; (pid = next_pid(&at)) > 0;) visit_child(walk, pid);
}

static void visit_task(struct walk *walk, int tasks, const char *tid) {
  char path[40], text[4096];
  snprintf(path, sizeof path, "%.20s/children", tid);
  int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size > 0) visit_list(walk, text, (size_t)size, sizeof text - 1);
}

/* proc_pid_task(5): children are listed by the thread that forked them. */
static void visit(struct walk *walk, pid_t parent) {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/task", (int)parent);
  DIR *tasks = opendir(path);
  if (!tasks) return;
  for (struct dirent *entry; (entry = readdir(tasks));)
    if (entry->d_name[0] != '.') visit_task(walk, dirfd(tasks), entry->d_name);
  closedir(tasks);
}

bool sbx_tree_visible(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)getpid(), (int)getpid());
  return access(path, R_OK) == 0;
}

int sbx_tree_signal(int signal, bool (*spare)(void *context, pid_t pid), void *context) {
  struct walk walk = {.signal = signal, .spare = spare, .context = context};
  visit(&walk, getpid());
  return walk.count;
}

static void each_in_namespace(void (*each)(void *context, pid_t pid), void *context) {
  DIR *processes = opendir("/proc");
  if (!processes) return;
  for (struct dirent *entry; (entry = readdir(processes));) {
    pid_t pid = (pid_t)atoi(entry->d_name);
    if (pid > 1) each(context, pid);
  }
  closedir(processes);
}

void sbx_tree_each(bool pidns, void (*each)(void *context, pid_t pid), void *context) {
  struct walk walk = {.each = each, .context = context};
  if (pidns)
    each_in_namespace(each, context);
  else
    visit(&walk, getpid());
}

void sbx_tree_let_go(pid_t pid, int status) {
  int sig = WSTOPSIG(status);
  /* execve of a traced process stops it with a SIGTRAP that nobody sent (ptrace(2)). */
  if (sig == SIGTRAP) sig = 0;
  syscall(SYS_ptrace, PTRACE_DETACH, pid, NULL, (long)sig);
}

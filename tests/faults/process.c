#include "process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct process *all;
static struct counts *counted;

struct process *process_all(void) {
  return all;
}

struct process *process_find(pid_t pid) {
  for (struct process *p = all; p; p = p->next)
    if (p->pid == pid) return p;
  return NULL;
}

struct process *process_add(pid_t pid, const char *role, struct process *parent) {
  struct process *process = calloc(1, sizeof *process);
  if (!process) exit(2);
  process->pid = pid;
  process->parent = parent;
  snprintf(process->role, sizeof process->role, "%s", role);
  process->next = all;
  all = process;
  return process;
}

void process_remove(pid_t pid) {
  for (struct process **at = &all; *at; at = &(*at)->next) {
    struct process *gone = *at;
    if (gone->pid != pid) continue;
    *at = gone->next;
    for (struct process *p = all; p; p = p->next)
      if (p->parent == gone) p->parent = NULL;
    free(gone);
    return;
  }
}

static bool is(const struct process *process, const char *role) {
  return strncmp(process->role, role, strlen(role)) == 0;
}

static const char *number_of(const struct process *process) {
  const char *dash = strchr(process->role, '-');
  return dash ? dash : "";
}

void process_inherit(struct process *process, struct process *parent) {
  process->parent = parent;
  if (is(parent, "host"))
    strcpy(process->role, "start");
  else if (is(parent, "spawner"))
    snprintf(process->role, sizeof process->role, "supervisor-%d", ++parent->children);
  else if (is(parent, "supervisor"))
    snprintf(process->role, sizeof process->role, "%s%s", parent->set_up_done ? "helper" : "child",
             number_of(parent));
  else
    strcpy(process->role, parent->role);
}

/* The second argument of a process, "" for none. */
static void second_argument(pid_t pid, char *into, size_t room) {
  char path[40], text[4096];
  snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[size > 0 ? size : 0] = 0;
  size_t first = strlen(text) + 1;
  snprintf(into, room, "%s", (ssize_t)first < size ? text + first : "");
}

void process_executed(struct process *process) {
  char argument[32];
  if (is(process, "child")) {
    strcpy(process->role, "command");
    if (process->parent) process->parent->set_up_done = true;
    return;
  }
  if (!is(process, "start")) return;
  second_argument(process->pid, argument, sizeof argument);
  strcpy(process->role, strcmp(argument, "--keeper") == 0 ? "keeper" : "spawner");
}

static struct counts *counts_of(const char *role) {
  for (struct counts *c = counted; c; c = c->next)
    if (strcmp(c->role, role) == 0) return c;
  struct counts *made = calloc(1, sizeof *made);
  if (!made) exit(2);
  snprintf(made->role, sizeof made->role, "%s", role);
  made->next = counted;
  counted = made;
  return made;
}

unsigned process_count(const struct process *process, long number) {
  if (number < 0 || number >= CALLS) return 0;
  return ++counts_of(process->role)->count[number];
}

const char *process_phase(const struct process *process, int host_phase) {
  static const char *const of_host[] = {"", "transform", "spawn", "run", ""};
  if (is(process, "host")) return of_host[host_phase];
  if (is(process, "command") || is(process, "helper")) return "";
  if (host_phase == 0 || host_phase == 4) return "";
  if (is(process, "start") || is(process, "spawner")) return "spawn";
  if (is(process, "supervisor")) return process->set_up_done ? "run" : "supervisor";
  return is(process, "child") ? "child" : "keeper";
}

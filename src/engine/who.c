#include "engine/who.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is looked for stands within the first lines of status (proc_pid_status(5)). */
#define HEAD 512

static int number_after(const char *text, const char *field) {
  const char *at = strstr(text, field);
  return at ? atoi(at + strlen(field)) : 0;
}

void sbx_who_read(struct sbx_who *who, pid_t thread) {
  char path[40], text[HEAD];
  *who = (struct sbx_who){0};
  snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0) close(fd);
  if (size <= 0) return;
  text[size] = 0;
  if (strncmp(text, "Name:\t", 6) == 0)
    snprintf(who->program, sizeof who->program, "%.*s", (int)strcspn(text + 6, "\n"), text + 6);
  /* a newline in the name itself is written as \n: no field can be feigned */
  who->pid = number_after(text, "\nTgid:\t");
  who->parent = number_after(text, "\nPPid:\t");
}

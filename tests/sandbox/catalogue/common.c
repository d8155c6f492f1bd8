/* What attempts and the world share: paths, facts, little helpers. */
#include "catalogue.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

const char *current, *arena;

char *text(const char *format, ...) {
  char *made = NULL;
  va_list args;
  va_start(args, format);
  if (vasprintf(&made, format, args) < 0) abort();
  va_end(args);
  return made;
}

char *outside(const char *name) {
  return text("%s/outside/%s/%s", arena, current, name);
}
/* The host's world and the attempts agree on it, but where the world is somebody else's sandbox. */
static char *inside_base(void) {
  const char *other = getenv("SBX_INSIDE");
  return other ? text("%s", other) : text("%s/inside", arena);
}
char *inside(const char *name) {
  return text("%s/%s/%s", inside_base(), current, name);
}
char *root(const char *name) {
  return text("%s/roots/%s/%s", arena, current, name);
}

/* Below INSIDE, which every policy here lets be read. */
static const char *all_facts(void) {
  static char *content;
  if (content) return content;
  content = calloc(1, 65536);
  int fd = open(text("%s/facts", inside_base()), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read(fd, content, 65535) < 0) exit(3);
  close(fd);
  return content;
}

const char *fact(const char *key) {
  const char *start = text("%s ", key);
  for (const char *line = all_facts(); line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, start, strlen(start)) != 0) continue;
    line += strlen(start);
    return text("%.*s", (int)strcspn(line, "\n"), line);
  }
  return "";
}

const char *own(const char *key) {
  return fact(text("%s.%s", key, current));
}

int same_namespace(const char *kind) {
  char link[64] = "";
  if (readlink(text("/proc/self/ns/%s", kind), link, sizeof link - 1) < 0) return 1;
  return strcmp(link, fact(kind)) == 0;
}

int put(int fd) {
  if (fd < 0) return -1;
  int rc = (int)write(fd, "changed", 7), code = errno;
  close(fd);
  errno = code;
  return rc;
}

void leak(const void *bytes, ssize_t size) {
  if (size > 0) printf("leak %s %.*s\n", current, (int)size, (const char *)bytes);
  fflush(stdout);
}

ssize_t leak_from(int fd) {
  char bytes[1024];
  if (fd < 0) return -1;
  ssize_t size = read(fd, bytes, sizeof bytes);
  for (ssize_t i = 0; i < size; i++)
    if (bytes[i] < ' ') bytes[i] = ' ';
  leak(bytes, size);
  return size;
}

long finish(pid_t pid) {
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) < 0) return -1;
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  return errno ? -1 : 0;
}

int run_program(char *const argv[]) {
  pid_t pid = fork();
  if (pid == 0) {
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    dup2(null, 2);
    execv(argv[0], argv);
    _exit(ENOEXEC);
  }
  return (int)finish(pid);
}

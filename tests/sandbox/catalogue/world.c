/* The host around the sandbox: scratch files, victims, objects, servers. Facts go to
 * INSIDE/../facts, what happened to its output. Its input is the seed of all secrets; the end of
 * that is the end of the run. */
#include "catalogue.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/xattr.h>

void make_listeners(void);

static char seed[64];
static FILE *facts;

/* No attempt knows the seed: who prints a secret has read it. */
const char *secret_of(const char *name) {
  return text("%s-%s", seed, name);
}

static char **chosen;

void each_chosen(void (*call)(const struct attempt *)) {
  for (char **name = chosen; *name; name++) call(attempt_of(*name));
}

int is_chosen(const char *name) {
  for (char **one = chosen; *one; one++)
    if (strcmp(*one, name) == 0) return 1;
  return 0;
}

void tell(const char *verb, const char *name) {
  printf("%s %s\n", verb, name);
  fflush(stdout);
}

void note(const char *key, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int is_own = strcmp(key, "pid") == 0 || strcmp(key, "address") == 0 || strcmp(key, "pipe") == 0 ||
               strcmp(key, "held") == 0 || strcmp(key, "object") == 0;
  fprintf(facts, is_own ? "%s.%s " : "%s ", key, current);
  vfprintf(facts, format, args);
  fputc('\n', facts);
  va_end(args);
}

void write_file(const char *path, const char *content) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || write(fd, content, strlen(content)) < 0) exit(3);
  close(fd);
}

/* Directories are dear on some file systems: only where something is tried with them. */
static int needs_directories(void) {
  static const char *const themes[] = {"file_", "meta_", "inherited_", "mount_", "ns_", "read_"};
  for (int i = 0; i < 6; i++)
    if (strncmp(current, themes[i], strlen(themes[i])) == 0) return 1;
  return 0;
}

static void prepare(const struct attempt *one) {
  current = one->name;
  mkdir(outside(""), 0755);
  write_file(outside("file"), "content of the host\n");
  mkdir(inside(""), 0755);
  write_file(inside("mine"), "content of the command\n");
  if (needs_directories()) {
    mkdir(outside("empty"), 0755);
    mkdir(inside("dir"), 0755);
    write_file(inside("dir/file"), "content of the command\n");
  }
  if (one->prepare) one->prepare();
}

static void note_namespaces(void) {
  static const char *const kinds[] = {"mnt", "pid", "uts", "user"};
  for (int i = 0; i < 4; i++) {
    char link[64] = "";
    if (readlink(text("/proc/self/ns/%s", kinds[i]), link, sizeof link - 1) > 0)
      note(kinds[i], "%s", link);
  }
}

static void note_machine(void) {
  struct stat st;
  const char *cgroup = "/sys/fs/cgroup";
  if (access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) == 0) cgroup = "/sys/fs/cgroup/unified";
  char *id = text("%s", strrchr(arena, '.') + 1);
  for (char *at = id; *at; at++)
    if (*at == '/') *at = '-';
  note("id", "%s", id);
  note("cgroup", "%s", cgroup);
  note("marker", "%s", getenv("SBX_MARKER") ? getenv("SBX_MARKER") : "");
  note("sbxlua", "%s", getenv("SBX_PROGRAM") ? getenv("SBX_PROGRAM") : "");
  note("disk", "%s", getenv("SBX_DISK") ? getenv("SBX_DISK") : "");
  if (stat("/dev/pts", &st) == 0) note("devpts", "%llu", (unsigned long long)st.st_dev);
  note_namespaces();
  fflush(facts);
}

int world(const char *directory, char **names) {
  arena = directory;
  chosen = names;
  if (!fgets(seed, sizeof seed, stdin)) return 2;
  seed[strcspn(seed, "\n")] = 0;
  umask(022);
  static const char *const parts[] = {"inside", "outside", "roots"};
  for (int i = 0; i < 3; i++) mkdir(text("%s/%s", arena, parts[i]), 0755);
  facts = fopen(text("%s/inside/facts", arena), "we");
  if (!facts) return 3;
  note_machine();
  each_chosen(prepare);
  make_victims();
  signal(SIGPIPE, SIG_IGN); /* of victims that are no more */
  make_objects();
  make_listeners();
  note("end", "here");
  fclose(facts);
  tell("ready", "world");
  serve();
  ask_victims();
  check_objects();
  tell("done", "world");
  return 0;
}

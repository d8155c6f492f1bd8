/* The command of a run: leaves a mark that it ran, tries what the sandbox refuses and what it
 * allows, and prints what it finds itself to be. The same line means the same sandbox.
 *   probe MARK OUTSIDE PORT SOCKET HOST-NAMESPACES   (in the workspace) */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static void say(const char *what, int rc) {
  printf("%s=%s ", what, rc >= 0 ? "done" : strerrorname_np(errno));
}

static void say_number(const char *what, long long number) {
  printf("%s=%lld ", what, number);
}

static int try_create(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  close(fd);
  return unlink(path);
}

/* Makes `inner` in a directory that may be there, and leaves nothing. */
static int try_directory(const char *path, const char *inner) {
  char name[300];
  bool made = mkdir(path, 0755) == 0;
  if (!made && errno != EEXIST) return -1;
  snprintf(name, sizeof name, "%s/%s", path, inner);
  int rc = mkdir(name, 0755), code = errno;
  if (rc < 0 && code == EEXIST) rc = 0; /* of one that was killed on its way */
  if (rc == 0) rmdir(name);
  if (made) rmdir(path);
  errno = code;
  return rc;
}

static int try_connect(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int rc = connect(fd, (struct sockaddr *)&address, sizeof address), code = errno;
  close(fd);
  errno = code;
  return rc;
}

static int try_unix(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int rc = connect(fd, (struct sockaddr *)&address, sizeof address), code = errno;
  close(fd);
  errno = code;
  return rc;
}

static int try_keyring(void) {
  return (int)syscall(SYS_keyctl, 0, -3, 0, 0, 0);
}

static void try_files(const char *outside) {
  char path[300];
  snprintf(path, sizeof path, "%s/made", outside);
  say("outside", try_create(path));
  snprintf(path, sizeof path, "%s/file", outside);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  say("write", fd);
  if (fd >= 0) close(fd);
  say("mode", chmod(path, 0644));
  say("inside", try_create("made"));
  say("git", try_directory(".git", "x"));
  say("codex", try_directory(".codex", "x"));
  say("head", try_directory("HEAD", "x"));
  say("git2", try_directory("../second/.git", "x"));
  struct stat here; /* a name that no other probe has */
  if (stat(".", &here) < 0) return;
  snprintf(path, sizeof path, "/tmp/sbx-faults-%ju", (uintmax_t)here.st_ino);
  say("temporary", try_create(path));
  snprintf(path, sizeof path, "/dev/shm/sbx-faults-%ju", (uintmax_t)here.st_ino);
  say("shm", try_create(path));
  fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  say("null", fd >= 0 && write(fd, "", 1) == 1 ? 0 : -1);
}

/* To its end: it may come in pieces. */
static long input_size(void) {
  char input[16];
  ssize_t size, all = 0;
  while ((size = read(0, input, sizeof input)) > 0) all += size;
  return size < 0 ? -1 : all;
}

/* What a policy with more in it names; none of it is there otherwise. */
static void try_more(void) {
  say("config", open(".git/config", O_WRONLY | O_CLOEXEC));
  say("hook", try_create(".git/hooks/made"));
  say("worktree", try_create(".git/worktrees/second/made"));
  int moved = rename("../second/.git", "../second/moved");
  say("pointer", moved);
  if (moved == 0 && rename("../second/moved", "../second/.git") < 0) say("back", -1);
  say("kept", open("kept/file", O_WRONLY | O_CLOEXEC));
  say("secret", open("secret", O_RDONLY | O_CLOEXEC));
  say("hidden", open("hidden/file", O_RDONLY | O_CLOEXEC));
  say_number("input", input_size());
}

static void tell_status(void) {
  static const char *const fields[] = {"CapInh", "CapPrm",     "CapEff",  "CapBnd", "CapAmb",
                                       "SigBlk", "SigIgn",     "Seccomp", "Groups", "Umask",
                                       "NoNew",  "Seccomp_fi", "NSpid",   "TracerP"};
  char line[256];
  FILE *file = fopen("/proc/self/status", "re");
  if (!file) return say("status", -1);
  while (fgets(line, sizeof line, file))
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
      if (strncmp(line, fields[i], strlen(fields[i])) == 0 && i < 12) {
        for (char *c = line; *c; c++)
          if (*c == '\t' || *c == ' ' || *c == '\n') *c = '_';
        printf("%s ", line);
      }
  fclose(file);
}

/* Those of the host are given as one text: the sandbox's own are in it or not. */
static void tell_namespaces(const char *of_host) {
  static const char *const names[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[40], text[64] = "";
    snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
    if (readlink(path, text, sizeof text - 1) < 0) snprintf(text, sizeof text, "?");
    printf("%s:%s ", names[i], strstr(of_host, text) ? "host" : "own");
  }
}

static void tell_self(void) {
  int count = 0;
  struct rlimit limit = {0, 0};
  for (int fd = 0; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) >= 0) count++;
  getrlimit(RLIMIT_CORE, &limit);
  say_number("descriptors", count);
  say_number("core", (long long)limit.rlim_max);
  say_number("leader", getsid(0) == getpid());
  say_number("child_of_init", getppid() == 1);
  say_number("uid", (long long)getuid());
  say_number("dumpable", prctl(PR_GET_DUMPABLE));
  for (int fd = 0; fd < 3; fd++) {
    struct stat st;
    say_number("mode", fstat(fd, &st) < 0 ? -1 : (long long)(st.st_mode & S_IFMT));
  }
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  int mark = open(argv[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (mark < 0) return 3;
  close(mark);
  try_files(argv[2]);
  try_more();
  say("network", try_connect(atoi(argv[3])));
  say("unix", try_unix(argv[4]));
  say("keyring", try_keyring());
  tell_status();
  tell_namespaces(argv[5]);
  tell_self();
  putchar('\n');
  return 0;
}

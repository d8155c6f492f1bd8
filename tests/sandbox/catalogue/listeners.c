/* The host's servers and terminals. Whatever arrives is noted word for word: "heard WORD". */
#include "catalogue.h"

#include "../loopback.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

enum { MOST = 96, TICK_MS = 15 };
enum kind { INPUT, SERVER, GIVER, PLAIN };

static struct pollfd fds[MOST];
static enum kind kinds[MOST];
static int count;

static void watch(int fd, enum kind kind) {
  if (fd < 0 || count == MOST) return;
  kinds[count] = kind;
  fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static int internet(int family, int type, int port) {
  int fd = bind_loopback(family, type, &port);
  if (type == SOCK_STREAM) listen(fd, 16);
  watch(fd, type == SOCK_STREAM ? SERVER : PLAIN);
  return port;
}

static void local(const char *path, int type, int is_abstract, enum kind kind) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  snprintf(un.sun_path + is_abstract, sizeof un.sun_path - 1, "%s", path);
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  socklen_t size =
      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)is_abstract + strlen(path));
  if (fd < 0 || bind(fd, (void *)&un, size + !is_abstract) < 0) return;
  if (type != SOCK_DGRAM) listen(fd, 32);
  watch(fd, kind);
}

/* A world in a sandbox (two_sandboxes_spec.lua) has no sockets and perhaps no terminals: what can't
 * be made is not there, and the control shows where it should have been. */

/* Raw, so that what is typed can be read at once. */
static int terminal(const char *key, int *slave) {
  struct termios settings;
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) return -1;
  note(key, "%s", ptsname(master));
  *slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (*slave < 0 || tcgetattr(*slave, &settings) < 0) return -1;
  cfmakeraw(&settings);
  tcsetattr(*slave, TCSANOW, &settings);
  return master;
}

static int settings_of = -1;

static void make_terminals(void) {
  int slave = -1, master;
  watch(terminal("terminal", &settings_of), PLAIN);
  current = "terminal_read";
  master = terminal("terminal_read", &slave);
  if (write(master, secret_of(current), strlen(secret_of(current))) < 0) return;
  terminal("terminal_type", &slave);
  watch(slave, PLAIN);
}

static void make_servers(void) {
  char *directory = text("%s/sockets", arena);
  mkdir(directory, 0755);
  int tcp = internet(AF_INET, SOCK_STREAM, 0);
  internet(AF_INET6, SOCK_STREAM, tcp);
  note("tcp", "%d", tcp);
  note("udp", "%d", internet(AF_INET, SOCK_DGRAM, 0));
  local(text("%s/stream", directory), SOCK_STREAM, 0, SERVER);
  local(text("%s/packet", directory), SOCK_SEQPACKET, 0, SERVER);
  local(text("%s/giver", directory), SOCK_STREAM, 0, GIVER);
  local(text("%s/datagram", directory), SOCK_DGRAM, 0, PLAIN);
  local(text("%s-stream", fact("id")), SOCK_STREAM, 1, SERVER);
  local(text("%s-datagram", fact("id")), SOCK_DGRAM, 1, PLAIN);
  current = "unix_stream_inside";
  if (is_chosen(current)) local(inside("s"), SOCK_STREAM, 0, SERVER);
  current = "file_fifo_write";
  watch(open(outside("fifo"), O_RDWR | O_NONBLOCK | O_CLOEXEC), PLAIN);
}

static void hear(const char *bytes) {
  char word[64];
  for (int used; sscanf(bytes, "%63[a-z0-9_]%n", word, &used) == 1;) {
    tell("heard", word);
    bytes += used + (bytes[used] == '\n' || bytes[used] == '\r');
  }
}

static void give(int connection) {
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec iov = {"x", 1};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  current = "unix_descriptor";
  int fd = open(outside("file"), O_WRONLY | O_CLOEXEC);
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
  *cmsg = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
  sendmsg(connection, &msg, MSG_NOSIGNAL);
  close(fd);
  close(connection);
}

static void take(int i) {
  char bytes[256] = "";
  if (kinds[i] == PLAIN) {
    if (isatty(fds[i].fd)) usleep(20000); /* typed letter by letter */
    ssize_t size = read(fds[i].fd, bytes, sizeof bytes - 1);
    if (size > 0) hear(bytes);
    if (size <= 0) fds[i].fd = -1;
    return;
  }
  int connection = accept4(fds[i].fd, NULL, NULL, SOCK_CLOEXEC);
  if (kinds[i] == GIVER)
    give(connection);
  else
    watch(connection, PLAIN);
}

/* Dials what an attempt offers (arrivals.c), once for each. */
static int dial(const char *name) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  int port = 0, udp = strcmp(name, "arrive_udp") == 0, path = strcmp(name, "arrive_path") == 0;
  current = name;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  snprintf(un.sun_path, sizeof un.sun_path, "%s", inside("s"));
  FILE *file = path ? NULL : fopen(inside("port"), "re");
  if (file) {
    if (fscanf(file, "%d", &port) != 1) port = 0;
    fclose(file);
  }
  if (path ? access(inside("s"), F_OK) < 0 : !port) return 0;
  in.sin_port = htons((uint16_t)port);
  int fd = socket(path ? AF_UNIX : AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
  if (connect(fd, path ? (void *)&un : (void *)&in, path ? sizeof un : sizeof in) < 0) {
    close(fd);
    return 0;
  }
  if (udp) return (int)send(fd, secret_of(name), strlen(secret_of(name)), MSG_NOSIGNAL);
  return watch(fd, PLAIN), 1;
}

static void dial_all(void) {
  static const char *const names[] = {"arrive_tcp", "arrive_unbound", "arrive_udp", "arrive_path"};
  static int done[4];
  for (int i = 0; i < 4; i++)
    if (!done[i]) done[i] = dial(names[i]) > 0;
}

static void check_settings(void) {
  struct termios settings;
  if (settings_of < 0 || tcgetattr(settings_of, &settings) < 0) return;
  if (settings.c_cc[VINTR] == 'x') tell("touched", "terminal_settings");
}

void make_listeners(void) {
  watch(0, INPUT);
  make_servers();
  make_terminals();
}

/* When the input has ended, what is still under way is taken. */
void serve(void) {
  int ending = 0;
  while (poll(fds, (nfds_t)count, TICK_MS) > 0 || !ending) {
    dial_all();
    for (int i = ending ? 1 : 0; i < count; i++) {
      if (!fds[i].revents) continue;
      if (kinds[i] == INPUT)
        ending = 1, fds[0].fd = -1;
      else
        take(i);
    }
  }
  check_settings();
}

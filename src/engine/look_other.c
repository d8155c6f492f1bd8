/* Calls that name no file: addresses, sockets, mounts, and what the filter refuses whole. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "engine/memory.h"
#include "engine/sight.h"

/* A path with its prefix. */
#define TEXT_MAX (PATH_MAX + 8)

typedef struct sbx_refusal_seen refusal;

/* ---- addresses ---- */

union address {
  struct sockaddr any;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
  struct sockaddr_un un;
  char bytes[128];
};

static bool read_address(const struct sbx_look *look, union address *address, size_t *size) {
  uint64_t at = sbx_look_arg(look, look->form->path);
  *size = (size_t)(sbx_look_arg(look, look->form->flags) & 0xffffffff);
  memset(address, 0, sizeof *address);
  if (*size < sizeof(sa_family_t) || *size > sizeof address->bytes) return false;
  if (sbx_memory_bytes((pid_t)look->call->pid, at, address->bytes, *size) == 0) return true;
  sbx_look_unread(look);
  return false;
}

/* unix:/path, as the caller's directory makes it absolute, or unix:@name. */
static bool unix_text(const struct sbx_look *look, const union address *address, size_t size,
                      char text[TEXT_MAX]) {
  static const char prefix[] = "unix:";
  char path[sizeof address->un.sun_path + 1] = "", whole[PATH_MAX];
  size_t head = offsetof(struct sockaddr_un, sun_path);
  if (size <= head) return false;
  memcpy(path, address->un.sun_path, size - head < sizeof path - 1 ? size - head : sizeof path - 1);
  if (!*path) {
    snprintf(text, TEXT_MAX, "%s@%s", prefix, path + 1);
    return true;
  }
  struct sbx_found found;
  sbx_resolve(&found, (pid_t)look->call->pid, AT_FDCWD, path, true);
  bool named = sbx_found_path(&found, whole);
  bool none = look->form->operation == SBX_OP_CONNECT && found.object < 0;
  sbx_found_close(&found);
  if (none) return false; /* nobody could be reached there */
  snprintf(text, TEXT_MAX, "%s%s", prefix, named ? whole : path);
  return true;
}

static bool address_text(const struct sbx_look *look, const union address *address, size_t size,
                         char text[TEXT_MAX]) {
  char host[INET6_ADDRSTRLEN];
  switch (address->any.sa_family) {
  case AF_INET:
    inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof host);
    snprintf(text, TEXT_MAX, "%s:%d", host, ntohs(address->in.sin_port));
    return true;
  case AF_INET6:
    inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof host);
    snprintf(text, TEXT_MAX, "[%s]:%d", host, ntohs(address->in6.sin6_port));
    return true;
  case AF_UNIX: return unix_text(look, address, size, text);
  default: return false;
  }
}

static bool is_own_v4(uint32_t address) {
  address = ntohl(address);
  return address >> 24 == 127 || address == INADDR_ANY;
}

/* What a network namespace with a loopback alone reaches. */
static bool is_inside(const union address *address) {
  if (address->any.sa_family == AF_INET) return is_own_v4(address->in.sin_addr.s_addr);
  if (address->any.sa_family != AF_INET6) return true;
  const struct in6_addr *in6 = &address->in6.sin6_addr;
  uint32_t mapped;
  memcpy(&mapped, in6->s6_addr + 12, sizeof mapped);
  if (IN6_IS_ADDR_V4MAPPED(in6)) return is_own_v4(mapped);
  return IN6_IS_ADDR_LOOPBACK(in6) || IN6_IS_ADDR_UNSPECIFIED(in6);
}

static void look_address(const struct sbx_look *look) {
  union address address;
  char text[TEXT_MAX];
  size_t size;
  int code = look->rule->value;
  if (!read_address(look, &address, &size)) return;
  if (code == SBX_CONTINUE && is_inside(&address)) return;
  enum sbx_refuser by = code == SBX_CONTINUE ? SBX_BY_NETWORK : SBX_BY_SUPERVISOR;
  if (code == SBX_CONTINUE)
    code = look->form->operation == SBX_OP_BIND ? EADDRNOTAVAIL : ENETUNREACH;
  if (!address_text(look, &address, size, text)) return;
  sbx_look_note(look, look->form->operation, (refusal){code, by}, text, NULL);
}

bool sbx_look_unlisted(const struct sbx_look *look) {
  union address address;
  char text[TEXT_MAX];
  size_t size;
  if (!look->form || !read_address(look, &address, &size)) return false;
  if (sbx_broker_lists(look->sight->broker, (pid_t)look->call->pid, &address, size)) return false;
  if (address_text(look, &address, size, text))
    sbx_look_note(look, SBX_OP_CONNECT, (refusal){EACCES, SBX_BY_SUPERVISOR}, text, NULL);
  return true;
}

/* ---- the rest ---- */

static void look_socket(const struct sbx_look *look, refusal found) {
  const __u64 *args = look->call->data.args;
  char text[64];
  snprintf(text, sizeof text, "socket:%d:%d:%d", (int)args[0], (int)args[1] & 0xf, (int)args[2]);
  sbx_look_note(look, look->form->operation, found, text, NULL);
}

static void look_target(const struct sbx_look *look, refusal found) {
  char path[PATH_MAX], whole[PATH_MAX] = "";
  struct sbx_found at;
  if (sbx_look_text(look, look->form->path, path, sizeof path)) {
    sbx_resolve(&at, (pid_t)look->call->pid, AT_FDCWD, path, true);
    sbx_found_path(&at, whole);
    sbx_found_close(&at);
  }
  sbx_look_note(look, look->form->operation, found, whole, NULL);
}

/* Which namespaces are asked for says who may. */
static void look_flags(const struct sbx_look *look, refusal found) {
  char text[32] = "";
  int number = look->call->data.nr;
  if (number == SYS_unshare || number == SYS_clone)
    snprintf(text, sizeof text, "flags:%llx", look->call->data.args[0]);
  sbx_look_note(look, look->form ? look->form->operation : SBX_OP_OTHER, found, text, NULL);
}

void sbx_look_other(const struct sbx_look *look) {
  refusal found = {look->rule->value, SBX_BY_FILTER};
  switch (look->form ? look->form->kind : SBX_CALL_OTHER) {
  case SBX_CALL_ADDRESS: look_address(look); break;
  case SBX_CALL_SOCKET: look_socket(look, found); break;
  case SBX_CALL_TARGET: look_target(look, found); break;
  case SBX_CALL_OPTION:
    if (found.code != ENOPROTOOPT) sbx_look_note(look, look->form->operation, found, "", NULL);
    break;
  default: look_flags(look, found);
  }
}

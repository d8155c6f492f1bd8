#include "engine/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

int sbx_address_path(const void *bytes, size_t size, char path[SBX_ADDRESS_PATH]) {
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  if (size > sizeof address || size < sizeof(sa_family_t)) return EINVAL;
  memcpy(&address, bytes, size);
  /* by another family nothing was let through, and a name without a path is no file */
  if (address.sun_family != AF_UNIX || !address.sun_path[0]) return EACCES;
  memcpy(path, address.sun_path, sizeof address.sun_path);
  path[sizeof address.sun_path] = 0;
  return 0;
}

static int take_inet(const void *bytes, size_t size, struct sbx_peer *peer) {
  struct sockaddr_in address;
  if (size < sizeof address) return EINVAL;
  memcpy(&address, bytes, sizeof address);
  memcpy(peer->address, &address.sin_addr, sizeof address.sin_addr);
  peer->port = ntohs(address.sin_port);
  return 0;
}

/* Without the scope it is the form of RFC 2133, which the kernel takes too. */
static int take_inet6(const void *bytes, size_t size, struct sbx_peer *peer) {
  struct sockaddr_in6 address;
  memset(&address, 0, sizeof address);
  if (size < offsetof(struct sockaddr_in6, sin6_scope_id)) return EINVAL;
  memcpy(&address, bytes, size < sizeof address ? size : sizeof address);
  peer->port = ntohs(address.sin6_port);
  peer->scope = address.sin6_scope_id;
  peer->mapped = IN6_IS_ADDR_V4MAPPED(&address.sin6_addr);
  if (peer->mapped) {
    peer->family = AF_INET;
    memcpy(peer->address, &address.sin6_addr.s6_addr[12], 4);
  } else {
    memcpy(peer->address, &address.sin6_addr, sizeof address.sin6_addr);
  }
  return 0;
}

int sbx_address_peer(const void *bytes, size_t size, struct sbx_peer *peer) {
  sa_family_t family;
  if (size > SBX_ADDRESS_ROOM || size < sizeof family) return EINVAL;
  memcpy(&family, bytes, sizeof family);
  *peer = (struct sbx_peer){.family = family};
  if (family == AF_INET) return take_inet(bytes, size, peer);
  if (family == AF_INET6) return take_inet6(bytes, size, peer);
  return EACCES; /* AF_UNSPEC would let go of a peer, and of what was judged */
}

static socklen_t make_inet(const struct sbx_peer *peer, struct sockaddr_storage *made) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(peer->port)};
  memcpy(&address.sin_addr, peer->address, sizeof address.sin_addr);
  memcpy(made, &address, sizeof address);
  return sizeof address;
}

static socklen_t make_inet6(const struct sbx_peer *peer, struct sockaddr_storage *made) {
  struct sockaddr_in6 address = {
      .sin6_family = AF_INET6, .sin6_port = htons(peer->port), .sin6_scope_id = peer->scope};
  uint8_t *bytes = address.sin6_addr.s6_addr;
  if (peer->mapped) {
    memset(bytes + 10, 0xff, 2);
    memcpy(bytes + 12, peer->address, 4);
  } else {
    memcpy(bytes, peer->address, sizeof peer->address);
  }
  memcpy(made, &address, sizeof address);
  return sizeof address;
}

socklen_t sbx_address_make(const struct sbx_peer *peer, struct sockaddr_storage *made) {
  memset(made, 0, sizeof *made);
  return peer->family == AF_INET6 || peer->mapped ? make_inet6(peer, made) : make_inet(peer, made);
}

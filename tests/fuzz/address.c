/* An address out of another process's memory: the path that the kernel would take of it (unix(7)),
 * the number of the internet, or a refusal. */
#include "engine/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "fuzz.h"

/* What is made for the kernel is read as the same peer, and has nothing of what came but that. */
static void check_peer(const uint8_t *data, size_t size) {
  struct sbx_peer peer, again;
  struct sockaddr_storage made;
  int code = sbx_address_peer(data, size, &peer);
  MUST(code == 0 || code == EINVAL || code == EACCES);
  if (code) return;
  socklen_t whole = sbx_address_make(&peer, &made);
  MUST(whole <= sizeof made && sbx_address_peer(&made, whole, &again) == 0);
  MUST(memcmp(peer.address, again.address, sizeof peer.address) == 0 && peer.port == again.port &&
       peer.family == again.family && peer.mapped == again.mapped);
  const uint8_t *address = data + (made.ss_family == AF_INET ? 4 : 8);
  MUST(memcmp((const uint8_t *)&made + (address - data), address,
              peer.family == AF_INET ? 4 : 16) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[SBX_ADDRESS_PATH];
  sa_family_t family = AF_UNSPEC;
  check_peer(data, size);
  memset(path, 'x', sizeof path);
  int code = sbx_address_path(data, size, path);
  if (size >= sizeof family) memcpy(&family, data, sizeof family);
  bool is_short = size < sizeof family || size > SBX_ADDRESS_MAX;
  bool is_path = family == AF_UNIX && size > sizeof family && data[sizeof family];
  MUST(code == (is_short ? EINVAL : is_path ? 0 : EACCES));
  if (code) return 0;
  size_t length = 0;
  while (sizeof family + length < size && data[sizeof family + length]) length++;
  MUST(strlen(path) == length && memcmp(path, data + sizeof family, length) == 0);
  return 0;
}

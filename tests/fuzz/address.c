/* An address out of another process's memory: the path that the kernel would take of it (unix(7)),
 * or a refusal. */
#include "engine/address.h"

#include <errno.h>
#include <sys/socket.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[SBX_ADDRESS_PATH];
  sa_family_t family = AF_UNSPEC;
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

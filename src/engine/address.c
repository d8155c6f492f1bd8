#include "engine/address.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

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

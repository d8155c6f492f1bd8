/* The address of a call that is made on behalf, as the caller's memory had it: foreign bytes. */
#ifndef SBX_ADDRESS_H
#define SBX_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SBX_ADDRESS_MAX sizeof(struct sockaddr_un)
/* What the kernel takes of an address, whatever its family (connect(2), net/socket.c). */
#define SBX_ADDRESS_ROOM sizeof(struct sockaddr_storage)
/* With room for the NUL byte that a path of full length comes without (unix(7)). */
#define SBX_ADDRESS_PATH (sizeof(((struct sockaddr_un *)0)->sun_path) + 1)

/* An address of the internet. One of IPv4 in the form of IPv6 (::ffff:1.2.3.4) is that one of IPv4:
 * to a list it must not look like another. */
struct sbx_peer {
  uint8_t address[16]; /* of IPv4 the first four */
  int family;          /* AF_INET, AF_INET6 */
  uint16_t port;
  bool mapped; /* it came in the form of IPv6 */
  uint32_t scope;
};

/* The path of a socket's address: 0, or the errno that the call fails with. size: at most
 * SBX_ADDRESS_MAX. */
int sbx_address_path(const void *bytes, size_t size, char path[SBX_ADDRESS_PATH]);
/* 0, or the errno that the call fails with. */
int sbx_address_peer(const void *bytes, size_t size, struct sbx_peer *peer);
/* For the kernel, in the form that it came in: made anew, with nothing else of what came. */
socklen_t sbx_address_make(const struct sbx_peer *peer, struct sockaddr_storage *made);

#endif

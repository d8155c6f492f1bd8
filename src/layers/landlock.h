/* Landlock through raw system calls: Debian's headers are older than the kernel. */
#ifndef SBX_LANDLOCK_H
#define SBX_LANDLOCK_H

#include <stdint.h>

int sbx_landlock_version(void); /* ABI of the running kernel, 0: none */
/* The rights that an ABI knows. */
uint64_t sbx_landlock_known_fs(int abi);
uint64_t sbx_landlock_known_net(int abi);
uint64_t sbx_landlock_known_scope(int abi);
uint64_t sbx_landlock_file_rights(void); /* those that a rule on a non-directory may name */
/* A ruleset descriptor, or -1 and errno. */
int sbx_landlock_ruleset(int abi, uint64_t fs, uint64_t net, uint64_t scope);
int sbx_landlock_allow(int ruleset, int path_fd, uint64_t access);
int sbx_landlock_restrict(int ruleset);

#endif

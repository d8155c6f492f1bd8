/* The library's modules inside of the program. An edited file on disk counts instead: one that is
 * newer than the program, or of another size. */
#ifndef SBX_MODULES_H
#define SBX_MODULES_H

#include <lua.h>
#include <stddef.h>

struct sbx_module {
  const char *name;
  const char *file; /* below the directory of modules; NULL: none of ours */
  size_t file_size;
  const unsigned char *code;
  size_t code_size;
};

/* Made at the build (embed.lua); the last one has no name. */
extern const struct sbx_module sbx_modules[];

/* Has `require` look there first. directory: where the files of the same modules lie. */
void sbx_modules_open(lua_State *L, const char *directory);

#endif

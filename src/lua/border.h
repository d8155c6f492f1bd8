/* The border between C and Lua: the only files that include lua.h. Each file registers one noun. */
#ifndef SBX_BORDER_H
#define SBX_BORDER_H

#include <lauxlib.h>
#include <lua.h>

#include "sbx.h"

/* core.c */
sbx_engine *sbx_lua_engine(lua_State *L); /* the module's own, made on first use; throws */
const sbx_engine *sbx_lua_engine_made(lua_State *L); /* the same, or NULL before its first use */
const char *sbx_lua_helper(lua_State *L);            /* path of the helper program, or NULL */

/* failure.c: nil and {kind, step, code, message}; returns 2 */
int sbx_lua_failure(lua_State *L, const struct sbx_error *err);
int sbx_lua_errno(lua_State *L, const char *step, const char *path); /* from errno */
/* Throws: what a wrong type, an unknown word or no memory is. The format is lua_pushfstring's. */
_Noreturn void sbx_lua_misuse(lua_State *L, const char *format, ...);
const char *sbx_lua_errno_name(int code); /* "ENOENT", or NULL */
void sbx_lua_push_errnos(lua_State *L);
void sbx_lua_push_signals(lua_State *L);

/* fields.c: pushes the field where it is a table, else nothing; sets one of the table on top */
bool sbx_lua_push_table(lua_State *L, int index, const char *field);
void sbx_lua_set_integer(lua_State *L, const char *field, int64_t value);
void sbx_lua_set_text(lua_State *L, const char *field, const char *text);

/* plan.c: reads an engine plan; pushes the box that owns it; throws on misuse */
sbx_plan *sbx_lua_plan(lua_State *L, int index);

/* limits.c: reads the bounds and groups of an engine plan into it */
void sbx_lua_bounds(lua_State *L, int index, sbx_plan *plan);
int sbx_lua_group_directory(lua_State *L);

/* network.c: reads the addresses of an engine plan into it */
void sbx_lua_network(lua_State *L, int index, sbx_plan *plan);

/* request.c: fills a request from a table; pushes values that must stay on the stack as long as
 * the request is used; throws on misuse; -1 and err for a descriptor that can't be given */
int sbx_lua_request(lua_State *L, int index, struct sbx_request *request, struct sbx_error *err);

/* job.c, sandbox.c, world.c, pollset.c */
sbx_job **sbx_lua_new_job(lua_State *L); /* pushes an empty job */
void sbx_lua_open_job(lua_State *L);
int sbx_lua_sandbox(lua_State *L);
int sbx_lua_close_sandbox(lua_State *L);
const sbx_sandbox *sbx_lua_check_sandbox(lua_State *L, int index);
void sbx_lua_open_sandbox(lua_State *L);
int sbx_lua_world(lua_State *L);
void sbx_lua_open_world(lua_State *L);
int sbx_lua_pollset(lua_State *L);
void sbx_lua_open_pollset(lua_State *L);
void sbx_lua_open_log(lua_State *L); /* log.c */

/* seen.c: pushes one, and sets `seen` of the table on top to the list of all */
void sbx_lua_push_seen(lua_State *L, const struct sbx_seen *seen);
void sbx_lua_push_all_seen(lua_State *L, const sbx_job *job);

/* files.c, log.c, system.c, probe.c */
extern const luaL_Reg sbx_lua_files[];
extern const luaL_Reg sbx_lua_log[];
extern const luaL_Reg sbx_lua_system[];
int sbx_lua_probe(lua_State *L);
int sbx_lua_cgroup(lua_State *L);
void sbx_lua_push_stat(lua_State *L, const void *statx_buffer);

#endif

/* What a job's watch has seen, as tables. */
#include <stdio.h>

#include "lua/border.h"

static const char *const kinds[] = {[SBX_SEEN_REFUSED] = "refused",
                                    [SBX_SEEN_FAILED] = "failed",
                                    [SBX_SEEN_UNREAD] = "unread",
                                    [SBX_SEEN_DROPPED] = "dropped"};

static const char *const operations[] = {
    [SBX_OP_OTHER] = "other",     [SBX_OP_READ] = "read",         [SBX_OP_WRITE] = "write",
    [SBX_OP_CREATE] = "create",   [SBX_OP_DELETE] = "delete",     [SBX_OP_RENAME] = "rename",
    [SBX_OP_LINK] = "link",       [SBX_OP_METADATA] = "metadata", [SBX_OP_EXECUTE] = "execute",
    [SBX_OP_CONNECT] = "connect", [SBX_OP_BIND] = "bind",         [SBX_OP_SEND] = "send",
    [SBX_OP_SOCKET] = "socket",   [SBX_OP_SIGNAL] = "signal",     [SBX_OP_MOUNT] = "mount"};

static const char *const refusers[] = {
    [SBX_BY_NOTHING] = "nothing",   [SBX_BY_MOUNT] = "mount",
    [SBX_BY_PIN] = "pin",           [SBX_BY_HIDING] = "hiding",
    [SBX_BY_LANDLOCK] = "landlock", [SBX_BY_CAPABILITIES] = "capabilities",
    [SBX_BY_FILTER] = "filter",     [SBX_BY_SUPERVISOR] = "supervisor",
    [SBX_BY_NETWORK] = "network"};

static void push_pids(lua_State *L, const struct sbx_seen *seen) {
  lua_newtable(L);
  for (int i = 0; i < SBX_SEEN_PIDS && seen->pids[i]; i++) {
    lua_pushinteger(L, seen->pids[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "pids");
}

static void push_call(lua_State *L, int number) {
  char name[64];
  if (!sbx_call_name(number, name, sizeof name)) snprintf(name, sizeof name, "%d", number);
  sbx_lua_set_text(L, "syscall", name);
}

static void push_code(lua_State *L, const struct sbx_seen *seen) {
  const char *name = sbx_lua_errno_name(seen->code);
  if (seen->kind == SBX_SEEN_REFUSED && name)
    sbx_lua_set_text(L, "errno", name);
  else
    sbx_lua_set_integer(L, "code", seen->code);
}

void sbx_lua_push_seen(lua_State *L, const struct sbx_seen *seen) {
  lua_createtable(L, 0, 16);
  sbx_lua_set_text(L, "kind", kinds[seen->kind]);
  sbx_lua_set_text(L, "operation", operations[seen->operation]);
  sbx_lua_set_text(L, "by", refusers[seen->by]);
  push_code(L, seen);
  push_call(L, seen->call);
  sbx_lua_set_integer(L, "pid", seen->pid);
  sbx_lua_set_integer(L, "ppid", seen->ppid);
  push_pids(L, seen);
  sbx_lua_set_integer(L, "count", (int64_t)seen->count);
  sbx_lua_set_integer(L, "seq", (int64_t)seen->first);
  sbx_lua_set_integer(L, "last", (int64_t)seen->last);
  sbx_lua_set_text(L, "program", seen->program);
  if (*seen->path) sbx_lua_set_text(L, "path", seen->path);
  if (*seen->target) sbx_lua_set_text(L, "target", seen->target);
}

void sbx_lua_push_all_seen(lua_State *L, const sbx_job *job) {
  struct sbx_seen seen;
  lua_newtable(L);
  for (size_t i = 0, count = 0; i < SBX_SEEN_MAX; i++) {
    if (!sbx_job_seen(job, i, &seen)) continue;
    sbx_lua_push_seen(L, &seen);
    lua_rawseti(L, -2, (lua_Integer)++count);
  }
  lua_setfield(L, -2, "seen");
}

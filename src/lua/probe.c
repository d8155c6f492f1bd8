/* core.probe(): each ability is tried to its end, and is true or says why not. */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lua/border.h"

struct trial {
  const char *name;
  uint32_t namespaces, flags;
  enum sbx_kill kill;
  bool mounts; /* the whole tree is made read-only */
};

/* As an ordinary user everything else needs the user namespace first. */
static const struct trial trials[] = {
    {"userns", SBX_NS_USER, 0, SBX_KILL_SUBREAPER, false},
    {"mountns", SBX_NS_MOUNT, 0, SBX_KILL_SUBREAPER, false},
    {"mounts", SBX_NS_MOUNT, 0, SBX_KILL_SUBREAPER, true},
    {"pidns", SBX_NS_PID | SBX_NS_MOUNT, SBX_FLAG_PROC, SBX_KILL_PIDNS, false},
    {"netns", SBX_NS_NET, SBX_FLAG_LOOPBACK, SBX_KILL_SUBREAPER, false},
};

static int try_plan(lua_State *L, const struct trial *trial, uint32_t more, struct sbx_error *err) {
  sbx_engine *engine = sbx_lua_engine(L); /* may throw: before anything is owned */
  const char *helper = sbx_lua_helper(L);
  sbx_plan *plan = sbx_plan_new();
  if (!plan) return -1;
  int rc = sbx_plan_namespaces(plan, trial->namespaces | more);
  if (rc == 0) rc = sbx_plan_flags(plan, trial->flags);
  if (rc == 0) rc = sbx_plan_kill(plan, trial->kill, NULL);
  if (rc == 0 && trial->mounts)
    rc = sbx_plan_mount(plan, SBX_MOUNT_SEAL, SBX_MOUNT_RECURSIVE, 0, "/", NULL);
  if (rc == 0) rc = sbx_try(engine, helper, plan, err);
  sbx_plan_free(plan);
  return rc;
}

static void push_trial(lua_State *L, const struct trial *trial) {
  struct sbx_error err = {0};
  int rc = -1;
  if (geteuid() == 0) rc = try_plan(L, trial, 0, &err);
  if (rc < 0) rc = try_plan(L, trial, SBX_NS_USER, &err);
  if (rc == 0)
    lua_pushboolean(L, 1);
  else
    lua_pushstring(L, err.message);
  lua_setfield(L, -2, trial->name);
}

static void push_answer(lua_State *L, const char *name, bool answer, const char *reason) {
  if (answer)
    lua_pushboolean(L, 1);
  else
    lua_pushstring(L, reason);
  lua_setfield(L, -2, name);
}

/* core.cgroup() -> the directory in which a job's cgroup can be made, or nil */
int sbx_lua_cgroup(lua_State *L) {
  char path[4096];
  if (sbx_delegated_cgroup(path, sizeof path))
    lua_pushstring(L, path);
  else
    lua_pushnil(L);
  return 1;
}

int sbx_lua_probe(lua_State *L) {
  struct utsname system;
  lua_createtable(L, 0, 12);
  uname(&system);
  lua_pushstring(L, system.release);
  lua_setfield(L, -2, "kernel");
  lua_pushstring(L, system.machine);
  lua_setfield(L, -2, "machine");
  lua_pushinteger(L, sbx_landlock_abi());
  lua_setfield(L, -2, "landlock_abi");
  push_answer(L, "seccomp", sbx_seccomp(), "the kernel has no filters (CONFIG_SECCOMP_FILTER)");
  push_answer(L, "user_notify", sbx_user_notify(), "the kernel is older than 5.0");
  push_answer(L, "pidfd", sbx_pidfd(), "the kernel is older than 5.3");
  for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) push_trial(L, &trials[i]);
  return 1;
}

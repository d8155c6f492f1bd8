#include <errno.h>
#include <sys/socket.h>

#include "lua/border.h"

#define JOB "sbx.job"

/* ---- accessor and constructor ---- */

static sbx_job **to_box(lua_State *L) {
  return luaL_checkudata(L, 1, JOB);
}

static sbx_job *check_job(lua_State *L) {
  sbx_job **box = to_box(L);
  if (!*box) sbx_lua_misuse(L, "the job is closed");
  return *box;
}

sbx_job **sbx_lua_new_job(lua_State *L) {
  sbx_job **box = lua_newuserdatauv(L, sizeof(void *), 1);
  *box = NULL;
  luaL_setmetatable(L, JOB);
  return box;
}

/* Milliseconds, -1 for none; what is past any clock is the longest time that there is. */
static int64_t opt_ms(lua_State *L, int index) {
  lua_Number ms = luaL_optnumber(L, index, -1);
  luaL_argcheck(L, ms == ms, index, "not a number of milliseconds");
  if (ms < 0) return -1;
  return ms > 1e15 ? INT64_C(1000000000000000) : (int64_t)(ms + 0.999);
}

/* ---- the result ---- */

static void set_number(lua_State *L, const char *field, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, field);
}

static const char *const streams[] = {"stdout", "stderr", "aggregated_output"};

static void push_usage(lua_State *L, const struct sbx_usage *usage) {
  static const char *const measures[] = {[SBX_MEASURE_WAITED] = "waited",
                                         [SBX_MEASURE_SAMPLED] = "sampled",
                                         [SBX_MEASURE_GROUP] = "cgroup",
                                         [SBX_MEASURE_NAMESPACE] = "pid_namespace"};
  lua_createtable(L, 0, 12);
  if (usage->user_us >= 0) set_number(L, "user_ms", (double)usage->user_us / 1e3);
  if (usage->system_us >= 0) set_number(L, "system_ms", (double)usage->system_us / 1e3);
  if (usage->max_rss_bytes >= 0) sbx_lua_set_integer(L, "max_rss_bytes", usage->max_rss_bytes);
  sbx_lua_set_integer(L, "voluntary_switches", usage->voluntary_switches);
  sbx_lua_set_integer(L, "involuntary_switches", usage->involuntary_switches);
  sbx_lua_set_integer(L, "processes", usage->processes);
  sbx_lua_set_integer(L, "storage_read_bytes", usage->storage_read_bytes);
  sbx_lua_set_integer(L, "storage_written_bytes", usage->storage_written_bytes);
  if (usage->read_bytes >= 0) sbx_lua_set_integer(L, "read_bytes", usage->read_bytes);
  if (usage->written_bytes >= 0) sbx_lua_set_integer(L, "written_bytes", usage->written_bytes);
  sbx_lua_set_text(L, "memory_by", measures[usage->memory_measure]);
  sbx_lua_set_text(L, "processes_by", measures[usage->processes_measure]);
}

static void push_truncated(lua_State *L, const struct sbx_result *result) {
  lua_createtable(L, 0, 3);
  for (int i = 0; i < 3; i++) sbx_lua_set_integer(L, streams[i], (int64_t)result->dropped[i]);
}

/* Each block is given back as soon as Lua has its copy: the peak is one copy above what is kept.
 * The aggregate first, as it may be one of the two streams. */
static void push_output(lua_State *L, sbx_job *job) {
  size_t size;
  const char *text = sbx_job_output(job, SBX_AGGREGATED, &size);
  lua_pushlstring(L, text, size);
  bool same = sbx_job_same_output(job);
  if (!same) sbx_job_release(job, SBX_AGGREGATED);
  for (int i = 0; i < 2; i++) {
    text = sbx_job_output(job, (enum sbx_stream)i, &size);
    if (same && size > 0)
      lua_pushvalue(L, -1);
    else
      lua_pushlstring(L, text, size);
    lua_setfield(L, -3, streams[i]);
    sbx_job_release(job, (enum sbx_stream)i);
  }
  lua_setfield(L, -2, streams[SBX_AGGREGATED]);
}

static const char *const bounds[] = {
    [SBX_BOUND_NONE] = "none",   [SBX_BOUND_MEMORY] = "memory", [SBX_BOUND_CPU] = "cpu",
    [SBX_BOUND_TASKS] = "tasks", [SBX_BOUND_FILES] = "files",   [SBX_BOUND_OUTPUT] = "output"};

static void push_reached(lua_State *L, uint32_t reached) {
  lua_newtable(L);
  for (uint32_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
    if (!(reached & 1U << i)) continue;
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, bounds[i]);
  }
}

static void push_result(lua_State *L, sbx_job *job) {
  static const char *const endings[] = {
      [SBX_ENDED_EXIT] = "exit",         [SBX_ENDED_SIGNAL] = "signal",
      [SBX_ENDED_TIMEOUT] = "timeout",   [SBX_ENDED_CANCELLED] = "cancelled",
      [SBX_ENDED_IDLE] = "idle_timeout", [SBX_ENDED_SUPERVISOR] = "supervisor",
      [SBX_ENDED_PROTECT] = "protect",   [SBX_ENDED_BOUND] = "bound"};
  const struct sbx_result *result = sbx_job_result(job);
  lua_createtable(L, 0, 12);
  lua_pushstring(L, endings[result->ending]);
  lua_setfield(L, -2, "ended_by");
  sbx_lua_set_integer(L, "exit_code", result->exit_code);
  if (*result->detail) {
    lua_pushstring(L, result->detail);
    lua_setfield(L, -2, "detail");
  }
  if (result->signal) sbx_lua_set_integer(L, "signal", result->signal);
  if (result->ending == SBX_ENDED_BOUND) sbx_lua_set_text(L, "bound", bounds[result->bound]);
  if (result->reached) {
    push_reached(L, result->reached);
    lua_setfield(L, -2, "reached");
  }
  set_number(L, "duration_ms", result->duration_ms);
  set_number(L, "setup_ms", result->setup_ms);
  sbx_lua_set_integer(L, "leftover", result->leftover);
  sbx_lua_set_integer(L, "inner_pid", result->inner_pid);
  push_usage(L, &result->usage);
  lua_setfield(L, -2, "usage");
  push_truncated(L, result);
  lua_setfield(L, -2, "truncated");
  sbx_lua_push_all_seen(L, job);
  push_output(L, job);
}

/* job:result() -> the same table at each call */
static int job_result(lua_State *L) {
  sbx_job *job = check_job(L);
  if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE) return 1;
  if (!sbx_job_ended(job)) sbx_lua_misuse(L, "the job has not ended");
  push_result(L, job);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, 1);
  return 1;
}

/* ---- turns ---- */

/* job:step() -> nil | "output", stream, text | "eof", stream | "seen", table | "end" */
static int job_step(lua_State *L) {
  enum sbx_stream stream;
  const char *text;
  size_t size;
  struct sbx_seen seen;
  sbx_job *job = check_job(L);
  switch (sbx_job_step(job, &stream, &text, &size)) {
  case SBX_EVENT_OUTPUT:
    lua_pushliteral(L, "output");
    lua_pushstring(L, streams[stream]);
    lua_pushlstring(L, text, size);
    return 3;
  case SBX_EVENT_EOF:
    lua_pushliteral(L, "eof");
    lua_pushstring(L, streams[stream]);
    return 2;
  case SBX_EVENT_SEEN:
    lua_pushliteral(L, "seen");
    if (!sbx_job_seen(job, size, &seen)) return 1;
    sbx_lua_push_seen(L, &seen);
    return 2;
  case SBX_EVENT_END: lua_pushliteral(L, "end"); return 1;
  default: lua_pushnil(L); return 1;
  }
}

/* job:pump([ms]) -> true once it has ended */
static int job_pump(lua_State *L) {
  lua_pushboolean(L, sbx_job_pump(check_job(L), opt_ms(L, 2)));
  return 1;
}

/* job:poll([ms]) -> true, false, or "interrupted" */
static int job_poll(lua_State *L) {
  int rc = sbx_job_poll(check_job(L), opt_ms(L, 2));
  if (rc < 0)
    lua_pushliteral(L, "interrupted");
  else
    lua_pushboolean(L, rc);
  return 1;
}

/* job:pollfd() -> descriptor, or nil and an error */
static int job_pollfd(lua_State *L) {
  int fd = sbx_job_pollfd(check_job(L));
  if (fd < 0) return sbx_lua_errno(L, "epoll", "pollfd");
  lua_pushinteger(L, fd);
  return 1;
}

/* job:timeout() -> ms until a step is due, or nil */
static int job_timeout(lua_State *L) {
  int64_t ms = sbx_job_timeout(check_job(L));
  if (ms < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, ms);
  return 1;
}

static int job_live(lua_State *L) {
  sbx_job_live(check_job(L), lua_toboolean(L, 2));
  return 0;
}

static int job_pid(lua_State *L) {
  lua_pushinteger(L, sbx_job_pid(check_job(L)));
  return 1;
}

/* ---- questions ---- */

/* job:question() -> {id, address, port, family, pid, program[, host]}, or nil */
static int job_question(lua_State *L) {
  struct sbx_question asked;
  if (!sbx_job_question(check_job(L), &asked)) {
    lua_pushnil(L);
    return 1;
  }
  lua_createtable(L, 0, 7);
  sbx_lua_set_integer(L, "id", (int64_t)asked.id);
  sbx_lua_set_integer(L, "port", asked.port);
  sbx_lua_set_integer(L, "pid", asked.pid);
  sbx_lua_set_text(L, "address", asked.address);
  sbx_lua_set_text(L, "program", asked.program);
  sbx_lua_set_text(L, "family", asked.family == AF_INET ? "inet" : "inet6");
  if (*asked.host) sbx_lua_set_text(L, "host", asked.host);
  return 1;
}

/* job:answer(id, yes) */
static int job_answer(lua_State *L) {
  sbx_job_answer(check_job(L), (uint64_t)luaL_checkinteger(L, 2), lua_toboolean(L, 3));
  return 0;
}

/* ---- input, signals, end ---- */

/* job:write(text) -> true, or nil and an error (EPIPE: nobody reads) */
static int job_write(lua_State *L) {
  size_t size;
  sbx_job *job = check_job(L);
  const char *data = luaL_checklstring(L, 2, &size);
  if (sbx_job_write(job, data, size) < 0) return sbx_lua_errno(L, "stdin", "write");
  lua_pushboolean(L, 1);
  return 1;
}

static int job_close_stdin(lua_State *L) {
  sbx_job_close_stdin(check_job(L));
  return 0;
}

static int job_kill(lua_State *L) {
  sbx_job *job = check_job(L);
  int64_t grace_ms = opt_ms(L, 2);
  sbx_job_kill(job, grace_ms < 0 ? 0 : grace_ms);
  return 0;
}

/* job:signal(number) -> true, or nil and an error (ESRCH: it has ended) */
static int job_signal(lua_State *L) {
  sbx_job *job = check_job(L);
  if (sbx_job_signal(job, (int)luaL_checkinteger(L, 2)) < 0)
    return sbx_lua_errno(L, "signal", "signal");
  lua_pushboolean(L, 1);
  return 1;
}

/* Idempotent: kills what is left. */
static int job_close(lua_State *L) {
  sbx_job **box = to_box(L);
  sbx_job *job = *box;
  *box = NULL;
  sbx_job_free(job);
  return 0;
}

void sbx_lua_open_job(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"result", job_result},     {"step", job_step},     {"pump", job_pump},
      {"poll", job_poll},         {"pollfd", job_pollfd}, {"timeout", job_timeout},
      {"live", job_live},         {"pid", job_pid},       {"write", job_write},
      {"kill", job_kill},         {"signal", job_signal}, {"close_stdin", job_close_stdin},
      {"question", job_question}, {"answer", job_answer}, {"close", job_close},
      {"__gc", job_close},        {"__close", job_close}, {NULL, NULL}};
  luaL_newmetatable(L, JOB);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

-- What crosses the border between Lua and C, for valgrind's memcheck: tests/valgrind/run.sh.
-- No command: valgrind makes a fork of every clone, and what shares memory with the engine here
-- would not. The sanitizers' build has those (tests/lua.c).
local core = require "sbx.core"
local fake = dofile("tests/unit/fake.lua")
local policy = require "sbx.policy"
local sbx = require "sbx"

local FULL = "danger-full-access"
local REQUEST = {
  argv = { "true" }, env = { "A=b" }, cwd = "/tmp", kill_grace_ms = 0, drain_ms = 0,
  setup_timeout_ms = 1000, max_output_bytes = 1000, live = false, merge_stderr = false,
}

-- Plans and requests go down, words come up; what the policies make of a tree that is not there.
local context = {
  cwd = "/tmp", env = {}, home = "/root", uid = 1000, probe = { landlock_abi = 7 },
  fs = fake.fs({ ["/tmp"] = "directory", ["/usr"] = "directory", ["/dev"] = "directory",
                 ["/dev/null"] = { type = "char" }, ["/proc"] = "directory" }),
}
for _ = 1, 3 do
  for _, name in ipairs({ "read-only", "workspace-write", FULL }) do
    for _, one in ipairs(assert(policy.plan({ mode = name }, context)).alternatives) do
      pcall(core.sandbox, one.engine)
      local words = assert(core.helper_argv(one.engine, REQUEST))
      assert(#words > 2)
    end
  end
  assert(sbx.transform({ "true", policy = FULL, env = { A = "b" }, cwd = "/tmp" }))
end

-- Tables that are no plan: refused, with nothing left behind.
for _, bad in ipairs({ {}, { nonsense = 1 }, { kill = "x" }, { namespaces = { user = 1 } },
                       { mounts = { { op = "bind" } } }, { mounts = { { path = "/", op = "x" } } },
                       { seccomp = { {} } }, { landlock = { abi = 1, rules = { {} } } },
                       { rlimits = { nothing = 1 } }, { journals = { "relative" } } }) do
  pcall(core.sandbox, bad)
end

-- Requests that are none.
for _, bad in ipairs({ { "a\0b" }, {}, { "" }, { "true", env = { ["a=b"] = "c" } },
                       { "true", arg0 = "a\0b" }, { "true", cwd = "/nothing" },
                       { "true", timeout_ms = -1 }, { command = { "true", {} } } }) do
  local ok, words = pcall(sbx.transform, bad)
  assert(not ok or not words)
end
assert(not pcall(core.spawn, {}, {}))
assert(not pcall(core.sandbox, 7))
collectgarbage()
print("border: done")

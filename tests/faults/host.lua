-- A host that runs one command while the tracer makes a call of its tree fail, and then the same
-- command again, as if nothing had been: lua5.4 host.lua PATH CPATH KIND TIER DIRECTORY PORT SOCKET
--   KIND  cold: the first command. ahead: the second, while which a supervisor is made ahead.
--         warm: one that takes such a supervisor.
--   TIER  contained, landlock, auto, none; with a "+" or "@" after it a policy that uses more. A
--         "~" at the end: watched.
-- What came of it goes to standard output, a line each, the fields apart by tabs.
package.path, package.cpath = arg[1], arg[2]
local kind, tier, base, port, socket = table.unpack(arg, 3)
local more, watch = tier:match("[+@]"), tier:match("~$") ~= nil
tier = tier:match("%l+")
local work, outside = base .. "/work", base .. "/outside"
io.stdout:setvbuf("line")

local host = require "sbxmark"
local core = require "sbx.core"
local sbx = require "sbx"

local TRANSFORM, SPAWN, RUN, AFTER = 1, 2, 3, 4

local function namespaces()
  local list = {}
  for _, name in ipairs({ "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" }) do
    list[#list + 1] = host.link("/proc/self/ns/" .. name)
  end
  return table.concat(list, " ")
end

local here = namespaces()
local probe = os.getenv("FAULTS_PROBE")

-- Layers that the shipped policy doesn't use: what is refused and hidden inside a root, a loopback
-- of its own, a socket that the supervisor connects to on behalf.
local function add_more(opts)
  opts.stdin = "some input"
  if more == "@" then
    opts.policy.network = "loopback"
  else
    opts.policy.unix_sockets = { socket }
  end
  if tier == "landlock" then return end
  opts.policy.read_only = { work .. "/kept" }
  opts.policy.deny_read = { work .. "/secret", work .. "/hidden" }
end

local function options(name)
  local opts = {
    command = { probe, name, outside, port, socket, here }, cwd = work, timeout_ms = 8000,
    setup_timeout_ms = 3000, env = { HOME = outside, TMPDIR = outside },
  }
  if tier == "none" then
    opts.policy = "danger-full-access"
    return opts
  end
  opts.policy = { extends = "workspace-write", exclude_slash_tmp = true,
                  exclude_tmpdir_env_var = true, writable_roots = { base .. "/second" } }
  if more then add_more(opts) end
  opts.watch = watch
  if tier ~= "auto" then opts.tier = tier end
  return opts
end

local function say(...) print(table.concat({ ... }, "\t")) end

local function one_line(value) return (tostring(value):gsub("%s+", " ")) end

-- What ends the tree, in one word.
local function kill_tree(r)
  return (tostring((r.sandbox.enforced or {}).kill_tree):gsub("%s", "_"))
end

-- What came of a run, and whether the command itself was there.
local function tell(word, name, ok, r, err, out)
  local ran = host.remove(work .. "/" .. name) and "ran" or "not-run"
  r = r or out
  if not ok then
    say(word, ran, "thrown", "", "", one_line(r))
  elseif err then
    say(word, ran, err.kind, err.step or "", err.code or "", one_line(err.message))
  else
    say(word, ran, "ok", tostring(r.sandbox.tier), tostring(r.exit_code),
        one_line(("kill_tree=%s watched=%s %s%s"):format(kill_tree(r),
          tostring(r.denial and r.denial.watched), r.stdout, r.stderr)))
  end
end

local function run(name)
  local opts = options(name)
  return name, pcall(sbx.run, opts)
end

local spawn = core.spawn
local function marked(...)
  host.mark(RUN)
  return ...
end
local function spawn_marked(...)
  host.mark(SPAWN)
  return marked(spawn(...))
end

local function observed(name)
  local opts = options(name)
  core.spawn = spawn_marked
  host.mark(TRANSFORM)
  local results = table.pack(pcall(sbx.run, opts))
  if kind ~= "cold" then host.pause(60) end
  host.mark(AFTER)
  core.spawn = spawn
  return name, table.unpack(results, 1, 4)
end

-- One is made ahead for what has run before, and fits while the placeholders of protected names are
-- left standing: after a few runs, one soon after the other (STREAK and SOON_MS of the engine).
for i = 1, ({ cold = 0, ahead = 1, warm = 6 })[kind] do
  run("before")
  host.remove(work .. "/before")
  if i > 1 then host.pause(40) end
end

tell("outcome", observed("ran"))
tell("next", run("again"))
collectgarbage()
collectgarbage()
-- another name of the same program: the engine is let go of, with all that it holds
core.use_helper((core.helper_path():gsub("/([^/]*)$", "/./%1")))
host.pause(20)

-- What each open descriptor is, without the numbers of pipes and sockets.
local function descriptors()
  local list = {}
  for fd = 0, 200 do
    local what = host.link("/proc/self/fd/" .. fd)
    if what:sub(1, #base) == base then what = "." .. what:sub(#base + 1) end
    if what ~= "" then list[#list + 1] = (what:gsub(":%[%d+%]", "")) end
  end
  table.sort(list)
  return table.concat(list, " ")
end
say("descriptors", descriptors(), host.children())

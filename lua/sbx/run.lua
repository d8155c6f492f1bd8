-- The one way to a process: options, policy, environment, plan, sandbox, spawn. Every form (run,
-- spawn, transform, the command line) comes through here.

local core = require "sbx.core"
local childenv = require "sbx.childenv"
local errors = require "sbx.errors"
local job = require "sbx.job"
local options = require "sbx.options"
local result = require "sbx.result"
local sandboxes = require "sbx.sandboxes"
local seatbelt = require "sbx.seatbelt"
local surroundings = require "sbx.surroundings"

local M = {}

local FOREIGN = {
  ["macos-seatbelt"] = "seatbelt sandbox is only available on macOS",
  ["windows-restricted-token"] = "windows restricted token sandbox is only available on Windows",
}

-- What says that this machine can't do a layer at all, so that a weaker set is the answer. Anything
-- else (no descriptor, no memory, no process left) must never weaken a sandbox: a neighbour can
-- cause it.
local UNAVAILABLE = {
  EPERM = true, EACCES = true, ENOSYS = true, EINVAL = true, EOPNOTSUPP = true, ENOTSUP = true,
  ENOSPC = true, EUSERS = true, ENODEV = true, ENOENT = true, EROFS = true, EBUSY = true,
  ENOPROTOOPT = true,
}
local NEVER_WEAKER = { helper = true, spawner = true, supervisor = true, setup_timeout = true }

local function prepare(opts, verb)
  local o, err = options.read(opts, verb)
  if not o then return nil, err end
  local scripts, cwd, held
  scripts, err = surroundings.scripts()
  if not scripts then return nil, err end
  cwd, err = surroundings.cwd(o.cwd)
  if not cwd then return nil, err end
  if verb ~= "transform" and FOREIGN[o.sandbox] then
    return errors.fail("unsupported", FOREIGN[o.sandbox])
  end
  held, err = sandboxes.get(o, cwd, surroundings.environ(), scripts)
  if not held then return nil, err end
  local env
  env, err = childenv.get(held, o, scripts.env)
  if not env then return nil, err end
  return { o = o, cwd = cwd, kept = held, env = env, env_dropped = env.dropped,
           denial = scripts.denial }
end

local function stdin_of(stdin)
  if stdin == true then return "pipe" end
  if type(stdin) == "string" and stdin ~= "inherit" then return "pipe" end
  return stdin
end

local function request_of(spec)
  local o = spec.o
  return {
    argv = o.argv, arg0 = o.arg0, cwd = spec.cwd, env = spec.env.list,
    stdin = stdin_of(o.stdin), merge_stderr = o.merge_stderr or false,
    timeout_ms = o.timeout_ms or nil, idle_timeout_ms = o.idle_timeout_ms or nil,
    kill_grace_ms = o.kill_grace_ms, drain_ms = o.drain_ms,
    setup_timeout_ms = o.setup_timeout_ms, max_output_bytes = o.max_output_bytes, live = false,
  }
end

---------------------------------------------------------------------------------------------------
-- Starting

-- The core's message says which step; here it says of what.
local function named(kind, name, raw)
  local why = tostring(raw.message):gsub("^" .. raw.step .. ": ", "")
  return errors.new(kind, name .. ": " .. why, { code = raw.code, step = raw.step })
end

local function spawn_error(raw, spec)
  if raw.kind == "spawn" and raw.step == "chdir" then
    return named("invalid_input", "cwd " .. spec.cwd, raw)
  end
  if raw.kind == "spawn" and raw.step == "execve" then
    return named("spawn", spec.o.argv[1]:sub(1, 256), raw)
  end
  return errors.adopt(raw)
end

local function may_go_on(raw)
  return raw.kind == "sandbox" and not NEVER_WEAKER[raw.step] and UNAVAILABLE[raw.code] or false
end

-- The core throws for a descriptor that can't be given; here it is the caller's data.
local function spawn_with_descriptor(sandbox, request)
  local ok, handle, raw = pcall(core.spawn, sandbox, request)
  if ok then return handle, raw end
  return nil, { kind = "invalid_input", message = tostring(handle) }
end

local function try(spec, index, request)
  local sandbox, raw = sandboxes.compile(spec.kept, index)
  if not sandbox then return nil, raw end
  if type(request.stdin) == "number" then return spawn_with_descriptor(sandbox, request) end
  return core.spawn(sandbox, request)
end

-- The plan lists what would do, strongest first; the first that the kernel takes whole is used.
local function launch(spec)
  local held, request = spec.kept, request_of(spec)
  local first_refusal = { kind = "sandbox", message = "the plan has no set of layers to try" }
  for index = held.first, #held.plan.alternatives do
    local handle, raw = try(spec, index, request)
    if handle then
      held.first, spec.held = index, sandboxes.report(held, index)
      return handle
    end
    if index == held.first then first_refusal = raw end
    if not may_go_on(raw) then return nil, spawn_error(raw, spec) end
    held.refused[index] = raw
  end
  return nil, spawn_error(first_refusal, spec)
end

local function feed(handle, stdin)
  if type(stdin) ~= "string" or stdin == "inherit" then return end
  -- a command that doesn't read its input may be gone already: that is no error of ours
  handle:write(stdin)
  handle:close_stdin()
end

--- Starts a command.
---@return sbx.Job|nil, sbx.Error?
function M.start(opts, verb, on_exit)
  if on_exit ~= nil and type(on_exit) ~= "function" then
    errors.throw(string.format("sbx.%s takes a function as its second argument, not %s",
                               verb, type(on_exit)))
  end
  local spec, err = prepare(opts, verb)
  if not spec then return nil, err end
  local handle
  handle, err = launch(spec)
  if not handle then return nil, err end
  feed(handle, spec.o.stdin)
  return job.new(handle, spec, on_exit)
end

---------------------------------------------------------------------------------------------------
-- Transforming: the same, up to the process

-- Without a process nothing can be tried to its end: what a probe found impossible is passed over.
local function feasible(engine, probe)
  local wanted, found = engine.namespaces or {}, {
    user = probe.userns, pid = probe.pidns, mount = probe.mountns, net = probe.netns,
  }
  for name, answer in pairs(found) do
    if wanted[name] and answer ~= true then return false end
  end
  return engine.kill ~= "cgroup" or core.cgroup() ~= nil
end

local function check_helper(helper)
  if helper and core.fs_stat(helper) then return true end
  return errors.fail("sandbox", "helper: there is no program " .. tostring(helper),
                     { step = "helper", code = "ENOENT" })
end

local function choose(held)
  local probe, raw = core.probe(), nil
  for index = held.first, #held.plan.alternatives do
    if feasible(held.plan.alternatives[index].engine, probe) then
      local sandbox
      sandbox, raw = sandboxes.compile(held, index)
      if sandbox then return index end
      if not may_go_on(raw) then break end
    end
  end
  if raw then return nil, errors.adopt(raw) end
  return errors.fail("sandbox", "no set of layers that the policy allows works on this machine")
end

local function exec_of(spec, command, sandbox)
  local env = {}
  for name, value in pairs(spec.env.map) do env[name] = value end
  return {
    command = command, cwd = spec.cwd, env = env, arg0 = spec.o.arg0,
    timeout_ms = spec.o.timeout_ms, sandbox = sandbox, plan = spec.kept.plan,
  }
end

local function transform_seatbelt(spec)
  local command, raw = seatbelt.command(spec.kept.plan, spec.o.argv)
  if not command then return nil, errors.adopt(raw) end
  return exec_of(spec, command, {
    type = "macos-seatbelt", tier = "seatbelt", policy = spec.kept.plan.policy,
    enforced = {}, missing = {},
  })
end

--- What would be run, as a complete argv; starts nothing.
---@param helper string|nil  the helper program
function M.transform(opts, helper)
  local spec, err = prepare(opts, "transform")
  if not spec then return nil, err end
  if spec.o.sandbox == "windows-restricted-token" then
    return errors.fail("unsupported", FOREIGN[spec.o.sandbox])
  end
  if spec.o.sandbox == "macos-seatbelt" then return transform_seatbelt(spec) end
  local index, argv, raw
  index, err = check_helper(helper)
  if not index then return nil, err end
  index, err = choose(spec.kept)
  if not index then return nil, err end
  argv, raw = core.helper_argv(spec.kept.plan.alternatives[index].engine, request_of(spec))
  if not argv then return nil, spawn_error(raw, spec) end
  return exec_of(spec, argv, result.sandbox(sandboxes.report(spec.kept, index)))
end

return M

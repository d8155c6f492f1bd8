-- The one way to a process: options, policy, environment, plan, sandbox, spawn. Every form (run,
-- spawn, transform, the command line) comes through here.

local core = require "sbx.core"
local childenv = require "sbx.childenv"
local cite = require "sbx.cite"
local errors = require "sbx.errors"
local feasible = require "sbx.feasible"
local job = require "sbx.job"
local loader = require "sbx.loader"
local options = require "sbx.options"
local result = require "sbx.result"
local sandboxes = require "sbx.sandboxes"
local seatbelt = require "sbx.seatbelt"
local scripts = require "sbx.scripts"
local surroundings = require "sbx.surroundings"
local weaker = require "sbx.weaker"

local M = {}

local FOREIGN = {
  ["macos-seatbelt"] = "seatbelt sandbox is only available on macOS",
  ["windows-restricted-token"] = "windows restricted token sandbox is only available on Windows",
}

local function prepare(opts, verb)
  if verb ~= "transform" then core.expect() end
  local o, err = options.read(opts, verb)
  if not o then return nil, err end
  local edited, cwd, held
  edited, err = surroundings.scripts()
  if not edited then return nil, err end
  cwd, err = surroundings.cwd(o.cwd)
  if not cwd then return nil, err end
  if verb ~= "transform" and FOREIGN[o.sandbox] then
    return errors.fail("unsupported", FOREIGN[o.sandbox])
  end
  held, err = sandboxes.get(o, cwd, surroundings.environ(), edited)
  if not held then return nil, err end
  local env
  env, err = childenv.get(held, o, edited.env)
  if not env then return nil, err end
  return { o = o, cwd = cwd, kept = held, env = env, env_dropped = env.dropped,
           denial = edited.denial, plan = held.plan,
           on_connect = o.on_connect or held.policy.on_connect or nil }
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
    end_output_bytes = (spec.plan.limits or {}).output_bytes,
  }
end

---------------------------------------------------------------------------------------------------
-- Starting

-- The core's message says which step; here it says of what.
local function named(kind, name, raw)
  local why = tostring(raw.message):gsub("^" .. raw.step .. ": ", "")
  return errors.new(kind, name .. ": " .. why, { code = raw.code, step = raw.step })
end

-- The entry whose name has no address.
local function unresolved(raw, spec)
  local name, why = tostring(raw.message):match("^resolve: ([^:]+): (.*)$")
  for _, peer in ipairs(spec.plan.connect or {}) do
    if peer.name and peer.name == name then
      return errors.new("policy", cite.peer(peer) .. ": " .. why, { step = "resolve" })
    end
  end
  return errors.adopt(raw)
end

-- Calls on behalf need a listener of their own, and a process has one (seccomp_unotify(2)).
local NO_LISTENER = {
  EBUSY = "this process runs under somebody else's seccomp listener (another sandbox that watches"
    .. " it), beside which there can be no second one",
  EPERM = "this process runs in a sandbox that refuses a seccomp listener",
  EINVAL = "this kernel (before Linux 5.19) may begin a call anew that was made on behalf",
}

local function no_listener(raw)
  return errors.new("sandbox", "seccomp: " .. NO_LISTENER[raw.code] .. ": network = {allow = {…}}"
                    .. " and unix_sockets can't be held here", { step = raw.step, code = raw.code })
end

local function spawn_error(raw, spec)
  if raw.kind == "spawn" and raw.step == "chdir" then
    return named("invalid_input", "cwd " .. spec.cwd, raw)
  end
  if raw.step == "resolve" then return unresolved(raw, spec) end
  local listens = spec.plan.network == "allow" or #(spec.plan.unix_sockets or {}) > 0
  if raw.step == "seccomp" and listens and NO_LISTENER[raw.code] then return no_listener(raw) end
  if raw.kind == "spawn" and raw.step == "execve" then
    local name = spec.o.argv[1]:sub(1, 256)
    return named("spawn", name == "" and "\"\"" or name, raw)
  end
  return errors.adopt(raw)
end

local function may_go_on(raw, alternative)
  return weaker.may_follow(raw, alternative.engine, core.fs_read)
end

-- What was in the way of the stronger sets of layers belongs to a refusal of the last.
local function refusal(held, index, raw, spec)
  local err, earlier = spawn_error(raw, spec), {}
  for i = 1, index - 1 do
    if held.refused[i] then earlier[#earlier + 1] = tostring(held.refused[i].message) end
  end
  if raw.kind == "sandbox" and #earlier > 0 then
    err.message = string.format("%s (before that: %s)", err.message, table.concat(earlier, "; "))
  end
  return err
end

-- The next set of layers would have done, but for an entry that it can't hold.
local function no_weaker(held, index, raw, spec)
  local err = errors.adopt(held.plan.refusal)
  err.message = string.format("%s; what would hold it can't be had here: %s", err.message,
                              refusal(held, index, raw, spec).message)
  return err
end

-- One listener belongs to a tree: under somebody else's there is no watch, and the rest is as it
-- would be without.
local spawn
function spawn(held, index, request)
  local sandbox, raw = sandboxes.compile(held, index)
  if not sandbox then return nil, nil, raw end
  local handle
  handle, raw = core.spawn(sandbox, request)
  if handle or raw.step ~= "watch" or not sandboxes.is_watched(held, index) then
    return handle, raw
  end
  sandboxes.unwatch(held, raw.message)
  return spawn(held, index, request)
end

-- The plan lists what would do, strongest first; the first that the kernel takes whole is used.
-- What can't be compiled is shared by all of them, so that there is nothing to go on to.
local function launch_with(held, spec)
  local request = request_of(spec)
  local last = #held.plan.alternatives
  for index = held.first, last do
    local handle, raw, broken = spawn(held, index, request)
    if broken then return nil, errors.adopt(broken) end
    if handle then
      held.first, spec.held, spec.index = index, sandboxes.report(held, index), index
      spec.watched = sandboxes.is_watched(held, index)
      return handle
    end
    local going = may_go_on(raw, held.plan.alternatives[index])
    if index == last or not going then
      return nil, going and held.plan.refusal and no_weaker(held, index, raw, spec)
        or refusal(held, index, raw, spec)
    end
    held.refused[index] = raw
  end
  return errors.fail("sandbox", "the plan has no set of layers to try")
end

local function launch(spec)
  local held = spec.kept
  sandboxes.use(held)
  local handle, err = launch_with(held, spec)
  sandboxes.done(held)
  return handle, err
end

local function feed(handle, stdin)
  if type(stdin) ~= "string" or stdin == "inherit" then return true end
  local ok, raw = handle:write(stdin)
  -- a command that doesn't read its input may be gone already: that is no error of ours
  if not ok and raw.code ~= "EPIPE" then
    handle:close()
    return job.not_taken("stdin", raw)
  end
  handle:close_stdin()
  return true
end

local function begin(spec)
  local handle, err = launch(spec)
  if not handle then return nil, err end
  local fed
  fed, err = feed(handle, spec.o.stdin)
  if not fed then return nil, err end
  return handle
end

-- What is to be audited and can't be is not run.
local function audited_begin(spec)
  if not spec.o.audit then return begin(spec) end
  local audit = require "sbx.audit"
  local ok, err = audit.start(spec)
  if not ok then return nil, err end
  local handle
  handle, err = begin(spec)
  if handle then return handle end
  local _, why = audit.finish(spec, nil, err)
  return nil, why
end

--- Starts a command.
---@param opts sbx.Options
---@param verb "run"|"spawn"
---@param on_exit function?
---@return sbx.Job|nil, sbx.Error?
function M.start(opts, verb, on_exit)
  if on_exit ~= nil and type(on_exit) ~= "function" then
    errors.throw(string.format("sbx.%s takes a function as its second argument, not %s",
                               verb, type(on_exit)))
  end
  local spec, err = prepare(opts, verb)
  if not spec then return nil, err end
  local handle
  handle, err = audited_begin(spec)
  if not handle then return nil, err end
  return job.new(handle, spec, on_exit)
end

---------------------------------------------------------------------------------------------------
-- Transforming: the same, up to the process

local function check_helper(helper)
  if helper and core.fs_stat(helper) then return true end
  return errors.fail("sandbox", "helper: there is no program " .. tostring(helper),
                     { step = "helper", code = "ENOENT" })
end

local function choose(held)
  local index, err = feasible.first(held)
  if not index then return nil, err end
  sandboxes.use(held)
  local sandbox, raw = sandboxes.compile(held, index)
  sandboxes.done(held)
  if not sandbox then return nil, errors.adopt(raw) end
  return index
end

-- The host gives the helper the command's environment, and the loader obeys it before the helper
-- has made any sandbox.
local function check_loader(spec)
  local name = spec.kept.plan.type ~= "none" and loader.obeyed(spec.env.map)
  if not name then return true end
  return errors.fail("invalid_input", string.format("the environment has %s, which would act on the"
                     .. " helper program too, outside the sandbox: set it for the command alone"
                     .. " (command = {\"env\", \"%s=value\", …}), or write env = {%s = false}",
                     name, name, name))
end

---@class sbx.Exec
---@field command string[]  complete argv: the helper, then everything it needs; no variable's value
---@field cwd string        of the command; the helper goes there by itself
---@field env table<string, string>  for the host to pass, all of it: the command sees exactly this
---@field arg0 string?      carried by `command` already
---@field timeout_ms integer|false  for the host to watch; false: none
---@field sandbox sbx.Sandbox
---@field plan sbx.Plan     not to be written to

-- The other limits are in the helper's plan.
local function check_output_limit(spec)
  if not (spec.plan.limits or {}).output_bytes then return true end
  for _, property in ipairs(spec.o.allow_missing or {}) do
    if property == "limits" then return true end
  end
  return errors.fail("policy", "limits.output_bytes can't be held by sbx.transform: who reads the"
                     .. " output counts it (allow_missing = {\"limits\"} leaves it out)")
end

local function check_asks(spec)
  if not spec.plan.asks then return true end
  return errors.fail("policy", "on_connect can't be asked by a command that the host spawns by"
                     .. " itself: list the addresses in network = {allow = {…}}")
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
  local kept = spec.kept
  local command, raw = scripts.call(kept.script, seatbelt.command, kept.plan, spec.o.argv)
  if not command then return nil, errors.adopt(raw) end
  return exec_of(spec, command, {
    type = "macos-seatbelt", tier = "seatbelt", policy = spec.kept.plan.policy,
    enforced = {}, missing = {},
  })
end

--- What would be run, as a complete argv; starts nothing.
---@param opts sbx.Options
---@param helper string|nil  the helper program
---@return sbx.Exec|nil, sbx.Error?
function M.transform(opts, helper)
  local spec, err = prepare(opts, "transform")
  if not spec then return nil, err end
  if spec.o.sandbox == "windows-restricted-token" then
    return errors.fail("unsupported", FOREIGN[spec.o.sandbox])
  end
  if spec.o.sandbox == "macos-seatbelt" then return transform_seatbelt(spec) end
  local index, argv, raw
  index, err = check_output_limit(spec)
  if index then index, err = check_asks(spec) end
  if index then index, err = check_loader(spec) end
  if index then index, err = check_helper(helper) end
  if not index then return nil, err end
  index, err = choose(spec.kept)
  if not index then return nil, err end
  argv, raw = core.helper_argv(spec.kept.plan.alternatives[index].engine, request_of(spec))
  if not argv then return nil, spawn_error(raw, spec) end
  return exec_of(spec, argv, result.sandbox(sandboxes.report(spec.kept, index)))
end

return M

-- The public module. Each function here is one sentence of the interface; the work is done
-- elsewhere.

local core = require "sbx.core"
local errors = require "sbx.errors"
local job = require "sbx.job"
local loop = require "sbx.loop"
local policies = require "sbx.policies"
local result = require "sbx.result"
local run = require "sbx.run"
local sandboxes = require "sbx.sandboxes"
local surroundings = require "sbx.surroundings"

local M = { VERSION = "0.1.0" }

--- The helper program, found beside the module. A host may name another.
M.helper = core.helper_path()

local helper_in_use = M.helper

local function use_helper()
  if M.helper == helper_in_use then return end
  if type(M.helper) ~= "string" then
    errors.throw("sbx.helper is the path of the helper program, not " .. type(M.helper))
  end
  core.use_helper(M.helper)
  helper_in_use = M.helper
end

--- Runs a command to its end: the result, or nil, an error, and the result where there is one.
---@param opts table
---@param on_done fun(result: sbx.Result?, err: sbx.Error?, output: sbx.Result?)?
---@return sbx.Result|nil, sbx.Error?, sbx.Result?
function M.run(opts, on_done)
  use_helper()
  local running, err = run.start(opts, "run", on_done)
  if running then return running:wait() end
  if on_done then on_done(nil, err) end
  return nil, err
end

--- Starts a command; returns once execve has succeeded or failed.
---@return sbx.Job|nil, sbx.Error?
function M.spawn(opts, on_exit)
  use_helper()
  return run.start(opts, "spawn", on_exit)
end

--- What would be run, with no side effect.
function M.transform(opts)
  use_helper()
  return run.transform(opts, M.helper)
end

--- The same as `job:kill`.
function M.kill(running, how)
  if getmetatable(running) ~= job.Job then
    errors.throw("sbx.kill takes a job, not " .. type(running))
  end
  return running:kill(how)
end

local function tiers_of(probe)
  local missing = { contained = "not in this version of sbxlua" }
  if (probe.landlock_abi or 0) < 1 then
    missing.landlock = "this kernel has no Landlock"
  elseif probe.seccomp ~= true then
    missing.landlock = "system call filters can't be used: " .. tostring(probe.seccomp)
  else
    return { "landlock" }, missing
  end
  return {}, missing
end

--- What this machine allows: `true`, or the reason where something is missing.
function M.probe()
  local probe, raw = core.probe()
  if not probe then return nil, errors.adopt(raw) end
  probe.cgroup = core.cgroup() and true or "no cgroup is delegated to this process"
  probe.tiers, probe.missing_tiers = tiers_of(probe)
  return probe
end

local function context_of(ctx)
  if ctx ~= nil and type(ctx) ~= "table" then
    errors.throw("the context is a table {cwd = …, env = …}, not " .. type(ctx))
  end
  ctx = ctx or {}
  for name in pairs(ctx) do
    if name ~= "cwd" and name ~= "env" then
      errors.throw(errors.unknown("field of the context", name, { "cwd", "env" }))
    end
  end
  local cwd, err = surroundings.cwd(ctx.cwd)
  if not cwd then return nil, err end
  return surroundings.context(cwd, ctx.env or surroundings.environ(), core.world())
end

--- The resolved policy.
---@param policy string|table
---@param ctx {cwd: string?, env: table<string, string>?}?
function M.policy(policy, ctx)
  if type(policy) ~= "string" and type(policy) ~= "table" then
    errors.throw("a policy is a name, a file or a table, not " .. type(policy))
  end
  local context, err = context_of(ctx)
  if not context then return nil, err end
  local resolved, raw = policies.resolve(policy, context)
  if not resolved then return nil, errors.adopt(raw) end
  return resolved
end

--- List of `{name, path, doc}`.
function M.policies()
  local context, err = context_of()
  if not context then return nil, err end
  local list, raw = policies.list(context)
  if not list then return nil, errors.adopt(raw) end
  return list
end

--- opts for a shell line; runs nothing.
function M.sh(script, opts)
  if type(script) ~= "string" then errors.throw("sbx.sh takes a script, not " .. type(script)) end
  if opts ~= nil and type(opts) ~= "table" then
    errors.throw("sbx.sh takes options, not " .. type(opts))
  end
  local copy = {}
  for name, value in pairs(opts or {}) do copy[name] = value end
  if copy.command or copy.script or copy[1] ~= nil then
    errors.throw("sbx.sh makes the command itself: leave it out of its options")
  end
  copy.command = { "/bin/sh", "-c", script }
  return copy
end

--- Verdict and reason for a command that the host ran itself from an exec of `transform`.
---@param exec table
---@param output {exit_code: number, stdout: string?, stderr: string?}
function M.judge(exec, output)
  if type(exec) ~= "table" or type(exec.sandbox) ~= "table" then
    errors.throw("sbx.judge takes an exec of sbx.transform")
  end
  if type(output) ~= "table" or type(output.exit_code) ~= "number" then
    errors.throw("sbx.judge takes {exit_code = …, stdout = …, stderr = …}")
  end
  local scripts, err = surroundings.scripts()
  if not scripts then return nil, err end
  local seen = {
    exit_code = output.exit_code, stdout = output.stdout or "", stderr = output.stderr or "",
    aggregated_output = output.aggregated_output or "",
  }
  if seen.exit_code == 0 then return "none", "it ended with 0" end
  return result.judge(scripts.denial, exec.sandbox.type, seen, {}, false)
end

--- Loads the editable scripts and policies again.
---@return boolean|nil, sbx.Error?
function M.reload()
  surroundings.forget()
  sandboxes.forget()
  local scripts, err = surroundings.scripts()
  if not scripts then return nil, err end
  return true
end

--- How to wait: "poll", or `function(job, ms)`, which may yield inside a coroutine.
function M.use(way)
  loop.use(way)
end

function M.why()
  return nil, errors.later("sbx.why")
end

function M.grant()
  return nil, errors.later("sbx.grant")
end

return M

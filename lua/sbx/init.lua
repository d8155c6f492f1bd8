-- The public module. Each function here is one sentence of the interface; the work is done
-- elsewhere.

local core = require "sbx.core"

local VERSION = "0.1.0"

-- An engine of another version would not know all that a plan asks for.
if core.version ~= VERSION then
  error(string.format("sbx %s found the engine (core.so) of version %s in %s: the two are installed"
                      .. " together; put that directory first in package.cpath", VERSION,
                      tostring(core.version or "unknown"),
                      tostring(core.module_dir and core.module_dir())), 0)
end

local asking = require "sbx.asking"
local errors = require "sbx.errors"
local job = require "sbx.job"
local loop = require "sbx.loop"
local map = require "sbx.map"
local policies = require "sbx.policies"
local result = require "sbx.result"
local run = require "sbx.run"
local sandboxes = require "sbx.sandboxes"
local surroundings = require "sbx.surroundings"
local why = require "sbx.why"
local widen = require "sbx.widen"

local M = { VERSION = VERSION }

--- Path of the helper program, found beside the module. A host may name another.
---@type string|nil
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

--- Runs a command to its end. Misuse throws, here and in all that follows.
---@param opts sbx.Options
---@param on_done fun(result: sbx.Result?, err: sbx.Error?, output: sbx.Result?)?
---@return sbx.Result|nil result
---@return sbx.Error? err      kinds of `sbx.spawn` (nothing ran) and of `job:wait`
---@return sbx.Result? output  with an error, where the command had started
function M.run(opts, on_done)
  use_helper()
  if type(opts) == "table" and opts.on_denied then return asking.run(opts, on_done) end
  local running, err = run.start(opts, "run", on_done)
  if running then return running:wait() end
  if on_done then on_done(nil, err) end
  return nil, err
end

--- Starts a command; returns once execve has succeeded or failed, at the latest after
--- setup_timeout_ms.
---@param opts sbx.Options
---@param on_exit fun(result: sbx.Result?, err: sbx.Error?, output: sbx.Result?)?
---@return sbx.Job|nil job
---@return sbx.Error? err  kind "invalid_input"; "spawn" (step "execve", "stdin": code is errno);
---  "sandbox" (step: the layer, or "helper", "setup_timeout"); "policy"; "unsupported"
function M.spawn(opts, on_exit)
  use_helper()
  return run.start(opts, "spawn", on_exit)
end

--- Runs many commands, so many at a time: one loop, each given a turn when it has something to say.
--- Misuse, also of one command's options, ends all that run and throws; so does an error in `each`.
---@param list sbx.Options[]|fun(): sbx.Options?  as for `sbx.run`, without on_denied
---@param opts {jobs: integer?, each: (fun(result: sbx.Result|false, i: integer, err: sbx.Error?))?,
---  progress: boolean?, loop: any}?
---  jobs: at a time (as many as there are processors); each: told of each as it ends, and then
---  nothing is kept; progress: a line on standard error, where that is a terminal
---@return (sbx.Result|false)[]|integer|nil results  by place in the list, false where nothing ran;
---  with `each` how many there were; nil where there is no descriptor for the loop itself
---@return table<integer, sbx.Error>|sbx.Error|nil errors  of those that have one, by place
function M.map(list, opts)
  use_helper()
  return map.map(list, opts)
end

--- What would be run, with no side effect.
---@param opts sbx.Options  without what is done during a run (`verbs` in options.lua)
---@return sbx.Exec|nil exec
---@return sbx.Error? err  kind "invalid_input", "sandbox", "policy", "unsupported"
function M.transform(opts)
  use_helper()
  return run.transform(opts, M.helper)
end

--- The same as `job:kill`.
---@param running sbx.Job
---@param how string|integer|{grace_ms: number}|nil
---@return true
function M.kill(running, how)
  if getmetatable(running) ~= job.Job then
    errors.throw("sbx.kill takes a job, not " .. type(running))
  end
  return running:kill(how)
end

-- What the contained tier needs besides what the landlock tier does; nil, or why it can't be had.
local function lack_of_mounts(probe)
  for _, name in ipairs({ "mountns", "mounts" }) do
    local answer = probe[name]
    if answer ~= nil and answer ~= true then return name .. ": " .. tostring(answer) end
  end
end

local function lack_of_filters(probe)
  if probe.landlock_reason then return probe.landlock_reason end
  if probe.seccomp == true then return nil end
  return "system call filters can't be used: " .. tostring(probe.seccomp)
end

local function tiers_of(probe)
  local tiers, missing = {}, {}
  missing.landlock = lack_of_filters(probe)
  missing.contained = missing.landlock or lack_of_mounts(probe)
  for _, tier in ipairs({ "contained", "landlock" }) do
    if not missing[tier] then tiers[#tiers + 1] = tier end
  end
  return tiers, missing
end

local NO_LANDLOCK = "this kernel has no Landlock (Linux 5.13 or newer, with \"landlock\" in lsm=),"
  .. " or a filter around this process refuses it"

---@class sbx.Probe  true, or the reason why it is missing; user, PID … namespaces are really made
---@field kernel string          release, as uname(2) gives it
---@field machine string
---@field landlock_abi integer   landlock_create_ruleset(2) with LANDLOCK_CREATE_RULESET_VERSION
---@field landlock_reason string?  why landlock_abi is 0
---@field seccomp true|string    filters (seccomp(2))
---@field user_notify true|string  seccomp_unotify(2)
---@field userns true|string     namespaces without root
---@field pidns true|string      with a /proc of its own
---@field mountns true|string
---@field mounts true|string?   read-only copies of what is mounted, made inside such a namespace
---@field netns true|string
---@field cgroup true|string     a delegated cgroup v2 in which a job's can be made
---@field pids_cgroup true|string    a cgroup with the pids controller can be made for a job
---@field memory_cgroup true|string  likewise
---@field pidfd true|string      pidfd_open(2)
---@field tiers string[]         that can be used here, strongest first
---@field missing_tiers table<string, string>  reason by tier

--- What this machine allows. Starts processes to find out.
---@return sbx.Probe|nil probe
---@return sbx.Error? err
function M.probe()
  local probe, raw = core.probe()
  if not probe then return nil, errors.adopt(raw) end
  probe.cgroup = core.cgroup() and true or "no cgroup is delegated to this process"
  for _, controller in ipairs({ "pids", "memory" }) do
    probe[controller .. "_cgroup"] = core.group_directory(controller) and true
      or "no cgroup with this controller is delegated to this process"
  end
  if probe.landlock_abi < 1 then probe.landlock_reason = NO_LANDLOCK end
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

--- The resolved policy: joined with what it extends, paths as written.
---@param policy string|table  name, file or table; a relative file counts from the host's directory
---@param ctx {cwd: string?, env: table<string, string>?}?  of the command; the host's own
---@return sbx.Policy|nil policy
---@return sbx.Error? err  kind "policy", with file and line; "invalid_input" (cwd)
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

--- The policies that a name can mean, by name; `error` where one doesn't load.
---@return {name: string, path: string, doc: string?, error: string?}[]|nil list
---@return sbx.Error? err  kind "invalid_input" (the host's own directory is gone)
function M.policies()
  local context, err = context_of()
  if not context then return nil, err end
  local list, raw = policies.list(context)
  if not list then return nil, errors.adopt(raw) end
  return list
end

--- opts for a line of /bin/sh; runs nothing.
---@param script string
---@param opts sbx.Options?  copied; without a command
---@return sbx.Options
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
---@param exec sbx.Exec
---@param output {exit_code: integer, stdout: string?, stderr: string?, aggregated_output: string?}
---@return "none"|"likely"|nil verdict
---@return string|sbx.Error|nil reason  the error (kind "policy": the script failed) with nil
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

--- Loads the editable scripts and policies again, and asks the machine anew.
---@return true|nil ok
---@return sbx.Error? err  kind "policy": a script doesn't load
function M.reload()
  surroundings.forget()
  sandboxes.forget()
  local scripts, err = surroundings.scripts()
  if not scripts then return nil, err end
  return true
end

--- How to wait from now on, inside coroutines: outside it is always poll(2).
---@param way "poll"|nil|fun(job: sbx.Job, ms: number): boolean  true once `job:pollfd()` can be
---  read, false after `ms` milliseconds (always a number); it may yield
function M.use(way)
  loop.use(way)
end

--- May a command do this to that? The verdict of a run's plan, without the run; plain permissions
--- are not looked at.
---@param policy string|table    name, file or table
---@param operation string       "read", "write", "create", "connect" …: `verdict.OPERATIONS`
---@param subject string         a path (relative: from cwd) or an address ("127.0.0.1:80")
---@param ctx {cwd: string?, env: table<string, string>?, tier: string?}?
---@return sbx.Verdict|nil verdict
---@return sbx.Error? err  kind "policy", "invalid_input", "sandbox", "unsupported"
function M.why(policy, operation, subject, ctx)
  return why.why(policy, operation, subject, ctx)
end

--- opts widened by what a denial suggests: a new table.
---@param opts sbx.Options
---@param suggest table|nil  `result.denial.suggest`, or fields of a policy; nil: nothing
---@return sbx.Options
function M.grant(opts, suggest)
  return widen.opts(opts, suggest)
end

return M

-- Policies made ready: resolved, planned, compiled, and kept. A kept one is used again only while
-- the world is the same: every path that the plan rests on is compared before each use (design.md,
-- rule 5).

local core = require "sbx.core"
local errors = require "sbx.errors"
local lists = require "sbx.lists"
local plans = require "sbx.plans"
local policies = require "sbx.policies"
local questions = require "sbx.questions"
local result = require "sbx.result"
local scripts = require "sbx.scripts"
local surroundings = require "sbx.surroundings"

local M = {}

-- Each holds descriptors of the paths in its rules.
local KEPT = 16

local kept, order, oldest = {}, {}, 1

-- Policies differ in paths; the filter is mostly that of the one before, and takes the longest: the
-- newest sandbox is there for the next to copy from. `orphan`: nothing else holds it.
local newest = {}

local function drop(held)
  for index, sandbox in pairs(held.compiled) do
    held.compiled[index] = nil
    if sandbox == newest.sandbox then
      newest.orphan = true
    else
      core.close_sandbox(sandbox)
    end
  end
end

-- At once, or when the start that uses it is over; not when Lua collects: to its collector a
-- sandbox is a few bytes, and in a host with a large heap its descriptors would add up.
local function close(held)
  held.gone = true
  if held.busy == 0 then drop(held) end
end

local function replace_newest(sandbox)
  if newest.orphan then core.close_sandbox(newest.sandbox) end
  newest.sandbox, newest.orphan = sandbox, false
end

function M.forget()
  for _, held in pairs(kept) do close(held) end
  replace_newest(nil)
  kept, order, oldest = {}, {}, 1
end

--- A start begins that compiles sandboxes of `held` and uses them.
function M.use(held) held.busy = held.busy + 1 end

--- The start is over.
function M.done(held)
  held.busy = held.busy - 1
  if held.gone and held.busy == 0 then drop(held) end
end

---------------------------------------------------------------------------------------------------
-- Keys

local write_value

local function write_table(out, map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    local kind_a, kind_b = type(a), type(b)
    if kind_a ~= kind_b then return kind_a < kind_b end
    if kind_a == "number" or kind_a == "string" then return a < b end
    return tostring(a) < tostring(b)
  end)
  out[#out + 1] = "{"
  for _, name in ipairs(names) do
    if not (write_value(out, name) and write_value(out, map[name])) then return false end
  end
  out[#out + 1] = "}"
  return true
end

-- Lengths stand before strings, so that no two tables are written alike.
function write_value(out, value)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = #value .. ":"
    out[#out + 1] = value
  elseif kind == "number" or kind == "boolean" then
    out[#out + 1] = tostring(value) .. ";"
  elseif kind == "function" then -- while it is kept no other can have its address
    out[#out + 1] = tostring(value) .. ";"
  elseif kind == "table" and getmetatable(value) == nil and #out < 10000 then
    return write_table(out, value)
  else
    return false
  end
  return true
end

-- The content, not the identity, of what was asked: a table may have been changed since. nil where
-- it can't be told, and then nothing is kept.
local function key_of(o, cwd)
  if policies.is_relative(o.policy) then cwd = cwd .. "|" .. tostring(core.cwd()) end
  local ahead = tostring(o.ahead ~= false)
  if type(o.policy) == "string" and not o.require and not o.allow_missing
    and not o.limits and not o.on_connect then
    return table.concat({ o.sandbox, o.tier, tostring(o.watch), ahead, #o.policy, o.policy, cwd },
                        "|")
  end
  local out = { o.sandbox, "|", o.tier, "|", tostring(o.watch), "|", ahead, "|",
                o.on_connect and "asks|" or "" }
  local ok = write_value(out, o.policy) and write_value(out, o.require or false)
    and write_value(out, o.allow_missing or false) and write_value(out, o.limits or false)
  if not ok then return nil end
  out[#out + 1] = cwd
  return table.concat(out)
end

local function keep(key, held)
  if not key then
    held.gone = true
    return
  end
  if kept[key] then
    close(kept[key])
  else
    local gone = order[oldest]
    if gone then
      close(kept[gone])
      kept[gone] = nil
    end
    order[oldest] = key
    oldest = oldest % KEPT + 1
  end
  kept[key] = held
end

---------------------------------------------------------------------------------------------------
-- Making one

local function check_cwd(fs, cwd)
  local found = fs.realpath(cwd) and fs.stat(cwd)
  if found and found.type == "directory" then return true end
  return errors.fail("invalid_input", found and "cwd is not a directory: " .. cwd
                     or "cwd does not exist: " .. cwd, { code = found and "ENOTDIR" or "ENOENT" })
end

---@class sbx.Held
---@field policy table     resolved
---@field plan table
---@field script table     policy.lua, that made the plan
---@field world userdata   what was asked of the file system
---@field environ table    the engine's environment that it was made with
---@field places string|nil the cgroups that the host lay in, where the plan rests on that
---@field ctx table
---@field busy number      starts that use its sandboxes just now
---@field gone boolean     nothing keeps it: its sandboxes are closed after the next start
---@field first number     the alternative that worked last
---@field compiled table   sandbox of the core, by alternative
---@field refused table    why an alternative could not be had, by alternative
---@field reports table    result.sandbox, by alternative
---@field ahead boolean   whether parts of it may be made before they are asked for
---@field unwatched string? why there is no watch, where one was asked for

-- A plan, or `nil, err`; throws for what is neither.
local function plan_of(script, policy, ctx)
  local plan, raw = script.plan(policy, ctx)
  if plan == nil and type(raw) == "table" and type(raw.kind) == "string"
    and type(raw.message) == "string" then
    return nil, raw
  end
  local problem = plans.problem(plan)
  if problem then error(problem, 0) end
  return plan
end

-- A cgroup of a command's is made where the host lay when the plan was made.
local function uses_cgroups(plan)
  for _, alternative in ipairs(plan.alternatives) do
    local engine = alternative.engine
    if engine.cgroup or next(engine.groups or {}) then return true end
  end
  return false
end

local function make_in(world, o, cwd, env, script)
  local ctx = surroundings.context(cwd, env, world)
  local ok, err = check_cwd(ctx.fs, cwd)
  if not ok then return nil, err end
  local policy, raw = policies.resolve(o.policy, ctx)
  if not policy then return nil, errors.adopt(raw) end
  ctx.sandbox, ctx.tier, ctx.require = o.sandbox, o.tier, o.require
  ctx.allow_missing, ctx.limits, ctx.watch = o.allow_missing, o.limits, o.watch or false
  ctx.on_connect = o.on_connect ~= nil
  local plan
  plan, raw = scripts.call(script, plan_of, script, policy, ctx)
  if not plan then return nil, errors.adopt(raw) end
  return {
    policy = policy, plan = plan, script = script, world = world, environ = env, ctx = ctx,
    ahead = o.ahead ~= false,
    places = uses_cgroups(plan) and ctx.probe.places or nil,
    busy = 0, gone = false, first = 1, compiled = {}, refused = {}, reports = {},
  }
end

-- What could not be looked at must not count as missing: a pointer to a gitdir, a stricter policy
-- of the user's own. It comes before any other error, which may be only what followed from it.
local function make(o, cwd, env, script)
  local world = core.world()
  local held, err = make_in(world, o, cwd, env, script)
  local code, path = questions.trouble(world)
  if not code then return held, err end
  return errors.fail("sandbox", path .. ": can't be looked at: " .. code,
                     { step = "paths", code = code })
end

local function is_good(held, env)
  return held.environ == env and held.world:same()
    and (held.places == nil or held.places == surroundings.places())
end

--- A sandbox for these options: one that is kept, or a new one.
---@return sbx.Held|nil, sbx.Error?
---@param edited {policy: table}  the editable scripts
function M.get(o, cwd, env, edited)
  local key = key_of(o, cwd)
  local held = key and kept[key]
  if held and is_good(held, env) then return held end
  local err
  held, err = make(o, cwd, env, edited.policy)
  if not held then return nil, err end
  keep(key, held)
  return held
end

-- The same without a watch: what it would have told the filter refuses by itself.
local function engine_of(held, index)
  local engine = held.plan.alternatives[index].engine
  if not held.unwatched and held.ahead then return engine end
  local copy = {}
  for name, value in pairs(engine) do copy[name] = value end
  if held.unwatched then copy.watch = nil end
  if not held.ahead then copy.ahead = false end
  return copy
end

--- Whether runs of an alternative are watched.
function M.is_watched(held, index)
  return held.plan.alternatives[index].engine.watch ~= nil and not held.unwatched
end

--- Goes on without the watch, which can't be had here; says why.
function M.unwatch(held, reason)
  drop(held)
  held.unwatched, held.reports = reason, {}
end

--- The compiled sandbox of one alternative.
function M.compile(held, index)
  local sandbox = held.compiled[index]
  if sandbox then return sandbox end
  local raw
  sandbox, raw = scripts.call(held.script, core.sandbox, engine_of(held, index),
                              newest.sandbox)
  if not sandbox then return nil, raw end
  replace_newest(sandbox)
  held.compiled[index] = sandbox
  return sandbox
end

---------------------------------------------------------------------------------------------------
-- What is said of one

-- Why this one is in force and not a stronger one that would have held the property.
local function cause(held, index, property)
  for i = 1, index - 1 do
    local lacks = lists.find(held.plan.alternatives[i].missing, "property", property)
    if held.refused[i] and not lacks then
      return " (" .. tostring(held.refused[i].message) .. ")"
    end
  end
  return ""
end

local function missing_of(held, index)
  local list = {}
  for _, entry in ipairs(held.plan.missing or {}) do list[#list + 1] = entry end
  for _, entry in ipairs(held.plan.alternatives[index].missing or {}) do
    list[#list + 1] = {
      property = entry.property, reason = entry.reason .. cause(held, index, entry.property),
    }
  end
  if held.ctx.watch and held.plan.type == "none" then
    list[#list + 1] = { property = "watch", reason = "there is no sandbox that could refuse" }
  end
  if held.unwatched then
    list[#list + 1] = { property = "watch", reason = held.unwatched }
  end
  return list
end

--- `{type, tier, policy, enforced, missing}` of an alternative.
function M.report(held, index)
  local report = held.reports[index]
  if not report then
    local alternative = held.plan.alternatives[index]
    report = result.sandbox({
      type = held.plan.type, tier = alternative.tier, policy = held.plan.policy,
      enforced = alternative.enforced or {}, missing = missing_of(held, index),
    })
    held.reports[index] = report
  end
  return report
end

return M

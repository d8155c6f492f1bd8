-- sbx.why: a verdict without a run. The policy goes the way of every run up to its plan; the set of
-- layers is the first that would work here.

local core = require "sbx.core"
local errors = require "sbx.errors"
local feasible = require "sbx.feasible"
local fields = require "sbx.fields"
local lists = require "sbx.lists"
local paths = require "sbx.paths"
local sandboxes = require "sbx.sandboxes"
local surroundings = require "sbx.surroundings"
local verdict = require "sbx.verdict"

local M = {}

local CONTEXT = { "cwd", "env", "tier" }
local SOCKETS = { connect = true, bind = true, send = true, socket = true }
local NO_FILE = { signal = true, mount = true, other = true }

local function check_context(ctx)
  if ctx ~= nil and type(ctx) ~= "table" then
    errors.throw("the context is a table {cwd = …, env = …, tier = …}, not " .. type(ctx))
  end
  for name in pairs(ctx or {}) do
    if not lists.has(CONTEXT, name) then
      errors.throw(errors.unknown("field of the context", name, CONTEXT))
    end
  end
  local tier = ctx and ctx.tier
  if tier ~= nil and not lists.has(fields.TIERS, tier) then
    errors.throw(errors.unknown("word for tier:", tier, fields.TIERS))
  end
  return ctx or {}
end

--- Throws for what is no question.
function M.check(policy, operation, subject)
  if type(policy) ~= "string" and type(policy) ~= "table" then
    errors.throw("a policy is a name, a file or a table, not " .. type(policy))
  end
  if type(operation) ~= "string" or not lists.has(verdict.OPERATIONS, operation) then
    errors.throw(errors.unknown("operation", operation, verdict.OPERATIONS))
  end
  if type(subject) ~= "string" then
    errors.throw("sbx.why takes a path or an address, not " .. type(subject))
  end
end

local FOREIGN = { ["macos-seatbelt"] = true, ["windows-restricted-token"] = true }

--- The sandbox that a run with these options would use, and which of its alternatives.
---@param o table  {policy, sandbox, tier, require, allow_missing}
---@return sbx.Held|nil held, integer|sbx.Error index
function M.hold(o, cwd, env)
  local edited, err = surroundings.scripts()
  if not edited then return nil, err end
  if FOREIGN[o.sandbox] then
    return errors.fail("unsupported", "nothing is known of " .. o.sandbox .. " on this platform")
  end
  local held
  held, err = sandboxes.get(o, cwd, env, edited)
  if not held then return nil, err end
  if #held.plan.alternatives == 1 then return held, 1 end
  local index
  index, err = feasible.first(held)
  if not index then return nil, err end
  return held, index
end

local function subject_of(operation, subject, cwd)
  if NO_FILE[operation] or SOCKETS[operation] or subject:sub(1, 1) == "/" then return subject end
  return paths.join(cwd, subject)
end

--- The verdict for options that were read already.
function M.judge(o, operation, subject, cwd, env)
  if subject == "" then return errors.fail("invalid_input", "the path is empty") end
  if subject:find("%z") then return errors.fail("invalid_input", "the path contains a NUL byte") end
  local held, index = M.hold(o, cwd, env)
  if not held then return nil, index end
  -- a world of its own: what is asked here decides nothing about using the sandbox again
  local fs = surroundings.context(cwd, env, core.world()).fs
  local found, raw = verdict.judge({
    plan = held.plan, alternative = held.plan.alternatives[index], policy = held.policy,
    operation = operation, subject = subject_of(operation, subject, cwd), cwd = cwd, fs = fs,
  })
  if not found then return nil, errors.adopt(raw) end
  return found
end

--- sbx.why.
function M.why(policy, operation, subject, ctx)
  M.check(policy, operation, subject)
  ctx = check_context(ctx)
  local cwd, err = surroundings.cwd(ctx.cwd)
  if not cwd then return nil, err end
  local o = { policy = policy, sandbox = "auto", tier = ctx.tier or "auto" }
  return M.judge(o, operation, subject, cwd, ctx.env or surroundings.environ())
end

return M

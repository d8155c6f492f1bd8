-- What suggest.lua wants to know of a run: its policy, its places, and what can be held here.

local core = require "sbx.core"
local suggest = require "sbx.suggest"
local surroundings = require "sbx.surroundings"

local M = {}

local function stat_of(path) return core.fs_stat(path) end

-- An address can be allowed where a plan of such a policy can be made.
local function can_allow(kept)
  if kept.can_allow == nil then
    local policy = { mode = "read-only", name = "read-only", sources = {},
                     network = { allow = { "127.0.0.1:1" } } }
    local ctx = surroundings.context(kept.ctx.cwd, kept.environ, core.world())
    local ok, plan = pcall(kept.script.plan, policy, ctx)
    kept.can_allow = ok and plan ~= nil
  end
  return kept.can_allow
end

--- The surroundings of a run for suggest.lua.
---@param kept sbx.Held
---@param index integer|nil  of the alternative in force
---@return sbx.SuggestContext
function M.context(kept, index)
  local ctx, world = kept.ctx, core.world()
  local used = kept.plan.alternatives[index or kept.first]
  return {
    policy = kept.policy, plan = kept.plan, home = ctx.home, own = ctx.own,
    real_home = ctx.home and world:realpath(ctx.home) or nil,
    runtime = (ctx.env or {}).XDG_RUNTIME_DIR, cwd = ctx.cwd, tmpdir = ctx.tmpdir,
    stat = stat_of, lstat = function(path) return (world:lstat(path)) end,
    realpath = function(path) return (world:realpath(path)) end,
    list = function(path) return (core.fs_list(path)) end,
    contained = used ~= nil and used.tier == "contained",
    allows = function() return can_allow(kept) end,
  }
end

--- Adds to a denial what would allow what was refused: `suggest`, and for each refusal its `grant`.
---@param denial sbx.Denial
---@param spec table  of run.lua
function M.note(denial, spec)
  if #denial.evidence == 0 or not spec.kept then return end
  local ctx = M.context(spec.kept, spec.index)
  denial.suggest = suggest.policy(ctx, spec.o.policy, denial.evidence)
end

return M

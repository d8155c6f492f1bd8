-- Maps a policy to a plan: plain data with nothing left to decide. Pure: what it needs of the file
-- system and the kernel comes through `ctx`. Editable: ~/.config/sbxlua/policy.lua or
-- /etc/sbxlua/policy.lua may change what is here (`local base = ...; …; return base`).

local errors = require "sbx.errors"
local fields = require "sbx.fields"
local holds = require "sbx.holds"
local journal = require "sbx.journal"
local limits = require "sbx.limits"
local lists = require "sbx.lists"
local paths = require "sbx.paths"
local policyfiles = require "sbx.policyfiles"
local protected = require "sbx.protected"
local roots = require "sbx.roots"
local sources = require "sbx.sources"
local syscalls = require "sbx.syscalls"
local tiers = require "sbx.tiers"

local M = {}

---@class sbx.Plan
---@field policy string
---@field type "linux-seccomp"|"none"|"macos-seatbelt"|"windows-restricted-token"
---@field mode string
---@field network "none"|"loopback"|"full"
---@field env table<string, string>
---@field writable sbx.Entry[]
---@field protect sbx.Protected[]
---@field own sbx.Protected[]?   sbxlua's own places inside a writable root
---@field bare sbx.Protected[]?  what would make a root a repository of git
---@field missing {property: string, reason: string}[]
---@field alternatives table[]  strongest first
---@field refusal {kind: string, message: string}?  why there is no weaker alternative
---@field asked table[]         {question, path}, in order
---@field limits table<string, number>

local function fail(message)
  return nil, { kind = "policy", message = message }
end

---------------------------------------------------------------------------------------------------
-- What was asked

-- A policy that was not joined by policies.lua: a test's or a script's own table.
local function settle(policy)
  if policy.sources then return policy end
  local problem = fields.problem(policy)
  if problem then errors.throw("policy: " .. problem) end
  local copy = {}
  for name, value in pairs(policy) do copy[name] = value or nil end
  copy.mode = copy.mode or "read-only"
  copy.name = copy.mode
  if not copy.network then
    local full = policy.network_access
    if full == nil then full = copy.mode == "danger-full-access" end
    copy.network = full and "full" or "none"
  end
  return copy
end

local function network_of(policy)
  local network = policy.network
  if type(network) ~= "table" then return network end
  local allow = network.allow.replace or network.allow
  if #allow == 0 then return "none" end
  return fail(string.format("network = {allow = {%q}}: connections to single addresses are not in"
                            .. " this version of sbxlua", allow[1]))
end

local function tier_of(policy, ctx)
  local tier = ctx.tier
  if not tier or tier == "auto" then tier = policy.tier or "auto" end
  return tier
end

-- Refused by name, before anything runs.
local function check_delivered(policy)
  if policy.private_tmp then return fail("private_tmp is not in this version of sbxlua") end
  return true
end

local function is_written(policy, field)
  for index in ipairs(policy[field] or {}) do
    if not sources.is_shipped(roots.source_of(policy, field, index)) then return true end
  end
  return false
end

local function is_unrestricted(policy, network)
  if policy.mode ~= "danger-full-access" or network ~= "full" then return false end
  if policy.syscalls then return false end
  for _, field in ipairs({ "read_only", "deny_read", "protect" }) do
    if is_written(policy, field) then return false end
  end
  return true
end

local function type_of(policy, network, ctx)
  local asked = ctx.sandbox or "auto"
  if asked ~= "auto" then return asked end
  return is_unrestricted(policy, network) and "none" or "linux-seccomp"
end

---------------------------------------------------------------------------------------------------
-- Properties

local function as_set(...)
  local set = {}
  for _, list in ipairs({ ... }) do
    for _, name in ipairs(list.replace or list) do set[name] = true end
  end
  return set
end

local function required(policy, ctx)
  local set = as_set(policy.require or {}, ctx.require or {})
  for name in pairs(as_set(policy.allow_missing or {}, ctx.allow_missing or {})) do
    set[name] = nil
  end
  local list = {}
  for _, name in ipairs(fields.PROPERTIES) do
    if set[name] then list[#list + 1] = name end
  end
  return list
end

local function find_missing(list, property)
  local entry = lists.find(list, "property", property)
  return entry and entry.reason
end

-- A policy that denies no read and protects no name holds both by itself.
local function is_empty(work, property)
  if property == "read_deny" then
    return not work.readable and #work.deny_read == 0 and not work.unmatched.deny_read
  end
  return property == "protect" and #work.names == 0
end

-- nil where the alternative holds the property, else why not.
local function lack(work, alternative, property)
  local reason = find_missing(work.missing, property) or find_missing(alternative.missing, property)
  if reason then return reason end
  local unmatched = property == "read_deny" and work.unmatched.deny_read
  if unmatched then return string.format("deny_read %q matches nothing", unmatched) end
  if alternative.enforced[property] or is_empty(work, property) then return nil end
  return "the policy doesn't restrict it"
end

local function first_lack(work, alternative, wanted)
  for _, property in ipairs(wanted) do
    local reason = lack(work, alternative, property)
    if reason then return property, reason end
  end
end

-- Only what holds everything that is required may be tried.
local function keep_holding(work, alternatives, wanted)
  if #wanted == 0 then return alternatives end
  local kept, property, reason = {}, nil, nil
  for _, alternative in ipairs(alternatives) do
    local lacking, why = first_lack(work, alternative, wanted)
    if not lacking then kept[#kept + 1] = alternative end
    if not property then property, reason = lacking, why end
  end
  if #kept > 0 then return kept end
  return fail(string.format("require names %q, which can't be held here: %s", property, reason))
end

-- An entry that can't be held stops a tier; with its property in allow_missing it is listed.
local function refusal_of(work, list)
  local may_lack = as_set(work.policy.allow_missing or {}, work.ctx.allow_missing or {})
  local unheld = {}
  for _, one in ipairs(list) do
    if not may_lack[one.property] then
      local way_out = " (allow_missing = {%q} lets the command run without)"
      local _, err = roots.fail(one.source, one.reason .. way_out:format(one.property))
      return err
    end
    unheld[#unheld + 1] = { property = one.property, reason = one.reason }
  end
  return nil, unheld
end

-- The engine's own places inside a writable root: what the command writes there runs on the host.
local function own_inside(work)
  local own, seen = { policyfiles.user_directory(work.ctx.env or {}) }, {}
  for _, path in ipairs(work.ctx.own or {}) do own[#own + 1] = path end
  local inside = journal.exposed(work)
  for _, path in ipairs(own) do
    local real = roots.real(work.ask, path)
    for _, entry in ipairs(seen[real] and {} or work.writable) do
      if paths.covers(entry.path, real) then
        inside[#inside + 1] = real
        break
      end
    end
    seen[real] = true
  end
  return protected.own(work, inside)
end

-- All that a person has lies there, and what the shell and other programs run at their start.
local function note_home(work)
  local home = work.ctx.home or (work.ctx.env or {}).HOME
  local real = home and work.ask("realpath", home)
  for _, entry in ipairs(real and work.writable or {}) do
    if paths.covers(entry.path, real) then
      work.missing[#work.missing + 1] = { property = "policy_entry", reason = string.format(
        "the writable root %s %s the home directory: a command can change what your shell and"
        .. " programs read at their start; name a directory below it", entry.path,
        entry.path == real and "is" or "holds") }
      return
    end
  end
end

local function check_syscalls(work, network)
  local edits = work.policy.syscalls
  if not edits then return true end
  local wish = { network = network, watch = work.ctx.watch,
                 truncation = work.restricts_fs and tiers.abi(work.ctx) < 3 }
  for _, call in ipairs(edits.allow or {}) do
    local property = syscalls.rests_on(call, wish)
    if property then
      local message = string.format("syscalls.allow %q would undo %s: write the policy without"
                                    .. " that restriction", call, property)
      return roots.fail(roots.source_of(work.policy, "syscalls"), message)
    end
  end
  return true
end

---------------------------------------------------------------------------------------------------
-- The plan

local DISABLED = { CODEX_SANDBOX_NETWORK_DISABLED = "1", SBX_NETWORK_DISABLED = "1" }

local function disabled_network(network)
  local map = {}
  if network ~= "full" then
    for name, value in pairs(DISABLED) do map[name] = value end
  end
  return map
end

local function no_landlock()
  return nil, {
    kind = "sandbox", step = "landlock",
    message = "this kernel has no Landlock (Linux 5.13 or newer, with \"landlock\" in the lsm="
      .. " list): writes can't be restricted",
  }
end

-- The tiers that may be used, and why the weaker one may not.
local function choose_tiers(work, network)
  local tier, abi = tier_of(work.policy, work.ctx), tiers.abi(work.ctx)
  local wanted = { contained = tier ~= "landlock", landlock = tier ~= "contained" }
  local refusal
  if wanted.contained then
    refusal = refusal_of(work, holds.unheld_contained(work, network, abi))
    wanted.contained = not refusal
  end
  if wanted.landlock then
    local weaker, unheld
    if work.restricts_fs and abi < 1 then
      weaker = select(2, no_landlock())
    else
      weaker, unheld = refusal_of(work, holds.unheld(work, network))
    end
    work.unheld, refusal = unheld, weaker or refusal
    wanted.landlock = not weaker
  end
  return wanted, refusal
end

local function linux(work, network)
  local wanted, refusal = choose_tiers(work, network)
  if not wanted.contained and not wanted.landlock then return nil, refusal end
  local ok, err = check_syscalls(work, network)
  if not ok then return nil, err end
  if work.restricts_fs then note_home(work) end
  local taken
  work.journals, taken = journal.paths(work)
  if wanted.contained and taken and #work.journals == 0 then
    return nil, { kind = "sandbox", step = "journal", message = "journal: " .. taken
      .. " is another user's: there is no directory to write placeholders down" }
  end
  work.own, work.bare = own_inside(work), protected.bare(work)
  work.refusal = refusal
  return keep_holding(work, tiers.list(work, network, wanted), required(work.policy, work.ctx))
end

-- Layers that are named and then not applied would be believed in.
local function refuse_tier(work)
  local tier = tier_of(work.policy, work.ctx)
  if tier == "auto" then return true end
  local asked = work.ctx.tier and work.ctx.tier ~= "auto"
  local source = asked and sources.OPTION or roots.source_of(work.policy, "tier")
  return roots.refuse(source, "tier = \"" .. tier .. "\" says nothing without a sandbox: leave it"
                      .. " out, or take a policy that restricts something")
end

local function unsandboxed(work)
  local wanted = required(work.policy, work.ctx)
  if #wanted > 0 then
    local message = "require = {\"" .. wanted[1] .. "\"} says nothing without a sandbox: leave it"
      .. " out, or take a policy that restricts something"
    return roots.refuse(roots.source_of(work.policy, "require", 1), message)
  end
  local ok, err = refuse_tier(work)
  if not ok then return nil, err end
  work.missing = {}
  return tiers.none(work)
end

local function alternatives_of(work, kind, network)
  if kind == "none" then return unsandboxed(work) end
  if kind == "linux-seccomp" then return linux(work, network) end
  local limit = next(work.limits)
  if limit and not as_set(work.ctx.allow_missing or {}).limits then
    return roots.fail(roots.source_of(work.policy, "limits"), "limits." .. limit .. " can't be held"
                      .. " by " .. kind .. " (allow_missing = {\"limits\"} leaves it out)")
  end
  return {} -- another platform's: transformed, never run
end

local function make(work, kind, network, alternatives)
  local policy = work.policy
  return {
    policy = policy.name or policy.mode, type = kind, mode = policy.mode, network = network,
    env = disabled_network(network), writable = work.writable, read_only = work.read_only,
    protect = work.protect, deny_read = work.deny_read, readable = work.readable,
    unix_sockets = work.unix_sockets, missing = work.missing, alternatives = alternatives,
    own = work.own, bare = work.bare, asked = work.asked, refusal = work.refusal,
    limits = work.limits,
  }
end

--- The plan for a policy.
---@param policy table  from policies.resolve, or the fields of the interface
---@param ctx table     {cwd, env, home, tmpdir, uid, probe, fs, sandbox, tier, require,
---                      allow_missing, own}
---@return sbx.Plan|nil, {kind: string, message: string}|nil
function M.plan(policy, ctx)
  policy = settle(policy)
  ctx = ctx or {}
  local network, err = network_of(policy)
  if not network then return nil, err end
  local ok
  ok, err = check_delivered(policy)
  if not ok then return nil, err end
  local work
  work, err = roots.resolve(policy, ctx)
  if not work then return nil, err end
  work.limits = limits.resolve(policy.limits, ctx.limits)
  work.restricts_fs = policy.mode ~= "danger-full-access"
  local kind = type_of(policy, network, ctx)
  local alternatives
  alternatives, err = alternatives_of(work, kind, network)
  if not alternatives then return nil, err end
  return make(work, kind, network, alternatives)
end

return M

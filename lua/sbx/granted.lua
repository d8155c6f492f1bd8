-- What the landlock tier says of an access to a file: the rules that the kernel gets, asked as the
-- kernel asks them. A rule gives to all below; nothing takes away from it again.

local cite = require "sbx.cite"
local landlock = require "sbx.landlock"
local lists = require "sbx.lists"
local paths = require "sbx.paths"

local M = {}

local said = cite.verdict

local function remove_right(work)
  return work.type == "directory" and "remove_dir" or "remove_file"
end

local function make_right(work)
  return work.type == "directory" and "make_dir" or "make_reg"
end

-- Which rights an operation takes, and where they must be given.
local NEEDS = {
  read = function(work)
    return work.place, { work.type == "directory" and "read_dir" or "read_file" }
  end,
  execute = function(work) return work.place, { "execute" } end,
  create = function(work) return work.parent, { "make_reg" } end,
  delete = function(work) return work.parent, { remove_right(work) } end,
  rename = function(work) return work.parent, { remove_right(work), make_right(work) } end,
  link = function(work) return work.parent, { "make_reg" } end,
  bind = function(work) return work.parent, { "make_sock" } end,
}

function NEEDS.write(work)
  if work.type == "directory" then return work.place, { "make_reg" } end
  if not work.type then return NEEDS.create(work) end
  return work.place, { "write_file" }
end

-- A /proc of the command's own is mounted over the one that a rule was made for.
local function is_covered_over(work, rule, path)
  return work.engine.proc and paths.covers("/proc", path) and paths.covers("/proc", rule.path)
end

local function giver(work, path, right)
  for _, rule in ipairs(work.engine.landlock.rules) do
    if paths.covers(rule.path, path) and lists.has(rule.access, right)
      and not is_covered_over(work, rule, path) then
      return rule.path
    end
  end
end

local function covering(list, path)
  for _, entry in ipairs(list or {}) do
    if paths.covers(entry.path, path) then return entry end
  end
end

-- The entry of the policy that a rule of the ruleset comes from.
local function origin(work, path)
  for _, field in ipairs({ "writable", "readable" }) do
    local entry = lists.find(work.plan[field], "path", path)
    local name = field == "writable" and "writable_roots" or field
    if entry then return cite.entry(work.policy, name, entry) end
  end
  if lists.find(landlock.DEVICES, "path", path) then return "default: the harmless devices" end
  return "default: " .. path
end

local TAKES = { "deny_read", "read_only", "protect" }

-- Entries that this tier can't hold are in the plan all the same (allow_missing, shipped defaults).
local function unheld(work, path)
  for _, field in ipairs(TAKES) do
    local entry = covering(work.plan[field], path)
    local concerns = field == "deny_read" or not (work.reads)
    if entry and concerns then return cite.entry(work.policy, field, entry) end
  end
end

local function allow(work, path, from)
  local reason = work.reads and "it is among what can be read" or "it can be written"
  local lost = unheld(work, path)
  if lost then reason = reason .. "; the landlock tier can't hold " .. lost end
  return said(true, origin(work, from), "landlock", reason)
end

local function refuse(work, path)
  if work.reads then
    local denied = covering(work.plan.deny_read, path)
    if not denied then
      return said(false, cite.field(work.policy, "readable"), "landlock",
                  "it is not among what readable lists")
    end
    return said(false, cite.entry(work.policy, "deny_read", denied), "landlock",
                "what lies there can't be read")
  end
  local kept = covering(work.plan.read_only, path)
  local rule = kept and cite.entry(work.policy, "read_only", kept)
    or cite.field(work.policy, "mode")
  return said(false, rule, "landlock", path .. " is in no writable root")
end

local function open(work)
  local reason = "nothing restricts it"
  local lost = unheld(work, work.place)
  if lost then reason = reason .. "; the landlock tier can't hold " .. lost end
  return said(true, cite.field(work.policy, "mode"), "none", reason)
end

local function metadata(work)
  if work.plan.mode == "danger-full-access" then return open(work) end
  return said(true, cite.field(work.policy, "mode"), "none",
              "the landlock tier doesn't hold it: plain permissions decide over mode, owner and"
              .. " times; extended attributes and flags are refused by seccomp")
end

--- The verdict for an operation on a file.
---@param work table  {plan, policy, engine, operation, place, parent, type, reads}
---@return sbx.Said
function M.judge(work)
  if work.operation == "metadata" then return metadata(work) end
  local rules = work.engine.landlock
  local path, rights = NEEDS[work.operation](work)
  local from
  for _, right in ipairs(rights) do
    if not rules or not lists.has(rules.fs, right) then return open(work) end
    from = giver(work, path, right)
    if not from then return refuse(work, path) end
  end
  return allow(work, path, from)
end

return M

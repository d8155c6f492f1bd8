-- What is sensitive below a directory that is to be granted for writing. Looked at only when one is
-- about to be granted; what the command itself makes there afterwards is its own.

local lists = require "sbx.lists"
local paths = require "sbx.paths"
local protected = require "sbx.protected"
local sensitive = require "sbx.sensitive"

local M = {}

-- Levels and names below one directory; names below all directories of one denial.
M.LEVELS, M.MOST_NAMES, M.MOST_IN_ALL = 3, 2000, 20000

-- More than these in a directory, and it as a whole is sensitive.
M.MOST_FOUND = 64

-- A listing comes whole: a directory that is itself so large is not listed.
local LARGEST = 256 * 1024

---@class sbx.Below
---@field paths string[]    what is sensitive and can be kept by `read_only`
---@field reason string?    what can't be kept so
---@field whole boolean     whether all was looked at

-- A policy that takes one of these out of `protect` means it.
local function is_lifted(policy, names, name)
  if lists.has(names, name) or not lists.has(protected.NAMES, name) then return false end
  return #names == 0 or lists.find(policy.widened, "field", "protect") ~= nil
end

-- The engine protects names at the top of a root; in the working directory as well, but a policy is
-- used in others too.
local function is_settled(ctx, top, directory, name)
  local names = ctx.policy.protect or protected.NAMES
  names = names.replace or names
  if is_lifted(ctx.policy, names, name) then return true end
  return directory == top and lists.has(names, name)
end

-- What can be written already, or is refused whatever is granted.
local function is_decided(ctx, path)
  for _, field in ipairs({ "writable", "read_only", "deny_read", "protect" }) do
    for _, entry in ipairs(ctx.plan[field] or {}) do
      if paths.covers(entry.path, path) then return true end
    end
  end
  return false
end

-- A link can't be kept, and leads elsewhere: what counts is where, if that can be written too.
local function keep(work, path)
  local found = work.ctx.lstat(path)
  local real = found and found.type == "link" and work.ctx.realpath(path) or path
  if not found or not paths.inside(work.top, real) then return end
  if real:find("[%*%?%[$]") or #work.paths >= M.MOST_FOUND then
    work.reason = work.reason or "it holds " .. real
  elseif not lists.has(work.paths, real) then
    work.paths[#work.paths + 1] = real
  end
end

local function names_in(work, directory)
  local found = work.ctx.lstat(directory)
  if not found or found.type ~= "directory" then return {} end
  local names = (found.size or 0) <= LARGEST and work.ctx.list(directory)
  if not names then
    work.whole = work.whole and (found.size or 0) <= LARGEST -- what can't be read can't be changed
    return {}
  end
  return names
end

-- A directory too large is granted, and that is said; but no command may have others looked at
-- until nothing is left for the one that it means.
local function has_room(work)
  work.left, work.ctx.names_left = work.left - 1, (work.ctx.names_left or M.MOST_IN_ALL) - 1
  if work.ctx.names_left < 0 then
    work.reason = work.reason or "in all these directories lies too much to be looked at"
  end
  work.whole = work.whole and work.left >= 0 and work.ctx.names_left >= 0
  return work.left >= 0 and work.ctx.names_left >= 0
end

-- One directory; gives the directories of the next level.
local function look_in(work, directory, next_level)
  for _, name in ipairs(names_in(work, directory)) do
    if not has_room(work) then return end
    local path = paths.join(directory, name)
    if not is_decided(work.ctx, path) then
      if not sensitive.name(name) then
        next_level[#next_level + 1] = path
      elseif not is_settled(work.ctx, work.top, directory, name) then
        keep(work, path)
      end
    end
  end
end

local function look(ctx, top)
  local work = { ctx = ctx, top = top, paths = {}, whole = true, left = M.MOST_NAMES }
  local level = { top }
  for _ = 1, M.LEVELS do
    local next_level = {}
    for _, directory in ipairs(level) do look_in(work, directory, next_level) end
    level = next_level
  end
  table.sort(work.paths)
  return { paths = work.paths, reason = work.reason, whole = work.whole }
end

--- What lies below a directory; looked at once for each `ctx.looked`. What lies where everybody
--- writes comes and goes, and is nobody's to rest on.
---@param ctx sbx.SuggestContext
---@return sbx.Below
function M.look(ctx, top)
  if not ctx.list or sensitive.is_everybodys(top) then return { paths = {}, whole = true } end
  ctx.looked = ctx.looked or {}
  ctx.looked[top] = ctx.looked[top] or look(ctx, top)
  return ctx.looked[top]
end

--- Why a grant of this directory gives away what a policy can't keep; nil: it doesn't.
---@param ctx sbx.SuggestContext
---@return string|nil
function M.reason(ctx, top)
  local found = M.look(ctx, top)
  if found.reason then return found.reason end
  -- the landlock tier takes nothing away from a root
  if not ctx.contained and found.paths[1] then return "it holds " .. found.paths[1] end
end

local function is_in_any(roots, path)
  for _, root in ipairs(roots) do
    if paths.covers(root, path) then return true end
  end
  return false
end

--- What `read_only` has to keep below these roots; nil: nothing. What was found when a smaller root
--- was granted counts on when a larger one takes its place.
---@param ctx sbx.SuggestContext
---@param roots string[]
---@return string[]|nil
function M.kept(ctx, roots)
  local list = {}
  for _, root in ipairs(roots) do M.look(ctx, root) end
  for top, found in pairs(ctx.looked or {}) do
    for _, path in ipairs(is_in_any(roots, top) and found.paths or {}) do
      if not lists.has(list, path) then list[#list + 1] = path end
    end
  end
  table.sort(list)
  return #list > 0 and list or nil
end

--- Those of these roots of which not all was looked at.
---@param looked table<string, sbx.Below>|nil
function M.not_whole(looked, roots)
  local list = {}
  for _, root in ipairs(roots or {}) do
    if looked and looked[root] and not looked[root].whole then list[#list + 1] = root end
  end
  return list
end

return M

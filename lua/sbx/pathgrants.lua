-- What would allow a refused access to a file: the narrowest root, or why there is none.

local below = require "sbx.below"
local lists = require "sbx.lists"
local paths = require "sbx.paths"
local protected = require "sbx.protected"
local sensitive = require "sbx.sensitive"
local there = require "sbx.there"

local M = {}

local NOTHING = "no policy gives it"

local function never(words) return { never = words } end

-- Fields of a policy that were written to refuse.
local REFUSING = { read_only = true, deny_read = true, protect = true }

local function refusing_rule(rule)
  local field = tostring(rule or ""):match(": ([%l_]+) \"")
  return field and REFUSING[field] and field
end

local function protected_name(ctx, root, path)
  local names = ctx.policy.protect or protected.NAMES
  local first = path:sub(#root + (root == "/" and 1 or 2)):match("^[^/]+")
  return first and lists.has(names.replace or names, first) and first
end

-- The names that stay protected when one is taken out, as one writes them.
local function without(policy, name)
  local names, words = policy.protect or protected.NAMES, {}
  for _, other in ipairs(names.replace or names) do
    if other ~= name then words[#words + 1] = string.format("%q", other) end
  end
  return "protect = {replace = {" .. table.concat(words, ", ") .. "}}"
end

--- Why a protected name can't be granted, and which field of a policy decides on it.
---@param policy table  resolved
function M.protected(policy, name)
  return string.format("%s is protected; only a policy decides on that, and gives it with %s",
                       name, without(policy, name))
end

-- `rule` ends with the name as it was written.
local function by_name(ctx, field, entry)
  local name = field == "protect" and tostring(entry.rule):match(": protect \"([^\"]+)\"$")
  if name and not name:find("/", 1, true) then return M.protected(ctx.policy, name) end
  return "the policy refuses it by name (" .. field .. ")"
end

local function protected_place(ctx, path)
  for _, entry in ipairs(ctx.plan.protect or {}) do
    if paths.covers(entry.path, path) then return entry.path end
  end
end

-- Names are made and removed in their directory; what is there may be changed alone.
local IN_PLACE = { write = true, metadata = true, read = true, execute = true }

local function place_of(ctx, operation, path)
  local found = ctx.stat(path)
  if IN_PLACE[operation] and found then return path end
  -- a file without a name (O_TMPFILE) is made in it
  local is_directory = type(found) == "table" and found.type == "directory"
  if operation == "create" and is_directory then return path end
  return there.nearest(ctx.stat, paths.split(path))
end

local UNGRANTABLE = { "/proc", "/sys", "/dev" }

-- The place of the kernel's that a path lies in, which can't be a writable root; else nil.
---@return string|nil
function M.ungrantable(root)
  if root == "/" or root == "/run" then return root end
  for _, base in ipairs(UNGRANTABLE) do
    if paths.covers(base, root) and not paths.covers("/dev/shm", root) then return base end
  end
end

local function why_never(ctx, entry, root)
  if tostring(entry.rule):find("sbxlua's own", 1, true) then return "it is sbxlua's own" end
  local name = protected_name(ctx, root, entry.path)
  if name then return M.protected(ctx.policy, name) end
  local place = protected_place(ctx, entry.path)
  if place then return place .. " is protected" end
  local base = M.ungrantable(root)
  if base then return base .. " can't be a writable root" end
end

local function is_writable(ctx, path)
  for _, root in ipairs(ctx.plan.writable or {}) do
    if paths.covers(root.path, path) then return true end
  end
  return false
end

local function of_root(ctx, entry, root)
  local words = sensitive.path(entry.path, ctx) or sensitive.path(root, ctx)
    or below.reason(ctx, root)
  local held = not words and below.look(ctx, root).paths[1] or nil
  return { field = "writable_roots", value = root, sensitive = words, holds = held }
end

--- The narrowest grant for a refused access to a file.
---@param ctx sbx.SuggestContext
---@return sbx.Grant
function M.grant(ctx, entry)
  local reads = entry.operation == "read" or entry.operation == "execute"
  local field = refusing_rule(entry.rule)
  if field then return never(by_name(ctx, field, entry)) end
  if reads and not ctx.plan.readable then return never(NOTHING) end
  local root = place_of(ctx, entry.operation, entry.path)
  local why = not reads and why_never(ctx, entry, root)
  if reads and root == "/" then why = "everything could be read" end
  if why then return never(why) end
  if entry.errno == "EXDEV" and is_writable(ctx, root) then
    return never("it would leave its directory tree: copying does what moving can't")
  end
  if not reads then return of_root(ctx, entry, root) end
  return { field = "readable", value = root,
           sensitive = sensitive.path(entry.path, ctx) or sensitive.path(root, ctx) }
end

return M


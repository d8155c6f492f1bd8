-- Where placeholders of protected names are written down while they stand: a directory of the
-- user's own that no command may write, and that a crash of everything leaves behind.

local paths = require "sbx.paths"

local M = {}

-- The user's runtime directory is made for this (XDG Base Directory Specification); it may be
-- missing where nobody has logged in. What all users share comes last.
local function candidates(ctx)
  local env, list = ctx.env or {}, {}
  local shared = "sbxlua-" .. tostring(ctx.uid)
  local function add(base, name)
    if base and base:sub(1, 1) == "/" then
      list[#list + 1] = { base = paths.clean(base), name = name }
    end
  end
  add(env.XDG_RUNTIME_DIR, "sbxlua")
  if ctx.uid == 0 then add("/run", "sbxlua") end
  add("/dev/shm", shared)
  add("/var/tmp", shared)
  return list
end

local function is_writable(work, path)
  for _, entry in ipairs(work.writable) do
    if paths.covers(entry.path, path) then return true end
  end
  return false
end

-- In a shared directory somebody else may have made it first: the engine looks again.
local function may_be_ours(work, path)
  local found = work.ask("stat", path)
  return not found or found.type == "directory" and (found.uid or work.ctx.uid) == work.ctx.uid
end

--- Those that lie in a writable root: there a command could prepare one for a later run.
---@return string[]
function M.exposed(work)
  local list = {}
  for _, one in ipairs(candidates(work.ctx)) do
    local base = work.ask("realpath", one.base)
    local path = base and paths.join(base, one.name)
    if path and is_writable(work, path) then list[#list + 1] = path end
  end
  return list
end

--- The directories that may serve, best first; none: nothing that is missing can be protected.
---@param work table
---@return string[] list, string|nil taken  one that is another user's
function M.paths(work)
  local list, taken = {}, nil
  for _, one in ipairs(candidates(work.ctx)) do
    local base = work.ask("realpath", one.base)
    local path = base and paths.join(base, one.name)
    if path and not is_writable(work, path) then
      if may_be_ours(work, path) then list[#list + 1] = path else taken = taken or path end
    end
  end
  return list, taken
end

return M

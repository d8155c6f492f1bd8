-- Where placeholders of protected names are written down while they stand: a directory of the
-- user's own that no command may write, and that a crash of everything leaves behind.

local paths = require "sbx.paths"

local M = {}

local function is_own_directory(work, path)
  local found = work.ask("stat", path)
  return found and found.type == "directory" and (found.uid == nil or found.uid == work.ctx.uid)
end

-- The user's runtime directory is made for this (XDG Base Directory Specification); it may be
-- missing where nobody has logged in.
local function candidates(ctx)
  local runtime, list = (ctx.env or {}).XDG_RUNTIME_DIR, {}
  if runtime and runtime:sub(1, 1) == "/" then
    list[1] = { base = paths.clean(runtime), name = "sbxlua", own = true }
  end
  if ctx.uid == 0 then list[#list + 1] = { base = "/run", name = "sbxlua", own = true } end
  list[#list + 1] = { base = "/dev/shm", name = "sbxlua-" .. tostring(ctx.uid) }
  list[#list + 1] = { base = "/var/tmp", name = "sbxlua-" .. tostring(ctx.uid) }
  return list
end

local function is_writable(work, path)
  for _, entry in ipairs(work.writable) do
    if paths.covers(entry.path, path) then return true end
  end
  return false
end

--- The directory, or nil where there is none: then nothing that is missing can be protected.
---@param work table
---@return string|nil
function M.path(work)
  for _, one in ipairs(candidates(work.ctx)) do
    local there = one.own and is_own_directory(work, one.base)
      or not one.own and work.ask("stat", one.base)
    local path = paths.join(one.base, one.name)
    if there and not is_writable(work, path) then return path end
  end
end

return M

-- The names that stay read-only at the top of each writable root, and where they lead: a link to
-- its target, a `.git` file to the repository that it names.

local links = require "sbx.links"
local paths = require "sbx.paths"
local sources = require "sbx.sources"

local M = {}

M.NAMES = { ".git", ".codex", ".agents" }

-- As long as a path can be; git reads no more.
local LONGEST_POINTER = 4096

-- A `.git` that is a file names the directory with the repository in it. It may be the work of an
-- earlier command: what no git reads names nothing.
local function pointer_of(text)
  local named = text and text:match("^gitdir: *([^\r\n]+)")
  if not named or #named > LONGEST_POINTER or named:find("%z") then return nil end
  return named
end

local function add_once(list, entry)
  for _, known in ipairs(list) do
    if known.path == entry.path then return end
  end
  list[#list + 1] = entry
end

local function add_gitdir(work, list, path, real, directory, source)
  local named = pointer_of(work.ask("read", real))
  if not named then
    work.missing[#work.missing + 1] = {
      property = "policy_entry",
      reason = path .. " is a file that names no repository: only it itself is protected",
    }
    return
  end
  local target = links.real_or_future(work.ask, paths.clean(paths.join(directory, named)))
  add_once(list, { path = target, source = source, exists = true, pointer = path })
end

local function add_name(work, list, directory, name, source)
  local path = paths.clean(paths.join(directory, name))
  local real = work.ask("realpath", path)
  local found = real and work.ask("stat", real)
  add_once(list, { path = path, source = source, exists = real ~= nil })
  if real and real ~= path then
    add_once(list, { path = real, source = source, exists = true, link = path })
  end
  if name == ".git" and found and found.type == "file" then
    add_gitdir(work, list, path, real, directory, source)
  end
end

--- Names, each once, with where it was written first.
---@param source_of fun(policy: table, field: string, index: number): string
function M.names(policy, source_of)
  local list = {}
  if policy.protect == nil and policy.mode ~= "danger-full-access" then
    for _, name in ipairs(M.NAMES) do
      list[#list + 1] = { name = name, source = sources.DEFAULT }
    end
  end
  local seen, written = {}, policy.protect or {}
  for index, name in ipairs(written.replace or written) do
    local source = source_of(policy, "protect", index)
    -- full access drops what only the shipped policies name
    local idle = policy.mode == "danger-full-access" and sources.is_shipped(source)
    if not seen[name] and not idle then
      seen[name] = true
      list[#list + 1] = { name = name, source = source }
    end
  end
  return list
end

--- The directories at whose top the names stand: each writable root, and cwd where it lies in one.
function M.tops(work)
  local list = {}
  for _, entry in ipairs(work.writable) do
    if entry.type == "directory" then list[#list + 1] = entry.path end
  end
  local cwd = work.ctx.cwd and work.ask("realpath", work.ctx.cwd)
  for i = 1, cwd and #list or 0 do
    if paths.inside(list[i], cwd) then
      list[#list + 1] = cwd
      break
    end
  end
  return list
end

--- The protected paths of `work.names` at the top of `work.tops`.
function M.paths(work)
  local list = {}
  for _, directory in ipairs(work.tops) do
    for _, one in ipairs(work.names) do
      add_name(work, list, directory, one.name, one.source)
    end
  end
  return list
end

return M

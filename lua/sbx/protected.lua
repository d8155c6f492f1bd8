-- The names that stay read-only at the top of each writable root, and where they lead: a link to
-- its target, a `.git` file to the repository that it names, a repository to what it includes.

local gitfiles = require "sbx.gitfiles"
local links = require "sbx.links"
local lists = require "sbx.lists"
local paths = require "sbx.paths"
local sources = require "sbx.sources"

local M = {}

M.NAMES = { ".git", ".codex", ".agents" }

---@class sbx.Protected
---@field path string
---@field source string
---@field exists boolean
---@field type string?     "directory", "file", "link" …; nil where nothing is
---@field hold string?     where nothing is: the first component of the path that is missing
---@field link string?     the protected name that leads here as a link
---@field pointer string?  the `.git` file, or the repository's config, that names it
---@field through string[]? links on the way

local function add_once(list, entry)
  local known = lists.find(list, "path", entry.path)
  if known then return known end
  list[#list + 1] = entry
  return entry
end

-- The first component of a path that is not there.
local function first_missing(ask, path)
  local parent = paths.split(path)
  while parent and parent ~= "/" and not ask("realpath", parent) do
    path, parent = parent, paths.split(parent)
  end
  return path
end

-- Of what is at a path itself, not what a link there leads to.
local function describe(work, entry)
  local found = work.ask("lstat", entry.path) or work.ask("stat", entry.path)
  entry.exists = found ~= nil
  if found then
    entry.type, entry.nlink = found.type, found.nlink
  else
    entry.hold = first_missing(work.ask, entry.path)
  end
  return entry
end

-- The links that lead to a path. One that leads nowhere yet decides as well: whoever may make its
-- target decides then.
local function links_to(work, path, there)
  local list = links.of(work.ask, path)
  local stop = not there and first_missing(work.ask, path)
  local found = stop and work.ask("lstat", stop)
  if found and found.type == "link" then list[#list + 1] = stop end
  return list
end

--- A path that something protected leads to, wherever it lies.
local function add_place(work, list, path, more)
  local real, there = links.real_or_future(work.ask, path)
  local entry = describe(work, { path = real, source = more.source, pointer = more.pointer,
                                 link = more.link, through = links_to(work, path, there) })
  return add_once(list, entry)
end

---------------------------------------------------------------------------------------------------
-- Repositories

-- As deep as git itself follows includes (git-config(1)).
local MOST_INCLUDES = 10

-- More than any real repository names; an earlier command may have written it.
local MOST_NAMED = 100

-- One that git would read and this doesn't could name anything.
local function read_config(work, file)
  local config = work.ask("read", file)
  local found = not config and work.ask("stat", file)
  if found and found.type == "file" then work.problem = file .. " can't be read whole" end
  local named = config and gitfiles.named_in(config) or {}
  if #named > MOST_NAMED then
    work.problem = string.format("%s names %d paths", file, #named)
    return {}
  end
  return named
end

local function add_config(work, list, file, more, depth)
  local directory = paths.split(file)
  for _, one in ipairs(read_config(work, file)) do
    local place = gitfiles.place(one, directory, more.top, more.home)
    if place and not (one.guess and not work.ask("realpath", place)) then
      add_place(work, list, place, { source = more.source, pointer = file })
      if one.key == "path" and depth < MOST_INCLUDES then
        add_config(work, list, place, more, depth + 1)
      end
    end
  end
end

local function add_configs(work, list, top, gitdir, source, names)
  local more = { top = top, source = source, home = work.ctx.home or (work.ctx.env or {}).HOME }
  for _, name in ipairs(names) do add_config(work, list, paths.join(gitdir, name), more, 0) end
end

-- The repository of a worktree shares most of what counts with the one that it was made from.
local function add_repository(work, list, top, gitdir, source)
  local file = paths.join(gitdir, "commondir")
  local shared = gitfiles.pointer(work.ask("read", file))
  add_configs(work, list, top, gitdir, source, { "config.worktree" })
  if shared then
    local place = paths.clean(paths.join(gitdir, shared))
    local entry = add_place(work, list, place, { source = source, pointer = file })
    gitdir = entry.path
  end
  add_configs(work, list, top, gitdir, source, { "config" })
end

local function add_gitdir(work, list, path, real, top, source)
  local named = gitfiles.pointer(work.ask("read", real), "gitdir")
  if not named then
    work.missing[#work.missing + 1] = {
      property = "policy_entry",
      reason = path .. " is a file that names no repository: only it itself is protected",
    }
    return
  end
  local place = paths.clean(paths.join(top, named))
  local entry = add_place(work, list, place, { source = source, pointer = path })
  add_repository(work, list, top, entry.path, source)
end

local function add_git(work, list, path, top, source)
  local real = work.ask("realpath", path)
  local found = real and work.ask("stat", real)
  if found and found.type == "file" then
    add_gitdir(work, list, path, real, top, source)
  elseif found then
    add_repository(work, list, top, real, source)
  end
end

-- Whether git takes what is there for a repository: a directory without HEAD it passes over, and
-- that may be another process's placeholder.
local function has_git(work, directory)
  local path = paths.clean(paths.join(directory, ".git"))
  local found = work.ask("stat", path)
  if not found or found.type ~= "directory" then return found ~= nil end
  local head = paths.join(path, "HEAD")
  return (work.ask("lstat", head) or work.ask("stat", head)) ~= nil
end

local function is_in_repository(work, directory)
  local parent = paths.split(directory)
  while parent do
    if has_git(work, parent) then return true end
    parent = paths.split(parent)
  end
  return false
end

-- A bare one, or a `.git` that is a writable root itself.
local function is_git_directory(work, top)
  for name, kind in pairs({ HEAD = "file", objects = "directory", refs = "directory" }) do
    local found = work.ask("stat", paths.join(top, name))
    if not found or found.type ~= kind then return false end
  end
  return true
end

local GIT_RUNS = { "config", "hooks", "config.worktree" }
local BARE = { "HEAD", "config", "hooks", "config.worktree" }

-- What git runs of it; of a bare one HEAD too, which nobody checks out there. A placeholder for
-- `commondir` would stop git itself.
local function add_git_directory(work, list, top, source)
  for _, name in ipairs(is_in_repository(work, top) and GIT_RUNS or BARE) do
    add_once(list, describe(work, { path = paths.join(top, name), source = source }))
  end
  add_repository(work, list, top, top, source)
  if work.ask("stat", paths.join(top, "commondir")) then return end
  work.missing[#work.missing + 1] = { property = "protect", reason = string.format(
    "%s is a repository and a writable root: a command can make the file commondir in it, which"
    .. " leads git to another's config and hooks", top) }
end

-- `git log HEAD` asks which is meant where a file has that name: below the top of a repository it
-- is another part that can't be made.
local function add_bare(work, list, top, source)
  if is_git_directory(work, top) then return add_git_directory(work, list, top, source) end
  if is_in_repository(work, top) then
    for _, name in ipairs({ "refs", "commondir" }) do
      add_once(list, describe(work, { path = paths.join(top, name), source = source }))
    end
    return
  end
  local head = add_once(list, describe(work, {
    path = paths.clean(paths.join(top, "HEAD")), source = source,
  }))
  if head.type ~= "file" then return end
  for _, name in ipairs({ "config", "hooks", "commondir", "config.worktree" }) do
    local path = paths.clean(paths.join(top, name))
    add_once(list, describe(work, { path = path, source = source }))
  end
  add_repository(work, list, top, top, source)
end

---------------------------------------------------------------------------------------------------

-- Of a protected name that is itself a link: what it leads to, or would.
local function add_target(work, list, entry, source)
  local path = entry.path
  local real, named = work.ask("realpath", path), path
  if real == path then return end
  if not real then
    local target = work.ask("readlink", path)
    if not target then return end
    named = paths.clean(paths.join(paths.split(path), target))
  end
  local target = add_place(work, list, named, { source = source, link = path })
  entry.type = "link"
  local through = target.through
  if through and through[1] == path then table.remove(through, 1) end
end

local function add_name(work, list, directory, name, source)
  local path = paths.clean(paths.join(directory, name))
  local entry = add_once(list, describe(work, { path = path, source = source }))
  if entry.exists then add_target(work, list, entry, source) end
  if name ~= ".git" then return end
  if entry.exists then add_git(work, list, path, directory, source) end
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
---@return sbx.Protected[]
function M.paths(work)
  local list = {}
  for _, directory in ipairs(work.tops) do
    for _, one in ipairs(work.names) do
      add_name(work, list, directory, one.name, one.source)
    end
  end
  return list
end

--- A directory with HEAD, objects and refs in it is a repository too, and its config and hooks run
--- commands in whatever git looks at it next: where `.git` is protected and missing, HEAD can't be
--- made either.
---@return sbx.Protected[]
function M.bare(work)
  local list = {}
  for _, one in ipairs(work.names) do
    for _, directory in ipairs(one.name == ".git" and work.tops or {}) do
      if not has_git(work, directory) then add_bare(work, list, directory, one.source) end
    end
  end
  return list
end

--- The engine's own places as they would be protected: what the command writes there runs outside.
---@param own string[]
---@return sbx.Protected[]
function M.own(work, own)
  local list = {}
  for _, path in ipairs(own) do
    add_place(work, list, path, { source = sources.DEFAULT })
  end
  return list
end

return M

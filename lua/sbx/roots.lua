-- The paths of a policy made real: values put in, links resolved, what is missing listed, and which
-- rules the landlock tier can't hold. Everything of the file system is asked of `ctx.fs`.

local errors = require "sbx.errors"
local paths = require "sbx.paths"
local platform = require "sbx.platform"
local sources = require "sbx.sources"

local M = {}

M.PROTECTED = { ".git", ".codex", ".agents" }

---------------------------------------------------------------------------------------------------
-- Asking

local function answer(fs, question, path)
  local giver = fs[question]
  if type(giver) == "function" then return giver(path) end
  if type(giver) == "table" then return giver[path] end
end

local function guess(fs, question, path)
  if question == "realpath" and not fs.realpath then
    if not fs.stat or answer(fs, "stat", path) then return paths.clean(path) end
  elseif question == "stat" and not fs.stat and not fs.realpath then
    return { type = "directory" }
  elseif question == "stat" and not fs.stat and answer(fs, "realpath", path) then
    return { type = "directory" }
  end
end

--- Asks `fs` and remembers what was asked. A test may leave out what it doesn't care for: then
--- every path is a directory and no link.
function M.asker(fs)
  fs = fs or {}
  local asked, known = {}, {}
  local function ask(question, path)
    local key = question .. path
    if known[key] ~= nil then return known[key] or nil end
    asked[#asked + 1] = { question, path }
    local found = answer(fs, question, path)
    if found == nil then found = guess(fs, question, path) end
    known[key] = found or false
    return found or nil
  end
  return ask, asked
end

-- The real path of what may be missing: that of the nearest parent that is there, and the rest.
local function real_or_future(ask, path)
  local real = ask("realpath", path)
  if real then return real, true end
  local parent, name = paths.split(path)
  if not parent then return path, false end
  return paths.clean(paths.join((real_or_future(ask, parent)), name)), false
end

---------------------------------------------------------------------------------------------------
-- Entries

---@class sbx.Entry
---@field path string
---@field source string
---@field type string?
---@field uid number?

local function note(work, property, reason)
  work.missing[#work.missing + 1] = { property = property, reason = reason }
end

-- Misuse throws for what the caller's own table says, and is a `policy` error for a file's.
local function refuse(source, message)
  if source == sources.OPTION then errors.throw("policy: " .. message) end
  return nil, { kind = "policy", message = source .. ": " .. message }
end

local function fail(source, message)
  if source ~= sources.OPTION and source ~= sources.DEFAULT then
    message = source .. ": " .. message
  end
  return nil, { kind = "policy", message = message }
end

local function source_of(policy, field, index)
  local from = policy.sources and policy.sources[field]
  if type(from) == "table" then return from[index] or sources.OPTION end
  return from or sources.OPTION
end

local function list_of(policy, field)
  local list = policy[field] or {}
  return list.replace or list
end

-- One entry as a path; nil, nil where it was skipped and listed; nil, err where it is wrong.
local function place(work, field, entry, source, property)
  local path, unset, problem = paths.expand(entry, work.ctx)
  if problem then return fail(source, field .. ": " .. problem) end
  if not path then
    note(work, property, string.format("%s %q: ${%s} is not set", field, entry, unset))
    return nil
  end
  local real, there = real_or_future(work.ask, path)
  return { path = real, source = source, entry = entry, there = there }
end

local function add_once(list, entry)
  for _, known in ipairs(list) do
    if known.path == entry.path then return end
  end
  list[#list + 1] = entry
end

-- Rules that take something away: what isn't there can't be named, and that is said.
local function collect(work, field)
  local list = {}
  for index, text in ipairs(list_of(work.policy, field)) do
    local source = source_of(work.policy, field, index)
    local entry, err = place(work, field, text, source, "policy_entry")
    if err then return nil, err end
    if entry and not entry.there then
      note(work, "policy_entry", string.format("%s %q matches nothing", field, text))
    elseif entry then
      add_once(list, entry)
    end
  end
  return list
end

---------------------------------------------------------------------------------------------------
-- Writable roots

local FORBIDDEN = { ["/"] = "all", ["/run"] = "self", ["/dev"] = "self",
                    ["/proc"] = "tree", ["/sys"] = "tree" }

local function forbidden(path)
  for base, extent in pairs(FORBIDDEN) do
    if path == base or extent == "tree" and paths.covers(base, path) then return base end
  end
  if paths.covers("/dev", path) and not paths.covers("/dev/shm", path) then return "/dev" end
end

local function add_root(work, entry, field)
  local base = forbidden(entry.path)
  if base then
    return fail(entry.source, string.format("%s %q is %s, which can't be a writable root: name the"
                .. " directory below it that the command needs", field, entry.entry, entry.path))
  end
  local found = work.ask("stat", entry.path)
  if not found then
    note(work, "writable_root", entry.path .. " can't be looked at: skipped")
    return true
  end
  entry.type, entry.uid, entry.there = found.type or "directory", found.uid, nil
  add_once(work.writable, entry)
  return true
end

local function root(work, field, text, source)
  local entry, err = place(work, field, text, source, "writable_root")
  if err then return nil, err end
  if not entry then return true end
  if not entry.there then
    note(work, "writable_root", entry.path .. " does not exist: skipped")
    return true
  end
  return add_root(work, entry, field)
end

-- The roots that workspace-write brings.
local function implicit(policy, ctx)
  local list = { { "cwd", "${cwd}" } }
  if not policy.exclude_slash_tmp then list[2] = { "/tmp", "/tmp" } end
  local tmpdir = ctx.tmpdir or (ctx.env or {}).TMPDIR
  if not policy.exclude_tmpdir_env_var and tmpdir and tmpdir ~= "" then
    list[#list + 1] = { "$TMPDIR", "${TMPDIR}" }
  end
  return list
end

local function writable(work)
  local policy = work.policy
  if policy.mode == "workspace-write" then
    local source = policy.sources and policy.sources.mode or sources.DEFAULT
    for _, one in ipairs(implicit(policy, work.ctx)) do
      local ok, err = root(work, one[1], one[2], source)
      if not ok then return nil, err end
    end
  end
  for index, text in ipairs(list_of(policy, "writable_roots")) do
    local ok, err = root(work, "writable_roots", text, source_of(policy, "writable_roots", index))
    if not ok then return nil, err end
  end
  return true
end

-- At one path deny beats read-only beats writable.
local function drop_equal(list, ...)
  local kept = {}
  for _, entry in ipairs(list) do
    local beaten = false
    for _, stronger in ipairs({ ... }) do
      for _, other in ipairs(stronger) do beaten = beaten or other.path == entry.path end
    end
    if not beaten then kept[#kept + 1] = entry end
  end
  return kept
end

---------------------------------------------------------------------------------------------------
-- What can be read

local function add_readable(work, list, text, source)
  local entry, err = place(work, "readable", text, source, "policy_entry")
  if err then return nil, err end
  if not entry then return true end
  if not entry.there then
    note(work, "policy_entry", string.format("readable %q matches nothing", text))
    return true
  end
  local found = work.ask("stat", entry.path)
  entry.type = found and found.type or "directory"
  add_once(list, entry)
  return true
end

-- Another platform's directories can't be asked for here.
local function add_macos(list, source)
  for _, path in ipairs(platform.MACOS) do
    add_once(list, { path = path, source = source, entry = "${platform}", type = "directory" })
  end
end

local function add_platform(work, list, source)
  if work.ctx.sandbox == "macos-seatbelt" then return add_macos(list, source) end
  for _, path in ipairs(platform.LINUX) do
    local real = work.ask("realpath", path)
    local found = real and work.ask("stat", real)
    if found then
      add_once(list, { path = real, source = source, entry = "${platform}", type = found.type })
    end
  end
end

local function readable(work)
  if not work.policy.readable then return nil end
  local list = {}
  for index, text in ipairs(list_of(work.policy, "readable")) do
    local source = source_of(work.policy, "readable", index)
    if text == "${platform}" then
      add_platform(work, list, source)
    else
      local ok, err = add_readable(work, list, text, source)
      if not ok then return nil, err end
    end
  end
  return list
end

---------------------------------------------------------------------------------------------------
-- Protected names

-- A `.git` that is a file names the directory with the repository in it.
local function gitdir(work, path, directory)
  local text = work.ask("read", path)
  local named = text and text:match("^gitdir: *([^\r\n]+)")
  if not named then return nil end
  return (real_or_future(work.ask, paths.clean(paths.join(directory, named))))
end

local function protect_name(work, list, directory, name, source)
  local path = paths.clean(paths.join(directory, name))
  local real = work.ask("realpath", path)
  local found = real and work.ask("stat", real)
  add_once(list, { path = path, source = source, exists = real ~= nil })
  if real and real ~= path then
    add_once(list, { path = real, source = source, exists = true, link = path })
  end
  if name == ".git" and found and found.type == "file" then
    local target = gitdir(work, real, directory)
    if target then
      add_once(list, { path = target, source = source, exists = true, pointer = path })
    end
  end
end

-- Names, each once, with where it was written first.
local function protected_names(policy)
  local list = {}
  if policy.protect == nil and policy.mode ~= "danger-full-access" then
    for _, name in ipairs(M.PROTECTED) do
      list[#list + 1] = { name = name, source = sources.DEFAULT }
    end
  end
  local seen = {}
  for index, name in ipairs(list_of(policy, "protect")) do
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

local function tops(work)
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

local function protect(work)
  local list = {}
  work.names, work.tops = protected_names(work.policy), tops(work)
  for _, directory in ipairs(work.tops) do
    for _, one in ipairs(work.names) do
      protect_name(work, list, directory, one.name, one.source)
    end
  end
  return list
end

---------------------------------------------------------------------------------------------------

local function take_away(work)
  local err
  for _, field in ipairs({ "read_only", "deny_read", "unix_sockets" }) do
    work[field], err = collect(work, field)
    if err then return nil, err end
  end
  return true
end

--- Every path of a policy, resolved: `{writable, read_only, deny_read, readable, protect,
--- unix_sockets, names, tops, missing, asked}`.
---@return table|nil, table|nil err
function M.resolve(policy, ctx)
  local ask, asked = M.asker(ctx.fs)
  local work = {
    policy = policy, ctx = ctx, ask = ask, asked = asked, missing = {}, writable = {},
  }
  local ok, err = take_away(work)
  if ok then ok, err = writable(work) end
  if not ok then return nil, err end
  work.readable, err = readable(work)
  if err then return nil, err end
  work.writable = drop_equal(work.writable, work.read_only, work.deny_read)
  if work.readable then work.readable = drop_equal(work.readable, work.deny_read) end
  work.protect = protect(work)
  return work
end

M.refuse, M.fail, M.source_of, M.real = refuse, fail, source_of, real_or_future

return M

-- The paths of a policy made real: values put in, links resolved, what is missing listed, and which
-- rules the landlock tier can't hold. Everything of the file system is asked of `ctx.fs`.

local errors = require "sbx.errors"
local links = require "sbx.links"
local lists = require "sbx.lists"
local paths = require "sbx.paths"
local platform = require "sbx.platform"
local protected = require "sbx.protected"
local sources = require "sbx.sources"

local M = {}

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

-- Which of them the command could change is known once all writable roots are.
local function note_links(work, field, text, real, source)
  for _, link in ipairs(links.of(work.ask, text)) do
    work.links[#work.links + 1] = {
      link = link, field = field, text = text, path = real, source = source,
    }
  end
end

-- One entry as a path; nil, nil where it was skipped and listed; nil, err where it is wrong.
local function place(work, field, entry, source, property)
  local path, unset, problem = paths.expand(entry, work.ctx)
  if problem then return fail(source, field .. ": " .. problem) end
  if not path then
    note(work, property, string.format("%s %q: ${%s} is not set", field, entry, unset))
    return nil
  end
  local real, there = links.real_or_future(work.ask, path)
  if there then note_links(work, field, path, real, source) end
  return { path = real, source = source, entry = entry, there = there }
end

local function add_once(list, entry)
  if not lists.find(list, "path", entry.path) then list[#list + 1] = entry end
end

-- What can't be looked at may be there all the same, and a command that owns a directory on the way
-- can shut it for the time of the looking.
local function check_absent(work, field, entry)
  local code = work.ask("trouble", entry.path)
  if not code then return true end
  local message = string.format("%s %q can't be looked at (%s)", field, entry.entry, code)
  return fail(entry.source, message)
end

-- Rules that take something away: what isn't there can't be named, and that is said.
local function collect(work, field)
  local list = {}
  for index, text in ipairs(list_of(work.policy, field)) do
    local source = source_of(work.policy, field, index)
    local entry, err = place(work, field, text, source, "policy_entry")
    if err then return nil, err end
    if entry and not entry.there then
      local ok
      ok, err = check_absent(work, field, entry)
      if not ok then return nil, err end
      note(work, "policy_entry", string.format("%s %q matches nothing", field, text))
      work.unmatched[field] = work.unmatched[field] or text
    elseif entry then
      local found = work.ask("stat", entry.path)
      entry.type = found and found.type or "directory"
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
  entry.mount = found.mount
  add_once(work.writable, entry)
  return true
end

local function root(work, field, text, source)
  local entry, err = place(work, field, text, source, "writable_root")
  if err then return nil, err end
  if not entry then return true end
  if not entry.there then
    local ok
    ok, err = check_absent(work, field, entry)
    if not ok then return nil, err end
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
      beaten = beaten or lists.find(stronger, "path", entry.path) ~= nil
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
-- Links

local MEANT = {
  cwd = "write cwd = %q if that is meant",
  ["$TMPDIR"] = "set TMPDIR to %q if that is meant, or write exclude_tmpdir_env_var = true",
}

-- Links outside all writable roots mean their target; one inside is whatever an earlier command
-- made of it.
local function check_link(work, one)
  for _, base in ipairs(work.writable) do
    if paths.inside(base.path, one.link) then
      local meant = (MEANT[one.field] or "write %q if that is meant"):format(one.path)
      return fail(one.source, string.format("%s %q leads through the symbolic link %s, which a"
                  .. " command could have made (it lies in the writable root %s): %s", one.field,
                  one.text, one.link, base.path, meant))
    end
  end
  return true
end

local function check_links(work)
  for _, one in ipairs(work.links) do
    local ok, err = check_link(work, one)
    if not ok then return nil, err end
  end
  return true
end

-- A protected name that is itself a link is held with its target; what lies on the way between can
-- be changed, and then the name leads elsewhere.
local function check_protected(work)
  if work.problem then return fail(sources.DEFAULT, "protect: " .. work.problem) end
  for _, entry in ipairs(work.protect) do
    for _, link in ipairs(entry.through or {}) do
      for _, base in ipairs(work.writable) do
        if paths.inside(base.path, link) then
          return fail(entry.source, string.format("protect: %s leads through the symbolic link %s,"
                      .. " which a command could change (it lies in the writable root %s)",
                      entry.link or entry.pointer or entry.path, link, base.path))
        end
      end
    end
  end
  return true
end

---------------------------------------------------------------------------------------------------

local function check_sockets(work)
  for _, entry in ipairs(work.unix_sockets) do
    if entry.type ~= "socket" then
      return fail(entry.source, string.format("unix_sockets %q is a %s, not a socket", entry.entry,
                                              entry.type))
    end
  end
  return true
end

-- What is mounted over the root itself would be above nobody who has it already.
local function check_whole(work)
  local deny = lists.find(work.deny_read, "path", "/")
  if deny and not work.policy.readable then
    return fail(deny.source, "deny_read \"/\" would leave nothing to run: list what may be read in"
                .. " readable")
  end
  local keep = lists.find(work.read_only, "path", "/")
  if keep and work.policy.mode == "danger-full-access" then
    return fail(keep.source, "read_only \"/\" is what mode = \"read-only\" says: use that")
  end
  return true
end

local function take_away(work)
  local err
  for _, field in ipairs({ "read_only", "deny_read", "unix_sockets" }) do
    work[field], err = collect(work, field)
    if err then return nil, err end
  end
  local ok
  ok, err = check_whole(work)
  if not ok then return nil, err end
  return check_sockets(work)
end

--- Every path of a policy, resolved: `{writable, read_only, deny_read, readable, protect,
--- unix_sockets, names, tops, missing, asked}`.
---@return table|nil, table|nil err
function M.resolve(policy, ctx)
  local ask, asked = M.asker(ctx.fs)
  local work = {
    policy = policy, ctx = ctx, ask = ask, asked = asked, missing = {}, writable = {}, links = {},
    unmatched = {},
  }
  local ok, err = take_away(work)
  if ok then ok, err = writable(work) end
  if not ok then return nil, err end
  work.readable, err = readable(work)
  if err then return nil, err end
  work.writable = drop_equal(work.writable, work.read_only, work.deny_read)
  if work.readable then work.readable = drop_equal(work.readable, work.deny_read) end
  ok, err = check_links(work)
  if not ok then return nil, err end
  work.names, work.tops = protected.names(policy, source_of), protected.tops(work)
  work.protect = protected.paths(work)
  ok, err = check_protected(work)
  if not ok then return nil, err end
  return work
end

M.refuse, M.fail, M.source_of, M.real = refuse, fail, source_of, links.real_or_future

return M

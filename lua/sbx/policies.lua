-- Policies by name, file or table: found, checked, and joined with what they extend. What comes out
-- is plain: the fields of the interface, and beside each the place where it was written. Paths in
-- it are as written; policy.lua puts the values in.

local errors = require "sbx.errors"
local fields = require "sbx.fields"
local joining = require "sbx.joining"
local files = require "sbx.policyfiles"
local sources = require "sbx.sources"

local M = {}

---@class sbx.Policy
---@field name string
---@field mode string
---@field network "none"|"loopback"|"full"|{allow: string[]}
---@field network_access boolean
---@field writable_roots string[]?
---@field sources table<string, string|string[]>  by field; of a list, one for each entry

local function fail(message)
  return nil, { kind = "policy", message = message }
end

local function is_file(word)
  return word:find("/", 1, true) ~= nil or word:find("%.lua$") ~= nil
end

-- A caller's relative file counts from the host's own directory, never from the command's: that is
-- a workspace, where a command could have written the policy of the next one.
local function host_directory(ctx)
  local own, raw = (ctx.core or require "sbx.core").cwd()
  if own then return own == "/" and "" or own end
  return nil, raw.message .. " (the host's own directory)"
end

---------------------------------------------------------------------------------------------------
-- Finding

local function display_of(directory, path, name)
  return directory.shipped and "policies/" .. name .. ".lua" or path
end

-- The file names that may stand for a policy, of one directory.
local function names_in(directory, ctx)
  local core, names = ctx.core or require "sbx.core", {}
  for _, entry in ipairs(core.fs_list(directory.path) or {}) do
    names[#names + 1] = entry:match("^([^%.].*)%.lua$")
  end
  table.sort(names)
  return names
end

local function no_such(name, first, ctx)
  if first > 1 then
    return string.format("there is no policy %q after the one that extends it", name)
  end
  local known = {}
  for _, directory in ipairs(files.directories(ctx)) do
    for _, one in ipairs(names_in(directory, ctx)) do known[#known + 1] = one end
  end
  local near = errors.nearest(name:sub(1, 256), known)
  return string.format("there is no policy %q%s", name,
                       near and string.format(" (did you mean %q?)", near) or "")
end

-- From the directory at `first` on.
local function find(name, first, ctx)
  local directories = files.directories(ctx)
  for index = first, #directories do
    local directory = directories[index]
    local path = directory.path .. "/" .. name .. ".lua"
    local text, message = files.read(path, ctx)
    if message then return nil, message end
    if text then
      local file
      file, message = files.load(path, display_of(directory, path, name), text, ctx)
      if not file then return nil, message end
      file.name, file.index = name, index
      return file
    end
  end
  return nil, no_such(name, first, ctx)
end

local function base_name(path)
  return (path:match("([^/]+)$"):gsub("%.lua$", ""))
end

local function open(path, ctx)
  local text, message = files.read(path, ctx)
  if not text then return nil, message or path .. ": there is no such policy file" end
  local file
  file, message = files.load(path, path, text, ctx)
  if not file then return nil, message end
  file.name, file.index = base_name(path), 0
  return file
end

-- `directory`: of the file that names it; nil where the caller does.
local function absolute(word, directory, ctx)
  if word:sub(1, 2) == "~/" and (ctx.home or (ctx.env or {}).HOME) then
    return (ctx.home or ctx.env.HOME) .. word:sub(2)
  end
  if word:sub(1, 1) == "/" then return word end
  local message
  if not directory then directory, message = host_directory(ctx) end
  if not directory then return nil, "policy " .. word .. ": " .. message end
  return directory .. "/" .. word:gsub("^%./", "")
end

local function open_word(word, directory, ctx)
  local path, message = absolute(word, directory, ctx)
  if not path then return nil, message end
  return open(path, ctx)
end

---------------------------------------------------------------------------------------------------
-- Extending

-- Throws for a table of the caller's, gives a `policy` error for a file.
local function refuse(layer, message, field)
  if layer.source == sources.option then errors.throw("policy: " .. message) end
  return nil, layer.source(field or "") .. ": " .. message
end

-- What stands in it by itself: a metatable could go on for ever.
local function plain_list(list)
  local copy = {}
  while rawget(list, #copy + 1) ~= nil do copy[#copy + 1] = rawget(list, #copy + 1) end
  return copy
end

local function bases_of(layer)
  local value = layer.value
  if type(value.extends) == "string" then return { value.extends } end
  if value.extends then return plain_list(value.extends) end
  return value.mode and {} or { "read-only" }
end

-- A file that has its own name among what it extends means the next one in the order.
local function base_layer(word, layer, ctx)
  if is_file(word) then
    return open_word(word, layer.path and layer.path:match("^(.*)/[^/]*$"), ctx)
  end
  local first = layer.name == word and layer.index and layer.index + 1 or 1
  return find(word, first, ctx)
end

local function trail_of(trail, path)
  for _, seen in ipairs(trail) do
    if seen == path then return table.concat(trail, " extends ") .. " extends " .. path end
  end
end

-- Joins a layer, and first what it extends, into `policy`.
local function join(policy, layer, trail, ctx)
  local problem, field = fields.problem(layer.value)
  if problem then return refuse(layer, problem, field) end
  for _, word in ipairs(bases_of(layer)) do
    local base, message = base_layer(word, layer, ctx)
    if not base then
      return nil, layer.path and layer.source("extends", word) .. ": " .. message or message
    end
    local circle = trail_of(trail, base.path)
    if circle then return refuse(layer, "a policy extends itself: " .. circle, "extends") end
    trail[#trail + 1] = base.path
    local ok
    ok, message = join(policy, base, trail, ctx)
    if not ok then return nil, message end
    trail[#trail] = nil
  end
  joining.lay(policy, layer)
  return true
end

---------------------------------------------------------------------------------------------------

local function finish(policy)
  if not policy.mode then policy.mode, policy.sources.mode = "read-only", sources.DEFAULT end
  if not policy.network then
    policy.network = policy.mode == "danger-full-access" and "full" or "none"
    policy.sources.network = sources.DEFAULT
  end
  policy.network_access = policy.network == "full"
  return joining.check(policy)
end

local function load_name(spec, ctx)
  if type(spec) == "table" then
    return { value = spec, source = sources.option }
  end
  if is_file(spec) then return open_word(spec, nil, ctx) end
  return find(spec, 1, ctx)
end

local function name_of(spec, layer)
  if type(spec) == "string" then return layer.name end
  local first = bases_of(layer)[1] or spec.mode or "read-only" -- {extends = {}} has neither
  return is_file(first) and base_name(first) or first
end

local function is_relative(word)
  local start = type(word) == "string" and is_file(word) and word:sub(1, 1)
  return start and start ~= "/" and word:sub(1, 2) ~= "~/" or false
end

--- Whether what a caller's policy means depends on the host's own directory.
---@param spec string|table
function M.is_relative(spec)
  if type(spec) ~= "table" then return is_relative(spec) end
  if type(spec.extends) ~= "table" then return is_relative(spec.extends) end
  for _, word in ipairs(plain_list(spec.extends)) do
    if is_relative(word) then return true end
  end
  return false
end

--- A policy by name, file or table, joined with what it extends. A relative file that the caller
--- names counts from the host's own directory (not from ctx.cwd), one that a file names from that
--- file's.
---@param spec string|table
---@param ctx table  {cwd, env, home?, tmpdir?, uid?, fs?, core?, policies_dir?}
---@return sbx.Policy|nil, {kind: string, message: string}|nil
function M.resolve(spec, ctx)
  ctx = ctx or {}
  local layer, message = load_name(spec, ctx)
  if not layer then return fail(message) end
  local policy = { sources = {} }
  local ok
  ok, message = join(policy, layer, { layer.path }, ctx)
  if ok then ok, message = finish(policy) end
  if not ok then return fail(message) end
  policy.name, policy.doc = name_of(spec, layer), layer.value.doc or nil
  return policy
end

local function doc_of(path, display, ctx)
  local text, message = files.read(path, ctx)
  if not text then return nil, message end
  local file
  file, message = files.load(path, display, text, ctx)
  if not file then return nil, message end
  local doc = file.value.doc
  return type(doc) == "string" and doc or nil
end

local function list_directory(directory, seen, list, ctx)
  for _, name in ipairs(names_in(directory, ctx)) do
    if not seen[name] then
      seen[name] = true
      local path = directory.path .. "/" .. name .. ".lua"
      local doc, message = doc_of(path, display_of(directory, path, name), ctx)
      list[#list + 1] = { name = name, path = path, doc = doc, error = message }
    end
  end
end

--- The policies that a name can mean, by name: `{name, path, doc}`; `error` where one doesn't load.
function M.list(ctx)
  ctx = ctx or {}
  local list, seen = {}, {}
  for _, directory in ipairs(files.directories(ctx)) do
    list_directory(directory, seen, list, ctx)
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

return M

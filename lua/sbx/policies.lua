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

---------------------------------------------------------------------------------------------------
-- Finding

local function display_of(directory, path, name)
  return directory.shipped and "policies/" .. name .. ".lua" or path
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
  return nil, string.format("there is no policy %q%s", name,
                            first > 1 and " after the one that extends it" or "")
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

local function absolute(word, directory, ctx)
  if word:sub(1, 2) == "~/" and (ctx.home or (ctx.env or {}).HOME) then
    return (ctx.home or ctx.env.HOME) .. word:sub(2)
  end
  if word:sub(1, 1) == "/" then return word end
  return (directory or ctx.cwd or "") .. "/" .. word:gsub("^%./", "")
end

---------------------------------------------------------------------------------------------------
-- Extending

-- Throws for a table of the caller's, gives a `policy` error for a file.
local function refuse(layer, message, field)
  if layer.source == sources.option then errors.throw("policy: " .. message) end
  return nil, layer.source(field or "") .. ": " .. message
end

local function bases_of(layer)
  local value = layer.value
  if type(value.extends) == "string" then return { value.extends } end
  if value.extends then return value.extends end
  return value.mode and {} or { "read-only" }
end

-- A file that has its own name among what it extends means the next one in the order.
local function base_layer(word, layer, ctx)
  if is_file(word) then
    return open(absolute(word, layer.path and layer.path:match("^(.*)/[^/]*$"), ctx), ctx)
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
  if is_file(spec) then return open(absolute(spec, nil, ctx), ctx) end
  return find(spec, 1, ctx)
end

local function name_of(spec, layer)
  if type(spec) == "string" then return layer.name end
  local first = bases_of(layer)[1] or spec.mode
  return is_file(first) and base_name(first) or first
end

--- A policy by name, file or table, joined with what it extends.
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
  local core = ctx.core or require "sbx.core"
  local names = core.fs_list(directory.path) or {}
  table.sort(names)
  for _, entry in ipairs(names) do
    local name = entry:match("^([^%.].*)%.lua$")
    if name and not seen[name] then
      seen[name] = true
      local path = directory.path .. "/" .. entry
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

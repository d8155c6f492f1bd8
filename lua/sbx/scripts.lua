-- The editable scripts: policy.lua, env.lua, denial.lua, each from the first of the user's, the
-- system's and the installed place. One gets the next in that order as `...`. One that doesn't load
-- is an error: the installed one is never used in its place without a word.

local errors = require "sbx.errors"
local files = require "sbx.policyfiles"

local M = {}

M.NAMES = { "policy", "env", "denial" }

-- What each must have for the engine to go on.
local WANTED = {
  policy = { plan = "function" },
  env = { default = "table", build = "function" },
  denial = {
    keywords = "table", quick_reject_exit_codes = "table", is_likely_sandbox_denied = "function",
  },
}

-- Lua cuts a long name of a chunk in its messages: the whole path is put back.
local function place(message, path)
  message = tostring(message)
  local line, rest = message:match("^.-%.lua:(%d+): (.*)$")
  if line then return path .. ":" .. line .. ": " .. rest end
  return path .. ": " .. message
end

-- A script may use all that Lua has, and sets no global: it would be one of the host's.
local function surroundings()
  return setmetatable({}, {
    __index = _G,
    __newindex = function(_, name)
      error("the script sets the global \"" .. tostring(name) .. "\": write local", 2)
    end,
  })
end

local function problem_of(name, value)
  if type(value) ~= "table" then
    return "the script returns a table, not " .. type(value) .. " (end it with `return base`)"
  end
  for field, kind in pairs(WANTED[name]) do
    if type(value[field]) ~= kind then
      return string.format("%s must be a %s, not %s", field, kind, type(value[field]))
    end
  end
end

-- The files that a script came from, the one read last first.
local places = setmetatable({}, { __mode = "k" })

local function remember(script, path, next_one)
  local list = { path }
  for _, known in ipairs(places[next_one] or {}) do list[#list + 1] = known end
  places[script] = list
end

local function run_chunk(name, path, chunk, next_one)
  local ok, value = pcall(chunk, next_one)
  if not ok then return nil, place(value, path) end
  local problem = problem_of(name, value)
  if problem then return nil, path .. ": " .. problem end
  remember(value, path, next_one)
  return value
end

local function run(name, path, text, next_one)
  errors.part_of_library("@" .. path)
  local chunk, message = files.compile(text, "@" .. path, surroundings())
  if not chunk then return nil, place(message, path) end
  return run_chunk(name, path, chunk, next_one)
end

local function directories(env)
  local list, user = {}, files.user_directory(env)
  list[1] = files.SYSTEM_DIRECTORY
  if user then list[2] = user end
  return list
end

-- The program has the installed ones inside, compiled, while nobody has edited them (modules.h).
local function embedded(name)
  local find = package.loaded["sbx.embedded"]
  if not find then return nil end
  local chunk, path = find("sbx." .. name)
  if chunk then debug.setupvalue(chunk, 1, surroundings()) end
  return chunk, path
end

-- Read anew each time: an edit of a script's changes the table that it was given.
local function installed(name, core)
  local chunk, path = embedded(name)
  if chunk then return run_chunk(name, path, chunk) end
  local directory = files.MODULES
  local text = directory and core.fs_read(directory .. "/" .. name .. ".lua")
  if text then return run(name, directory .. "/" .. name .. ".lua", text) end
  return require("sbx." .. name)
end

local function load_one(name, core, env)
  local script, message = installed(name, core)
  if not script then return nil, message end
  for _, directory in ipairs(directories(env)) do
    local path = directory .. "/" .. name .. ".lua"
    local text, raw = core.fs_read(path)
    local code = type(raw) == "table" and raw.code
    if text then
      script, message = run(name, path, text, script)
      if not script then return nil, message end
    elseif raw and code ~= "ENOENT" and code ~= "ENOTDIR" then
      return nil, files.unreadable(path, raw)
    end
  end
  return script
end

--- The three scripts.
---@param core table  has fs_read
---@param env table<string, string>  the engine's own environment
---@return {policy: table, env: table, denial: table}|nil, {kind: string, message: string}|nil
function M.load(core, env)
  local scripts = {}
  for _, name in ipairs(M.NAMES) do
    local script, message = load_one(name, core, env or {})
    if not script then return nil, { kind = "policy", message = message } end
    scripts[name] = script
  end
  return scripts
end

---------------------------------------------------------------------------------------------------
-- Calling one

-- Not the script's fault, and nothing that a `policy` error may hide.
local function passes_through(value)
  if errors.is_misuse(value) then return true end
  return type(value) == "string"
    and (value:find("interrupted!$") or value:find("not enough memory$")) ~= nil
end

-- Lua cuts a long path to its end: the script's file that ends so is the one.
local function full_path(list, shown)
  local tail = shown:gsub("^%.%.%.", ""):gsub("^%[sbxlua%]/", "")
  for _, path in ipairs(list) do
    if path:sub(-#tail) == tail then return path end
  end
end

local function blame(script, value)
  local list = places[script] or {}
  local message = type(value) == "string" and value or "it threw a " .. type(value)
  local shown, line, rest = message:match("^(.-%.lua):(%d+): (.*)$")
  local path = shown and full_path(list, shown)
  if path then return path .. ":" .. line .. ": " .. rest end
  return (list[1] or "the editable script") .. ": " .. message
end

local function settle(script, ok, ...)
  if ok then return ... end
  local value = ...
  if passes_through(value) then error(value, 0) end
  return nil, { kind = "policy", message = blame(script, value) }
end

--- Calls fn(…) on behalf of a script: what it throws becomes `nil, err` with the script's file. The
--- caller's misuse is thrown on.
---@param script table  as M.load gave it
function M.call(script, fn, ...)
  return settle(script, pcall(fn, ...))
end

return M

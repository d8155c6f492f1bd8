-- Policy files: where they lie, and what comes of loading one. A file is read as text only, sees no
-- global that reaches the system, and returns a table or a function of `ctx` that gives one.

local sources = require "sbx.sources"

local M = {}

M.SYSTEM_DIRECTORY = "/etc/sbxlua"

--- The user's directory of configuration, or nil.
function M.user_directory(env)
  local config, home = env.XDG_CONFIG_HOME, env.HOME
  if config and config:sub(1, 1) == "/" then return config .. "/sbxlua" end
  if home and home:sub(1, 1) == "/" then return home .. "/.config/sbxlua" end
end

-- The file, as `require` says; Lua 5.1 doesn't.
local _, own_file = ...
local HERE = (own_file and "@" .. own_file or debug.getinfo(1, "S").source):match("^@(.*)/[^/]*$")

--- Where the installed modules lie.
M.MODULES = HERE

-- Beside the modules: <prefix>/share/sbxlua/policies; in a source tree: <source>/policies.
local function installed_directory()
  local share = HERE and HERE:match("^(.*)/lua/%d%.%d/sbx$")
  if share then return share .. "/sbxlua/policies" end
  local top = HERE and (HERE:match("^(.*)/lua/sbx$") or HERE == "lua/sbx" and ".")
  return top and top .. "/policies"
end

M.INSTALLED = installed_directory()

--- The directories in which a name is looked up, in order.
---@param ctx table  {env, policies_dir?}
---@return {path: string, shipped: boolean}[]
function M.directories(ctx)
  local list, user = {}, M.user_directory(ctx.env or {})
  if user then list[#list + 1] = { path = user .. "/policies" } end
  list[#list + 1] = { path = M.SYSTEM_DIRECTORY .. "/policies" }
  local installed = ctx.policies_dir or M.INSTALLED
  if installed then list[#list + 1] = { path = installed, shipped = true } end
  return list
end

-- What a policy may use. Nothing of io, os, require, debug: it is data, with a little arithmetic.
local SAFE = {
  "assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring", "type",
  "unpack",
}
-- Copies of these: a file that changes one must not change it for the host.
local LIBRARIES = { "string", "table", "math" }

local function copy_of(map)
  local copy = {}
  for name, value in pairs(map) do copy[name] = value end
  return copy
end

local function surroundings()
  local env = {}
  for _, name in ipairs(SAFE) do env[name] = _G[name] end
  for _, name in ipairs(LIBRARIES) do env[name] = copy_of(_G[name]) end
  return setmetatable({}, {
    __index = env,
    __newindex = function(_, name)
      error("a policy sets the global \"" .. tostring(name) .. "\": write local", 2)
    end,
  })
end

--- Compiles text, never bytecode, with `env` for its globals, on every version of Lua.
function M.compile(text, chunkname, env)
  if text:sub(1, 1) == "\27" then return nil, "is compiled Lua: only text is read" end
  text = text:gsub("^#[^\n]*", "")
  if setfenv then
    local chunk, message = loadstring(text, chunkname)
    return chunk and setfenv(chunk, env), message
  end
  return load(text, chunkname, "t", env)
end

-- Lua cuts long names of chunks, so a short one stands for the file until it is put back.
local CHUNK = "=sbxpolicy"

local function place(message, display)
  message = tostring(message)
  local line, rest = message:match("sbxpolicy:(%d+): (.*)$")
  if line then return display .. ":" .. line .. ": " .. rest end
  return display .. ": " .. message
end

local function copy_ctx(ctx)
  return {
    cwd = ctx.cwd, env = copy_of(ctx.env or {}), home = ctx.home, tmpdir = ctx.tmpdir,
    uid = ctx.uid,
  }
end

local function evaluate(text, display, ctx)
  local chunk, message = M.compile(text, CHUNK, surroundings())
  if not chunk then return nil, place(message, display) end
  local ok, value = pcall(chunk)
  if not ok then return nil, place(value, display) end
  if type(value) == "function" then
    local line = debug.getinfo(value, "S").linedefined
    display = display .. ":" .. line
    ok, value = pcall(value, copy_ctx(ctx))
    if not ok then return nil, place(value, (display:gsub(":%d+$", ""))) end
  end
  if type(value) ~= "table" then
    return nil, display .. ": a policy file returns a table, not " .. type(value)
  end
  return value
end

---@class sbx.PolicyFile
---@field path string
---@field display string  as messages name it
---@field value table
---@field source fun(field: string, entry: any): string

--- Loads one file's text.
---@return sbx.PolicyFile|nil, string|nil message
function M.load(path, display, text, ctx)
  local value, message = evaluate(text, display, ctx)
  if not value then return nil, message end
  return { path = path, display = display, value = value, source = sources.file(display, text) }
end

local function absent(raw)
  local code = type(raw) == "table" and raw.code
  return not raw or code == "ENOENT" or code == "ENOTDIR"
end

-- Through ctx.fs where there is one, so that an edited policy is noticed before it is used again.
local function through_fs(path, ctx)
  local text = ctx.fs.read(path)
  if text then return text end
  if ctx.fs.stat and ctx.fs.stat(path) then return nil, path .. ": can't be read as a policy" end
end

--- Why a file can't be read: named once.
---@param raw {message: string?, code: string?}|string
function M.unreadable(path, raw)
  local message = tostring(type(raw) == "table" and (raw.message or raw.code) or raw)
  return message:find(path, 1, true) and message or path .. ": " .. message
end

--- The text of a file; nil where there is none; nil and a message where it can't be read.
function M.read(path, ctx)
  if ctx.fs and type(ctx.fs.read) == "function" then return through_fs(path, ctx) end
  local core = ctx.core or require "sbx.core"
  local text, raw = core.fs_read(path)
  if text or absent(raw) then return text end
  return nil, M.unreadable(path, raw)
end

return M

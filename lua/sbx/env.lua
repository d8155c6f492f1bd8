-- The environment filter. Editable: ~/.config/sbxlua/env.lua or /etc/sbxlua/env.lua may change what
-- is here (`local base = ...; base.default.inherit = "all"; return base`).

---@class sbx.EnvPolicy
---@field inherit "core"|"all"|"none"?
---@field ignore_default_excludes boolean?
---@field exclude string[]?       globs of names
---@field set table<string, string>?
---@field include_only string[]?  globs of names; empty: filters nothing

local M = {}

---@type sbx.EnvPolicy
M.default = {
  inherit = "core",
  ignore_default_excludes = false,
  exclude = {},
  set = {},
  include_only = {},
}

M.core = {
  "PATH", "SHELL", "TMPDIR", "TEMP", "TMP", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "USER",
}

M.default_excludes = { "*KEY*", "*SECRET*", "*TOKEN*" }

-- A glob as a Lua pattern, of the name in capitals: `*` and `?`, all else stands for itself.
local function pattern_of(glob)
  local text = glob:upper():gsub("%*+", "*"):gsub("[^%w%*%?]", "%%%0")
  return "^" .. text:gsub("%*", ".*"):gsub("%?", ".") .. "$"
end

local function patterns_of(globs)
  local list = {}
  for i, glob in ipairs(globs) do list[i] = pattern_of(glob) end
  return list
end

local function matches(name, patterns)
  local capitals = name:upper()
  for i = 1, #patterns do
    if capitals:find(patterns[i]) then return true end
  end
  return false
end

local function take_core(inherited)
  local wanted, map = {}, {}
  for _, name in ipairs(M.core) do wanted[name:upper()] = true end
  for name, value in pairs(inherited) do
    if wanted[name:upper()] then map[name] = value end
  end
  return map
end

local TAKE = { core = take_core }

function TAKE.all(inherited)
  local map = {}
  for name, value in pairs(inherited) do map[name] = value end
  return map
end

function TAKE.none() return {} end

local function remove(map, patterns, keep)
  if #patterns == 0 then return end
  for name in pairs(map) do
    -- clearing a field while walking is what `next` allows
    if matches(name, patterns) ~= keep then map[name] = nil end
  end
end

local TYPES = {
  inherit = "string", ignore_default_excludes = "boolean", exclude = "table", set = "table",
  include_only = "table",
}

local function check(env_policy)
  for name, value in pairs(env_policy) do
    local kind = TYPES[name]
    if not kind then error("unknown field \"" .. tostring(name) .. "\" of env_policy", 0) end
    if type(value) ~= kind then
      error(string.format("env_policy.%s must be a %s, not %s", name, kind, type(value)), 0)
    end
  end
  if env_policy.inherit and not TAKE[env_policy.inherit] then
    error("env_policy.inherit must be \"core\", \"all\" or \"none\", not \""
          .. env_policy.inherit .. "\"", 0)
  end
end

local function field(env_policy, name)
  local value = env_policy[name]
  if value == nil then value = M.default[name] end
  return value
end

--- The environment that a policy lets through: inherit, default excludes, exclude, set,
--- include_only, in that order.
---@param env_policy sbx.EnvPolicy|nil
---@param inherited table<string, string>
---@return table<string, string>
function M.build(env_policy, inherited)
  env_policy = env_policy or M.default
  check(env_policy)
  local map = TAKE[field(env_policy, "inherit") or "core"](inherited)
  if not field(env_policy, "ignore_default_excludes") then
    remove(map, patterns_of(M.default_excludes), false)
  end
  remove(map, patterns_of(field(env_policy, "exclude") or {}), false)
  for name, value in pairs(field(env_policy, "set") or {}) do map[name] = value end
  remove(map, patterns_of(field(env_policy, "include_only") or {}), true)
  return map
end

return M

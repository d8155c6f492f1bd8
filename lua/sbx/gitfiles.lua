-- What a repository names outside itself: the directory that a worktree shares, and what its config
-- includes or has git run. Read as data, never by running git (gitrepository-layout(5),
-- git-config(1)).

local paths = require "sbx.paths"

local M = {}

-- As long as a path can be; git reads no more.
local LONGEST_POINTER = 4096

--- The path that a file of one line names: a `.git` file ("gitdir: …"), or a `commondir`. It may be
--- the work of an earlier command: what no git reads names nothing.
---@param text string|nil
---@param key string|nil  "gitdir"
function M.pointer(text, key)
  local named = text and text:match(key and "^" .. key .. ": *([^\r\n]+)" or "^([^\r\n]+)")
  if not named or #named > LONGEST_POINTER or named:find("%z") then return nil end
  return named
end

-- section (lower case) → keys (lower case) → whether the value is a command line
local NAMING = {
  include = { path = "file" }, includeif = { path = "file" },
  core = { hookspath = "tree", attributesfile = "file", excludesfile = "file",
           fsmonitor = "command" },
}

local function unquoted(value)
  value = value:gsub("%s+$", "")
  return (value:gsub("^\"(.*)\"$", "%1"))
end

-- What a value names as a path, or nil.
local function path_of(value, kind)
  if kind == "command" then
    value = value:match("^(%S+)") or ""
    if not value:find("/", 1, true) then return nil end -- "true", or found in PATH
  end
  if value == "" or value:find("%z") or #value > LONGEST_POINTER then return nil end
  return value
end

--- `{key, value}` for each entry of a config that names a path.
function M.named_in(config)
  local list, section = {}, nil
  for line in (config .. "\n"):gmatch("([^\n]*)\n") do
    local head = line:match("^%s*%[%s*([%w%-%.]+)")
    if head then section = NAMING[head:lower()] end
    local key, value = line:gsub("^%s*%[[^%]]*%]", ""):match("^%s*(%a[%w%-]*)%s*=%s*(.-)%s*$")
    local kind = section and key and section[key:lower()]
    local named = kind and path_of(unquoted(value), kind)
    if named then list[#list + 1] = { key = key:lower(), value = named } end
  end
  return list
end

--- Where a value leads: `~/` is the home, an include counts from the config, the rest from the
--- working tree.
function M.place(one, config_directory, top, home)
  if one.value:sub(1, 2) == "~/" then
    return home and paths.clean(home .. one.value:sub(2))
  end
  local base = one.key == "path" and config_directory or top
  return paths.clean(paths.join(base, one.value))
end

return M

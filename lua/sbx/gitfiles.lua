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

---------------------------------------------------------------------------------------------------
-- Reading a config as git does (git-config(1), "SYNTAX")

local ESCAPES = { n = "\n", t = "\t", b = "\b", ["\""] = "\"", ["\\"] = "\\", ["\n"] = "" }

-- The value from `at` on, and where it ends. Comments end it but for in quotes; a backslash joins
-- the next line; blanks at its start and its end are none of it (those before a backslash are).
local function read_value(text, at)
  local parts, quoted, kept = {}, false, 0
  while at <= #text do
    local char = text:sub(at, at)
    if char == "\n" or not quoted and (char == "#" or char == ";") then break end
    if char == "\\" then
      at = at + 1
      parts[#parts + 1] = ESCAPES[text:sub(at, at)] or text:sub(at, at)
      if parts[#parts] == "" then parts[#parts] = nil end
      kept = #parts
    elseif char == "\"" then
      quoted, kept = not quoted, #parts
    else
      local blank = not quoted and char:find("[ \t\r]")
      if not blank or #parts > 0 then parts[#parts + 1] = char end
      if not blank then kept = #parts end
    end
    at = at + 1
  end
  return table.concat(parts, "", 1, kept), at
end

-- "[name "any ] text"]", and where it ends.
local function read_header(text, at)
  local name, stop = text:match("^%[%s*([%w%-]+)[%w%-%.]*()", at)
  if not name then return nil, at + 1 end
  local quote = text:match("^%s*\"()", stop)
  while quote do
    local char = text:sub(quote, quote)
    if char == "\\" then quote = quote + 1 end
    stop = quote + 1
    quote = char ~= "\"" and char ~= "" and char ~= "\n" and quote + 1 or nil
  end
  -- a quoted name without an end takes all there is
  return name:lower(), text:match("^[^%]\n]*%]?()", math.min(stop, #text + 1))
end

-- Calls `found` with section, key and value of each entry.
local function read_config(text, found)
  text = text:gsub("\r\n", "\n")
  local at, section = 1, nil
  while at <= #text do
    local key, stop = text:match("^(%a[%w%-]*)[ \t]*()", at)
    local char = text:sub(at, at)
    if char == "[" then
      section, at = read_header(text, at)
    elseif key and text:sub(stop, stop) == "=" then
      local value
      value, at = read_value(text, text:match("^[ \t]*()", stop + 1))
      found(section, key:lower(), value)
    elseif key or char == "#" or char == ";" then
      at = text:match("^[^\n]*\n?()", at)
    else
      at = at + 1
    end
  end
end

-- The words of a command line that may be files: quotes and settings before it are taken off.
local function words_of(line)
  local words = {}
  for word in line:gsub("[\"']", " "):gmatch("%S+") do
    words[#words + 1] = word:match("^[%w_]+=(.+)$") or word
  end
  return words
end

--- `{key, value, guess}` for each entry of a config that names a path; `guess` where it may be
--- something else than a path.
function M.named_in(config)
  local list = {}
  read_config(config, function(section, key, value)
    local kind = (NAMING[section or ""] or {})[key]
    if not kind or value == "" or value:find("%z") or #value > LONGEST_POINTER then return end
    if kind ~= "command" then
      list[#list + 1] = { key = key, value = value }
      return
    end
    for _, word in ipairs(words_of(value)) do
      list[#list + 1] = { key = key, value = word, guess = not word:find("/", 1, true) or nil }
    end
  end)
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

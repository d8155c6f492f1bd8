-- The path that a program's line about a refusal speaks of: what could be one, and which of them
-- the policy refuses. The line is the command's, cut to a length at which no pattern gets slow.

local core = require("sbx.core")
local paths = require("sbx.paths")

local M = {}

-- Each is asked of the policy.
local MOST = 8

local ERRNO = { "read%-only file system", "permission denied", "operation not permitted" }

local function is_errno(words)
  for _, pattern in ipairs(ERRNO) do
    if words:lower():find("^" .. pattern .. "%.?$") then return true end
  end
  return false
end

-- Quotes of other kinds as plain ones; no addresses of the web.
local function plain(line)
  return (line:gsub("\226\128[\152\153]", "'"):gsub("\226\128[\156\157]", "\""):gsub("`", "'")
    :gsub("%a[%w+.-]*://[^%s'\"]*", " "):gsub("[Uu][Rr][Ll]:? */[^%s'\"]*", " "))
end

local function is_program(path)
  local found = core.fs_stat(path)
  return found ~= nil and found.type == "file" and found.mode % 2 == 1
end

-- Before the first ": " a program says its own name; git says a path there, and then nothing but
-- what the kernel said.
local function split_name(line)
  local name, rest = line:match("^%s*([^%s:'\"]+): +(.*)$")
  if not name then return line, nil end
  local is_path = name:sub(1, 1) == "/" and rest:lower():find("^read%-only file system%.?$")
  return rest, is_path and not is_program(name) and name or nil
end

local function quoted(rest, add)
  for word in (" " .. rest):gmatch("[%s%(=,:>]['\"]([^'\"]+)['\"]") do add(word) end
end

local function with_slash(rest, add)
  for word in rest:gmatch("[^%s'\"]+") do
    word = word:gsub("[:,;%.%)]+$", function(tail)
      return tail:match("^%.+") and word:find("/%.+[:,;%)]*$") and tail:match("^%.+") or ""
    end)
    word = word:gsub("^[%(=]+", ""):gsub("^%-*[%w-]+=", "")
    if word:find("/", 1, true) then add(word) end
  end
end

-- "out.tar: Cannot open", "cannot create out", "line 1: out.txt"
local function segments(rest, add, cwd)
  for part in (rest .. ": "):gmatch("(.-): ") do
    local word = part:match("^[Cc]annot %l+ (%S+)$") or part:match("^[Cc]an't %l+ (%S+)$")
    local is_name = not part:find("[%s'\"/]") and not is_errno(part)
      and (part:find("%w%.%w") or core.fs_stat(paths.join(cwd, part)))
    if word or is_name then add(word or part) end
  end
end

-- From the end: of two, it is the second that is written.
local function reversed(list)
  local other = {}
  for i = #list, math.max(1, #list - MOST + 1), -1 do other[#other + 1] = list[i] end
  return other
end

--- What could be the path, the likeliest first, as written.
---@param line string
---@param cwd string|nil
---@return string[]
function M.candidates(line, cwd)
  local rest, named = split_name(plain(line))
  for _, find in ipairs({ quoted, with_slash, segments }) do
    local list = {}
    find(rest, function(word) list[#list + 1] = word end, cwd or "/")
    if #list > 0 then return reversed(list) end
  end
  return { named }
end

---@class sbx.cli.Named
---@field path string        absolute, as the kernel walks to it
---@field operation string?  what the policy refuses there: "write", "create", "read"; nil: nothing
---@field rule string?
---@field is_place boolean   it is named as the directory in which something is made

local function verdict_on(policy, operation, path, cwd)
  local ok, found = pcall(require("sbx").why, policy, operation, path, { cwd = cwd })
  return ok and found or nil
end

local function ask(word, opts, cwd)
  if word:find("[%z\1-\31]") then return nil end
  local path = word:sub(1, 1) == "/" and word or paths.join(cwd, word)
  local policy, named = opts.policy or "read-only", nil
  for _, operation in ipairs({ core.fs_stat(path) and "write" or "create", "read" }) do
    local found = verdict_on(policy, operation, path, cwd)
    if not found then return nil end
    named = named or { path = paths.clean(found.path or path),
                       is_place = word:find("/$") ~= nil or word:find("^%.%.?$") ~= nil }
    if not found.allowed then
      named.operation, named.rule = operation, found.rule
      return named
    end
  end
  return named
end

--- The path that a line speaks of: the likeliest one that the policy refuses, else the likeliest
--- absolute one (from where the others count a program may have changed); nil: it names none.
---@param line string
---@param opts table  of the run
---@return sbx.cli.Named|nil
function M.path(line, opts)
  local first
  local cwd = paths.join(core.cwd() or "/", opts.cwd or ".")
  for _, word in ipairs(M.candidates(line, cwd)) do
    local named = ask(word, opts, cwd)
    if named and named.operation then return named end
    first = first or word:sub(1, 1) == "/" and named or nil
  end
  return first
end

return M

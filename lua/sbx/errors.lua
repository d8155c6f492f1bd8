-- Errors are made here and nowhere else on the Lua side, so that they read alike: a table for what
-- a program may have to handle, a throw for misuse.

---@class sbx.Error
---@field kind string    one word, see the interface
---@field message string
---@field code string?   errno name
---@field step string?   which step failed
---@field output table?  the full result, where the command had started

local M = {}

-- The file's directory, as `require` and as the code itself names it: not the same in the program,
-- which has its modules inside.
local _, path = ...
local SOURCE = debug.getinfo(1, "S").source
local function directory_of(name) return name:match("^(.*[/\\])[^/\\]*$") or "=" end
local HERE, INSIDE = directory_of(path and "@" .. path or SOURCE), directory_of(SOURCE)

local Error = { __name = "sbx.Error" }

-- One line whatever the message holds: names and paths in it may come from the command.
function Error.__tostring(err)
  local text = err.kind .. ": " .. tostring(err.message)
  return (text:gsub("%c", function(char)
    if char == "\n" then return "\\n" end
    return string.format("\\%03d", char:byte())
  end))
end

---@return sbx.Error
function M.new(kind, message, fields)
  local err = { kind = kind, message = message }
  for name, value in pairs(fields or {}) do err[name] = value end
  return setmetatable(err, Error)
end

--- `nil, err`, to be returned as it is.
function M.fail(kind, message, fields)
  return nil, M.new(kind, message, fields)
end

--- Gives a plain `{kind, step, code, message}` of the core or a script the readable form.
function M.adopt(raw)
  if type(raw) ~= "table" then return M.new("policy", tostring(raw)) end
  if getmetatable(raw) == Error then return raw end
  return M.new(raw.kind or "sandbox", raw.message or raw.step or "unknown error", raw)
end

--- Refuses by name what a later version brings.
function M.later(what)
  return M.new("unsupported", what .. " is not in this version of sbxlua")
end

local parts = {}

--- Code of this source ("@path") is no caller: an editable script stands between the two.
function M.part_of_library(source)
  parts[source] = true
end

-- The first function outside the library called it wrongly, however deep the check sits.
local function callers_level()
  local level = 3
  while true do
    local info = debug.getinfo(level, "S")
    if not info then return nil end
    local source = info.source
    local outside = info.what ~= "C" and source:sub(1, #HERE) ~= HERE
      and source:sub(1, #INSIDE) ~= INSIDE and not parts[source]
    if outside then return level end
    level = level + 1
  end
end

local last_misuse

--- Misuse: throws at the caller of the library.
function M.throw(message)
  local level = callers_level()
  -- callers_level counted its own frame, getinfo counts from here
  local info = level and debug.getinfo(level - 1, "Sl")
  if info and info.currentline > 0 then
    message = string.format("%s:%d: %s", info.short_src, info.currentline, message)
  end
  last_misuse = message
  error(message, 0)
end

--- Whether a caught error is the caller's misuse, which is to go on to the caller.
function M.is_misuse(value)
  return value ~= nil and value == last_misuse
end

local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal, left = row[0], i
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      left = math.min(diagonal + cost, row[j] + 1, left + 1)
      diagonal, row[j] = row[j], left
    end
  end
  return row[#b]
end

--- The known name that was probably meant, or nil.
---@param names string[]
function M.nearest(word, names)
  local best, least = nil, math.max(2, math.floor(#word / 3)) + 1
  for _, name in ipairs(names) do
    local far = distance(word:lower(), name:lower())
    -- "timeout" for "timeout_ms": a forgotten unit is many letters and one slip
    if #word > 2 and name:sub(1, #word) == word then far = 1 end
    if far < least then best, least = name, far end
  end
  return best
end

-- More are a list that nobody reads.
local MOST = 8

--- `unknown option "timout_ms" (did you mean "timeout_ms"?)`, or the names where none is near.
function M.unknown(what, word, names)
  local text = string.format("unknown %s \"%s\"", what, tostring(word))
  local near = type(word) == "string" and M.nearest(word, names)
  if near then return text .. string.format(" (did you mean \"%s\"?)", near) end
  return #names > MOST and text or text .. ": one of " .. table.concat(names, ", ")
end

return M

-- Bytes of a command as text for people and for JSON: both must survive whatever a command prints.

local M = {}

local byte, sub, find, format = string.byte, string.sub, string.find, string.format

local REPLACEMENT = "\239\191\189" -- U+FFFD
local LIMIT = 4096 -- of one name or line that is shown

-- lead byte -> {continuation bytes, lowest, highest first continuation}: RFC 3629, so neither
-- overlong forms, nor surrogates, nor anything above U+10FFFF.
local LEADS = {}
for lead = 194, 223 do LEADS[lead] = { 1, 128, 191 } end
for lead = 224, 239 do LEADS[lead] = { 2, 128, 191 } end
for lead = 240, 244 do LEADS[lead] = { 3, 128, 191 } end
LEADS[224][2], LEADS[237][3], LEADS[240][2], LEADS[244][3] = 160, 159, 144, 143

--- Is the sequence that starts at i a character, and how many bytes belong together?
---@return boolean valid, integer length, boolean cut  cut: it would be one if the text went on
local function measure(text, i)
  local lead = byte(text, i)
  if lead < 128 then return true, 1, false end
  local rule = LEADS[lead]
  if not rule then return false, 1, false end
  local low, high = rule[2], rule[3]
  for k = 1, rule[1] do
    local next_byte = byte(text, i + k)
    if not next_byte then return false, k, true end
    if next_byte < low or next_byte > high then return false, k, false end
    low, high = 128, 191
  end
  return true, rule[1] + 1, false
end

-- A byte above 127 with the continuation bytes behind it, which is all that can hang together.
local UNIT = "[\128-\255][\128-\191]?[\128-\191]?[\128-\191]?"

local function repair(unit, instead)
  local out, i = "", 1
  while i <= #unit do
    local valid, length = measure(unit, i)
    local piece = sub(unit, i, i + length - 1)
    out = out .. (valid and piece or instead(piece))
    i = i + length
  end
  return out
end

-- Units come again and again: gsub with a table is some ten times as fast as with a function. The
-- table is thrown away when a binary stream has filled it.
local ROOM = 4096
local known, room

local function remember(units, unit)
  local repaired = repair(unit, function() return REPLACEMENT end)
  if room > 0 then
    room = room - 1
    units[unit] = repaired
  end
  return repaired
end

local function forget()
  known, room = setmetatable({}, { __index = remember }), ROOM
end

--- The same text in valid UTF-8: U+FFFD for each piece that is none.
function M.utf8(text)
  if not find(text, "[\128-\255]") then return text end
  if not known or room == 0 then forget() end
  return (text:gsub(UNIT, known))
end

--- The last position at or before `last` after which a text may be cut without cutting a character.
function M.boundary(text, last)
  if last >= #text then return #text end
  for start = last, math.max(1, last - 2), -1 do
    local value = byte(text, start)
    if value < 128 then return last end
    if value >= 194 then
      local _, length = measure(text, start)
      return start + length - 1 > last and start - 1 or last
    end
  end
  return last
end

--- How many bytes at the end of a text belong to a character that was cut there.
function M.cut_tail(text)
  for start = #text, math.max(1, #text - 2), -1 do
    local value = byte(text, start)
    if value < 128 then return 0 end
    if value >= 194 then
      local _, _, cut = measure(text, start)
      return cut and #text - start + 1 or 0
    end
  end
  return 0
end

--- How many bytes at the start of a text belong to a character that was cut there.
function M.cut_head(text)
  local _, last = find(text, "^[\128-\191]+")
  return math.min(last or 0, 3)
end

local function hex(bytes)
  return (bytes:gsub(".", function(char) return format("\\x%02x", byte(char)) end))
end

local NAMED = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ["\27"] = "\\e" }

local function control(char) return NAMED[char] or hex(char) end

-- What a terminal obeys or shows in another order than it stands: C1 controls, marks of direction,
-- zero width, line and paragraph separators, the byte order mark.
local HIDDEN = {
  "\194[\128-\159]", "\216\156", "\226\128[\139-\143]", "\226\128[\168-\174]",
  "\226\129[\160-\175]", "\239\187\191",
}

local function shorten(text)
  if #text <= LIMIT then return text end
  return sub(text, 1, M.boundary(text, LIMIT)) .. "..."
end

--- For a line on a terminal: nothing in it can move the cursor, change colours or turn words round.
function M.escape(text)
  text = shorten(text):gsub("%c", control)
  if not find(text, "[\128-\255]") then return text end
  text = text:gsub(UNIT, function(unit) return repair(unit, hex) end)
  for _, pattern in ipairs(HIDDEN) do text = text:gsub(pattern, hex) end
  return text
end

-- A word as one would type it to a shell, for words that are shown only.
local function quote(word)
  if find(word, "^[%w%%+,%-./:=@_]+$") then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- A command as one line.
function M.command(words)
  local out = {}
  for i, word in ipairs(words) do out[i] = quote(word) end
  return M.escape(table.concat(out, " "))
end

return M

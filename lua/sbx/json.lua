-- The one file that talks to cjson (Debian's 2.1.0) and knows its traps: it has no mark for an
-- empty list, makes floats of all numbers, keeps 14 digits, lets invalid UTF-8 through, has a true
-- null, and settings that everybody in the process shares. So it only reads JSON here and quotes
-- strings; objects and lists are written by this file, piece by piece, in a settled order.

local cjson = require("cjson").new()
local text = require("sbx.text")

cjson.decode_invalid_numbers(false)
cjson.encode_max_depth(64)
cjson.decode_max_depth(64)

local M = { null = cjson.null }

local SLICE = 65536 -- a string is escaped and written in such pieces: memory stays flat
local EXACT = 2 ^ 53 -- up to here a float is the whole number that it looks like
local DEPTH = 64

-- Names of fields that are lists: an empty table doesn't show what it is.
local LISTS = {}
for name in ([[
  missing env_dropped evidence failures pids tiers policies written kept checks scripts
  writable_roots read_only protect deny_read readable unix_sockets allow require allow_missing
  exclude include_only command writable alternatives namespaces capabilities calls partly passed
  dropped families widened scopes
  not_granted
]]):gmatch("%S+") do
  LISTS[name] = true
end

-- ---- writing ----

---@class sbx.JsonWriter
---@field sink fun(piece: string)
---@field pieces string[]
---@field size integer

local function flush(out)
  if out.size == 0 then return end
  out.sink(table.concat(out.pieces))
  out.pieces, out.size = {}, 0
end

local function put(out, piece)
  out.pieces[#out.pieces + 1] = piece
  out.size = out.size + #piece
  if out.size >= SLICE then flush(out) end
end

-- cjson escapes and quotes; the quotes are ours when a string comes in slices.
local function put_string(out, value)
  put(out, '"')
  local first = 1
  while first <= #value do
    local slice = value:sub(first, first + SLICE + 3)
    slice = slice:sub(1, text.boundary(slice, SLICE))
    put(out, (cjson.encode(text.utf8(slice)):sub(2, -2):gsub("\\/", "/")))
    first = first + #slice
  end
  put(out, '"')
end

local integer_type = math.type -- luacheck: ignore (5.3 and later)

local function number(value)
  if value ~= value or value == math.huge or value == -math.huge then return "null" end
  if value % 1 == 0 and math.abs(value) <= EXACT then return string.format("%.0f", value) end
  if integer_type and integer_type(value) == "integer" then return string.format("%d", value) end
  return string.format("%.14g", value)
end

local function is_list(value, name)
  if next(value) == nil then return LISTS[name] or false end
  return value[1] ~= nil
end

local function sorted_names(object)
  local names = {}
  for name in pairs(object) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  return names
end

local put_value

local function put_list(out, list, depth)
  for i, value in ipairs(list) do
    put(out, i == 1 and "[" or ",")
    put_value(out, value, nil, depth)
  end
  put(out, #list == 0 and "[]" or "]")
end

local function put_object(out, object, names, depth)
  put(out, "{")
  for i, name in ipairs(names) do
    if i > 1 then put(out, ",") end
    put_string(out, tostring(name))
    put(out, ":")
    put_value(out, object[name], name, depth)
  end
  put(out, "}")
end

function put_value(out, value, name, depth)
  local kind = type(value)
  if value == nil or value == M.null then put(out, "null")
  elseif kind == "string" then put_string(out, value)
  elseif kind == "number" then put(out, number(value))
  elseif kind == "boolean" then put(out, tostring(value))
  elseif kind ~= "table" or depth > DEPTH then error("no JSON for a " .. kind, 0)
  elseif is_list(value, name) then put_list(out, value, depth + 1)
  else put_object(out, value, sorted_names(value), depth + 1)
  end
end

--- Writes one object and a line end through `sink`, in pieces.
---@param object table
---@param names string[]|nil  the fields in their order, those that are nil as null; else by name
---@param sink fun(piece: string)
function M.write(object, names, sink)
  local out = { sink = sink, pieces = {}, size = 0 }
  put_object(out, object, names or sorted_names(object), 1)
  put(out, "\n")
  flush(out)
end

--- The same as one string, for what is small.
function M.encode(object, names)
  local pieces = {}
  M.write(object, names, function(piece) pieces[#pieces + 1] = piece end)
  return (table.concat(pieces):gsub("\n$", ""))
end

-- ---- capped output ----

--- What is left of a capped stream as text: where head and tail meet, the rests of characters that
-- were cut there are left out too, and counted.
---@param value string
---@param left_out integer  bytes that the cap left out
---@return string value, integer left_out
function M.capped(value, left_out)
  if left_out == 0 then return value, 0 end
  local middle = math.floor(#value / 2)
  local head, tail = value:sub(1, middle), value:sub(middle + 1)
  local head_rest, tail_rest = text.cut_tail(head), text.cut_head(tail)
  if head_rest + tail_rest == 0 then return value, left_out end
  return head:sub(1, #head - head_rest) .. tail:sub(tail_rest + 1), left_out + head_rest + tail_rest
end

-- ---- reading ----

local function whole(value, where)
  if math.abs(value) == math.huge then error("a number too large at " .. where, 0) end
  if value % 1 ~= 0 or math.abs(value) > EXACT then return value end
  return math.tointeger and math.tointeger(value) or value -- luacheck: ignore
end

-- Null in an object is a field that isn't there; in a list it would be a hole.
local function tidy(value, where)
  if type(value) == "number" then return whole(value, where) end
  if type(value) ~= "table" then return value end
  for key, item in pairs(value) do
    if item == M.null and type(key) == "number" then error("null in a list at " .. where, 0) end
    if item == M.null then value[key] = nil
    else value[key] = tidy(item, where .. "." .. tostring(key))
    end
  end
  return value
end

--- A JSON text as Lua data: null fields left out, whole numbers as integers.
---@return any|nil value, string|nil message
function M.decode(source)
  local ok, value = pcall(cjson.decode, source)
  if not ok then return nil, tostring(value) end
  if value == M.null then return nil, "the text is null" end
  ok, value = pcall(tidy, value, "$")
  if not ok then return nil, tostring(value) end
  return value
end

return M

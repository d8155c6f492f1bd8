-- The kinds of an option. Each takes (value, name, option) and gives the value to use; or nil and
-- what is wrong with it (`invalid_input`); or nil, nil and an error of its own. A wrong type
-- throws.

local errors = require "sbx.errors"
local fields = require "sbx.fields"
local lists = require "sbx.lists"
local sizes = require "sbx.sizes"

local M = {}

local MAX_MS = 2147483647

local function wrong_type(name, expected, value)
  errors.throw(string.format("option %q must be %s, not %s", name, expected, type(value)))
end

local function expect(value, kind, name, words)
  if type(value) ~= kind then wrong_type(name, words or ("a " .. kind), value) end
end

local function without_nul(value, name)
  if value:find("\0", 1, true) then return nil, name .. " contains a NUL byte" end
  return value
end

local function check_word(name, word, words)
  if lists.has(words, word) then return end
  errors.throw(errors.unknown("word for option \"" .. name .. "\":", word, words))
end

-- The number of entries of an array; throws where a hole would cut it short without a word.
local function length_of(list, name)
  local count = 0
  for key in pairs(list) do
    if type(key) == "number" then count = count + 1 end
  end
  if count ~= #list then
    errors.throw(string.format("option %q has a hole: an entry is nil", name))
  end
  return count
end

function M.copy_strings(list, count, name)
  local copy = {}
  for i = 1, count do
    local entry = list[i]
    local place = name .. "[" .. i .. "]"
    if type(entry) ~= "string" then wrong_type(place, "a string", entry) end
    if entry:find("\0", 1, true) then return nil, place .. " contains a NUL byte" end
    copy[i] = entry
  end
  return copy
end

local function whole(value, name, low, high)
  if value ~= value or value < low or value > high or math.floor(value) ~= value then
    return nil, string.format("%s must be a whole number from %d to %.0f, not %s",
                              name, low, high, tostring(value))
  end
  return math.floor(value)
end

function M.string(value, name)
  expect(value, "string", name)
  return without_nul(value, name)
end

function M.any_string(value, name)
  expect(value, "string", name)
  return value
end

function M.boolean(value, name)
  expect(value, "boolean", name)
  return value
end

function M.callback(value, name)
  expect(value, "function", name)
  return value
end

function M.audit(value, name)
  if type(value) == "function" then return value end
  expect(value, "string", name, "a file or a function")
  if value == "" then return nil, name .. " is empty: it names a file" end
  return without_nul(value, name)
end

function M.table(value, name)
  expect(value, "table", name)
  return value
end

function M.argv(value, name)
  expect(value, "table", name, "an array of strings")
  for key in pairs(value) do
    if type(key) ~= "number" then
      errors.throw(string.format("option %q is an array of strings, it has no %q",
                                 name, tostring(key)))
    end
  end
  return M.copy_strings(value, length_of(value, name), name)
end

function M.words(value, name, option)
  expect(value, "table", name, "an array of strings")
  local list, problem = M.argv(value, name)
  if not list then return nil, problem end
  for _, word in ipairs(list) do check_word(name, word, option.words) end
  return list
end

function M.word(value, name, option)
  expect(value, "string", name)
  check_word(name, value, option.words)
  return value
end

function M.number(value, name, option)
  if value == false and option.none then return false end
  expect(value, "number", name, option.none and "a number or false" or "a number")
  return whole(value, name, option.low or 1, option.high or MAX_MS)
end

function M.policy(value, name)
  if type(value) == "table" then return value end
  expect(value, "string", name, "a name, a file or a table")
  return without_nul(value, name)
end

function M.env(value, name)
  expect(value, "table", name, "a map of strings")
  local copy = {}
  for key, text in pairs(value) do
    if type(key) ~= "string" then wrong_type(name .. " (a name in it)", "a string", key) end
    local place = name .. "." .. key
    if text ~= false and type(text) ~= "string" then
      wrong_type(place, "a string, or false to remove it", text)
    end
    if key == "" or key:find("[=%z]") then
      return nil, string.format("%q is no name for an environment variable", key)
    end
    if text and text:find("\0", 1, true) then return nil, place .. " contains a NUL byte" end
    copy[key] = text
  end
  return copy
end

function M.env_policy(value, name)
  expect(value, "table", name)
  if type(value.set) == "table" then
    local set, problem = M.env(value.set, name .. ".set")
    if not set then return nil, problem end
  end
  local problem = fields.problem({ env_policy = value })
  if problem then errors.throw("option \"" .. name .. "\": " .. problem) end
  return value
end

function M.stdin(value, name)
  if type(value) == "number" then return whole(value, name, 0, MAX_MS) end
  if type(value) == "string" or value == true then return value end
  wrong_type(name, "a string, true, or a file descriptor's number", value)
end

function M.loop(value, name)
  if type(value) == "function" or value == "poll" then return value end
  if value == "luv" or value == "cqueues" then return nil, nil, errors.later("loop " .. value) end
  expect(value, "string", name, "a function or a loop's name")
  check_word(name, value, { "poll", "luv", "cqueues" })
end

-- What this version can't do; `false` asks for nothing and is what happens anyway.
function M.later(value, name)
  if value == false then return nil end
  return nil, nil, errors.later(string.format("option %q", name))
end

function M.limits(value, name)
  expect(value, "table", name)
  local copy = {}
  for limit, given in pairs(value) do
    if not lists.has(fields.LIMITS, limit) then
      errors.throw(errors.unknown("limit", limit, fields.LIMITS))
    end
    local place = name .. "." .. limit
    if not sizes.is_limit(given) then wrong_type(place, "a number, a size or false", given) end
    copy[limit] = given
    if given then
      local number, problem = sizes.limit(limit, given)
      if not number then return nil, name .. "." .. problem end
      copy[limit] = number
    end
  end
  return copy
end

return M

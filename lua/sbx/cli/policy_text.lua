-- A learnt policy as a file: readable Lua, with the reason beside each line.

local below = require("sbx.below")
local lists = require("sbx.lists")
local lua_text = require("sbx.cli.lua_text")
local paths = require("sbx.paths")
local refusals = require("sbx.cli.refusals")
local sensitive = require("sbx.sensitive")
local text = require("sbx.text")

local M = {}

-- Fields in the order in which one reads them; what else there is, behind.
local ORDER = {
  "doc", "extends", "mode", "writable_roots", "read_only", "readable", "network", "unix_sockets",
}

local function belongs(grant, field, value)
  if grant.field ~= field then return false end
  if field == "network" then
    if value == "full" or grant.value == value then return true end
    return type(grant.value) == "table" and grant.value.allow[1] == value
  end
  if field == "unix_sockets" then return grant.value == value end
  return paths.covers(value, grant.value)
end

-- What was granted around it.
local function kept_reason(found, value)
  local is_learnt = lists.has((found.fields or {}).read_only, value)
  local words = is_learnt and sensitive.path(value, found.ctx or {})
  return is_learnt and "lies in what was granted: " .. (words or "sensitive") or nil
end

-- "create, write by cargo (3 times)"
local function reason(found, field, value)
  if field == "read_only" then return kept_reason(found, value) end
  local words, seen, count = {}, {}, 0
  for _, lesson in ipairs(found.lessons) do
    if belongs(lesson.grant, field, value) then
      local entry = lesson.entry
      local by = (entry.program or "") ~= "" and " by " .. entry.program or ""
      local one = tostring(entry.operation) .. by
      count = count + 1
      if not seen[one] and #words < 3 then words[#words + 1] = one end
      seen[one] = true
    end
  end
  if #words == 0 then return nil end
  local what = field == "network" and value == "full" and M.addresses(found) or ""
  local many = count > 1 and string.format(" (%d refusals)", count) or ""
  return text.escape(table.concat(words, ", ") .. what .. many)
end

--- The addresses that were wanted.
function M.addresses(found)
  local list = {}
  for _, lesson in ipairs(found.lessons) do
    local address = lesson.grant.field == "network" and lesson.entry.address
    if address and not lists.has(list, address) and #list < 3 then list[#list + 1] = address end
  end
  return #list > 0 and ": " .. table.concat(list, ", ") or ""
end

local function put(lines, indent, code, comment)
  lines[#lines + 1] = (" "):rep(indent) .. code .. (comment and " -- " .. comment or "")
end

local GIVEN = "as it was given"

local function put_list(lines, indent, found, field, name, list)
  put(lines, indent, name .. " = {")
  for _, value in ipairs(list) do
    put(lines, indent + 2, lua_text.string(value) .. ",", reason(found, field, value) or GIVEN)
  end
  put(lines, indent, "},")
end

local LISTS = { writable_roots = true, read_only = true, readable = true, unix_sockets = true }

local function put_field(lines, found, field, value)
  local learnt = (found.fields or {})[field] ~= nil
  if LISTS[field] and type(value) == "table" and not value.replace then
    put_list(lines, 2, found, field, field, value)
  elseif field == "network" and type(value) == "table" and not value.allow.replace then
    put(lines, 2, "network = {")
    put_list(lines, 4, found, field, "allow", value.allow)
    put(lines, 2, "},")
  else
    local why = learnt and (reason(found, field, value) or "says nothing beside the full network")
    local given = field == "extends" and "what it started from" or GIVEN
    put(lines, 2, lua_text.key(field) .. " = " .. lua_text.value(value) .. ",", why or given)
  end
end

local function names_of(policy)
  local names = {}
  for _, name in ipairs(ORDER) do
    if policy[name] ~= nil then names[#names + 1] = name end
  end
  for _, name in ipairs(lists.names(policy)) do
    if not lists.has(ORDER, name) then names[#names + 1] = name end
  end
  return names
end

local function head(found, opts)
  local command = text.command(opts.command or { "/bin/sh", "-c", opts.script })
  local how = found.passed and "passes with it" or
    string.format("still ended with %d, and %s", found.out.exit_code,
                  found.nothing_new and "nothing more was learnt" or "that was the last run")
  return string.format("-- Learnt by `sbxlua learn` in %d run%s; the command %s:\n--   %s",
                       found.runs, found.runs == 1 and "" or "s", how, command)
end

local function may_be_given(grant)
  local also = grant.value == "full" and ", and so does a start from --network full" or ""
  return grant.sensitive .. "; --allow-sensitive grants it" .. also
end

local function left(lines, found)
  for _, lesson in ipairs(found.left) do
    local why = lesson.grant.never or may_be_given(lesson.grant)
    lines[#lines + 1] = "-- Refused and not granted: "
      .. text.escape(refusals.what(lesson.entry) .. ": " .. why)
  end
end

-- What is sensitive there may have been missed.
local function not_looked(lines, found)
  for _, root in ipairs(below.not_whole(found.looked, (found.fields or {}).writable_roots)) do
    lines[#lines + 1] = "-- Not all that lies below " .. text.escape(root)
      .. " was looked at: what is sensitive there can be written"
  end
end

--- The text of the file.
---@param found sbx.Learnt
---@param opts table  of the run
function M.write(found, opts)
  local lines = { head(found, opts) }
  left(lines, found)
  not_looked(lines, found)
  lines[#lines + 1] = "return {"
  for _, field in ipairs(names_of(found.policy)) do
    put_field(lines, found, field, found.policy[field])
  end
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n") .. "\n"
end

return M

-- Where an entry of a policy was written: "option" for a table of the caller's, file and line for a
-- file. Lua keeps no lines of table fields, so the line is looked up in the text.

local M = {}

M.OPTION, M.DEFAULT = "option", "default"

--- The source of every field of a table that the caller gave.
function M.option()
  return M.OPTION
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines
end

local function field_line(lines, field)
  local pattern = "%f[%w_]" .. field .. "%f[^%w_]%s*=[^=]"
  for number, line in ipairs(lines) do
    if (line:gsub("%-%-.*$", "") .. " "):find(pattern) then return number end
  end
end

local function entry_line(lines, first, entry)
  for number = first, #lines do
    local line = lines[number]
    if line:find("\"" .. entry .. "\"", 1, true) or line:find("'" .. entry .. "'", 1, true) then
      return number
    end
  end
end

--- A function of (field, entry) that names the place in a file.
---@param display string  how the file is named
---@param text string     what stands in it
function M.file(display, text)
  local lines
  return function(field, entry)
    lines = lines or lines_of(text)
    local number = field_line(lines, field)
    if number and type(entry) == "string" then
      number = entry_line(lines, number, entry) or number
    end
    return number and display .. ":" .. number or display
  end
end

--- Whether an entry is a default that sbxlua ships, not one that somebody wrote.
function M.is_shipped(source)
  return source == nil or source == M.DEFAULT or source:find("^policies/") ~= nil
end

return M

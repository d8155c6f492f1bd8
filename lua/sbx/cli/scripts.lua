-- The editable scripts as files: where they lie, and whether a whole copy is still the installed
-- one.

local core = require("sbx.core")
local policyfiles = require("sbx.policyfiles")

local M = {}

M.NAMES = require("sbx.scripts").NAMES

local function file(directory, name)
  return { name = name, path = directory .. "/" .. name .. ".lua" }
end

--- The text of the installed script.
function M.installed(name)
  local path = package.searchpath("sbx." .. name, package.path)
  if not path then return nil, "the installed " .. name .. ".lua is missing" end
  return core.fs_read(path, 1048576)
end

-- Adler-32: enough to tell an edition from the next.
local function checksum(text)
  local a, b = 1, 0
  for i = 1, #text do
    a = (a + text:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return string.format("%04x%04x", b, a)
end

local MARK = "-- A whole copy of sbxlua's %s.lua, made by `sbxlua init --full`; edition %s.\n"

--- A whole copy, marked with the edition that it was made from.
function M.full_copy(name)
  local text, err = M.installed(name)
  if not text then return nil, err end
  return MARK:format(name, checksum(text)) .. text
end

-- A script that takes the next one (`...`) gets what the installed one has learned since.
local function state_of(name, text)
  local edition = text:match("^%-%- A whole copy of sbxlua's [%w.]+, made by [^\n]-; edition (%x+)")
  local installed = M.installed(name)
  if edition and installed then
    return edition == checksum(installed) and "copy" or "outdated"
  end
  return text:find("...", 1, true) and "edit" or "replacement"
end

--- Scripts that stand before the installed ones: {name, path, state}; "outdated": a whole copy of
--- an edition that is no longer the installed one; "replacement": doesn't build on the next one.
function M.found(environ)
  local found = {}
  for _, directory in ipairs({
    policyfiles.user_directory(environ) or false, policyfiles.SYSTEM_DIRECTORY,
  }) do
    for _, name in ipairs(directory and M.NAMES or {}) do
      local script = file(directory, name)
      local text = core.fs_read(script.path, 1048576)
      if text then
        script.state = state_of(name, text)
        found[#found + 1] = script
      end
    end
  end
  return found
end

return M

-- What sbxlua itself has to say: on stderr, each line starting "sbxlua: ", nothing in it that a
-- terminal would obey. The lines are for reading; a command can print such lines too.

local program = require("sbxlua.program")
local text = require("sbx.text")

local M = {}

local COLOURS = { error = "\27[31m", warn = "\27[33m", note = "\27[2m" }
local PLAIN = "\27[0m"

local function coloured()
  local no_color = os.getenv("NO_COLOR")
  if no_color and no_color ~= "" or os.getenv("TERM") == "dumb" then return false end
  return program.isatty(2)
end

-- The colour comes after the prefix, so that a line starts alike everywhere.
local function say(kind, line)
  line = text.escape(line)
  if coloured() then line = COLOURS[kind] .. line .. PLAIN end
  program.write(2, "sbxlua: " .. line .. "\n")
end

--- An error of sbxlua itself: said even with -q.
function M.error(line) say("error", line) end

---@class sbx.cli.Reporter
---@field note fun(line: string)
---@field warn fun(line: string)

--- For everything else: says nothing when silent.
---@return sbx.cli.Reporter
function M.reporter(silent)
  if silent then
    local function nothing() end
    return { note = nothing, warn = nothing }
  end
  return {
    note = function(line) say("note", line) end,
    warn = function(line) say("warn", line) end,
  }
end

return M

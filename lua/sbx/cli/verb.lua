-- What the small verbs share: options in, text or one JSON object out.

local message = require("sbx.cli.message")
local options = require("sbx.cli.options")
local program = require("sbxlua.program")

local M = {}

local OWN_FAILURE = 125

M.FAILURE = OWN_FAILURE
M.JSON = { name = "json", help = "One JSON object on stdout." }

--- To stdout; ends the program where that can't be written.
function M.write(text)
  local ok, why = program.write(1, text)
  if ok then return end
  message.error("can't write the output: " .. why)
  os.exit(OWN_FAILURE)
end

--- An error of sbxlua itself: as a line, or as the object that was asked for.
---@param err string|sbx.Error  text: of what was typed
function M.fail(err, json)
  local kind, text = "invalid_input", err
  if type(err) == "table" then
    local plain = json or err.kind == "invalid_input" -- names what it is about
    kind, text = err.kind, plain and err.message or tostring(err)
  end
  if json then
    local object = { v = 1, error = { kind = kind, message = text } }
    M.write(require("sbx.json").encode(object) .. "\n")
  else
    message.error(text)
  end
  return OWN_FAILURE
end

function M.json(object)
  object.v = 1
  require("sbx.json").write(object, nil, M.write)
end

--- Reads the words of a verb, and runs it.
---@param verb {usage: string, description: string, options: sbx.cli.Option[]}  takes_words: more
---  than options
---@param act fun(values: table, rest: string[]): integer
function M.main(verb, words, act)
  local values, rest = options.read(verb, words)
  if not values then return M.fail(rest, options.asked(words, "--json")) end
  if values.help then
    M.write(options.help(verb))
    return 0
  end
  if rest[1] and not verb.takes_words then
    return M.fail(string.format("unexpected word %q", rest[1]), values.json)
  end
  return act(values, rest)
end

--- Rows of words as columns, the last one free.
function M.columns(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i = 1, #row - 1 do widths[i] = math.max(widths[i] or 0, #row[i]) end
  end
  for n, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      cells[i] = i < #row and cell .. (" "):rep(widths[i] - #cell) or cell
    end
    lines[n] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return table.concat(lines, "\n") .. "\n"
end

return M

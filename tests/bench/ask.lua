-- A program that does one thing for each line it is given and answers with a line: kept running, so
-- that what is measured is the thing, not its start.
local M = {}

---@param line string       the program's command line
---@param directory string  for a FIFO
---@return fun(): string ask, fun() close
function M.start(line, directory)
  local fifo = os.tmpname():gsub(".*/", directory .. "/")
  assert(os.execute("mkfifo " .. fifo))
  local to = assert(io.popen(("%s >%s"):format(line, fifo), "w"))
  local from = assert(io.open(fifo))
  local function ask()
    to:write("\n")
    to:flush()
    return assert(from:read("l"))
  end
  return ask, function()
    to:close()
    from:close()
    os.remove(fifo)
  end
end

---The same of a Python program.
---@param text string   the program
---@param words string  its arguments
function M.python(text, words, directory)
  local path = directory .. "/ask.py"
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return M.start(("python3 %s %s"):format(path, words), directory)
end

return M

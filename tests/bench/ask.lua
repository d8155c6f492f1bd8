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

return M

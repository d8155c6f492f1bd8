-- Random cases for the specs of this directory. Each case has a seed of its own; SBX_SEED begins
-- with a given one, SBX_SECONDS says how long a spec goes on (1).
local M = {}

local seconds = tonumber(os.getenv("SBX_SECONDS") or "") or 1
local given = tonumber(os.getenv("SBX_SEED") or "")

-- What is running, for a process that ends without a word; empty in between.
local function note(...)
  local path = os.getenv("SBX_SEED_FILE")
  if not path then return end
  local file = assert(io.open(path, "w"))
  file:write(...)
  file:close()
end

--- Runs cases until the time is over, at least one.
---@param name string
---@param body fun(case: integer)
function M.cases(name, body)
  local first = given or os.time() % 100000 * 1000
  local stop, case = os.time() + seconds, 0
  io.write(("%s: from SBX_SEED=%d for %g s"):format(name, first, seconds))
  io.flush()
  repeat
    local seed = first + case
    case = case + 1
    note(name, " SBX_SEED=", seed)
    math.randomseed(seed)
    local ok, problem = xpcall(body, function(value)
      if type(value) ~= "string" then return value end
      return debug.traceback(value, 2)
    end, case)
    if not ok then
      note("")
      io.write("\n")
      local text = type(problem) == "table" and tostring(problem.message or problem) or problem
      error(("%s\n(SBX_SEED=%d repeats it as the first case)"):format(tostring(text), seed), 0)
    end
  until os.time() >= stop
  note("")
  io.write((", %d cases\n"):format(case))
end

M.int = math.random

--- True once in `n`.
function M.once_in(n) return math.random(n) == 1 end

function M.pick(list) return list[math.random(#list)] end

--- A string of up to `most` of these characters (any byte).
function M.text(most, characters)
  local out = {}
  for i = 1, math.random(0, most) do
    local at = characters and math.random(#characters)
    out[i] = at and characters:sub(at, at) or string.char(math.random(0, 255))
  end
  return table.concat(out)
end

--- The text in pieces of random lengths, some of them empty.
function M.chunks(text)
  local out, at = {}, 1
  while at <= #text do
    local size = M.once_in(4) and math.random(0, 2) or math.random(0, 40)
    out[#out + 1] = text:sub(at, at + size - 1)
    at = at + size
  end
  return out
end

--- Some bytes changed, left out, doubled or put in.
function M.mutate(text, dictionary)
  for _ = 1, math.random(1, 4) do
    local at = math.random(1, #text + 1)
    local stop = at + math.random(0, 6)
    local put = M.pick({ "", M.text(3), M.pick(dictionary), text:sub(at, stop):rep(2) })
    text = text:sub(1, at - 1) .. put .. text:sub(M.once_in(2) and at or stop)
  end
  return text
end

local INTERNAL = { "attempt to ", "bad argument #", "stack overflow", "invalid option",
                   "invalid order", "not enough memory", "string slice too long" }

--- What is wrong with a message as something to say to a caller, or nil.
function M.is_internal(message)
  for _, words in ipairs(INTERNAL) do
    if tostring(message):find(words, 1, true) then return true end
  end
  return false
end

return M

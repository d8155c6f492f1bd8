-- One host of the part "kill": lua5.4 kill_host.lua TREE PROCESSES ROUNDS. Prints how the result
-- names the way, and for each round the milliseconds from the time-out to the moment when no
-- process of the tree is left, and how many were when the call returned.
local floor = require "floor"
local sbx = require "sbx"

local TIMEOUT_MS, LONGEST = 1500, 20
local tree, processes, rounds = arg[1], arg[2], tonumber(arg[3])

-- A word in the arguments of all of them, and of nothing else.
local own_pid = io.open("/proc/self/stat"):read("n")

local function count(word)
  local found = 0
  for _, pid in ipairs(floor.list("/proc")) do
    local file = pid:match("^%d+$") and io.open("/proc/" .. pid .. "/cmdline")
    local text = file and file:read("a") or ""
    if file then file:close() end
    if text:find(word, 1, true) then found = found + 1 end
  end
  return found
end

local function round(number)
  local word = ("tree-%d-%d"):format(own_pid, number)
  local began = floor.now()
  local job = assert(sbx.spawn({ tree, processes, word, policy = "read-only",
                                 timeout_ms = TIMEOUT_MS }))
  assert(select(2, job:lines()()) == "up")
  local up = count(word)
  local _, err, out = job:wait()
  local now = floor.now()
  local left = count(word)
  while left > 0 and count(word) > 0 and floor.now() - now < LONGEST do now = floor.now() end
  assert(err and err.kind == "timeout", tostring(err))
  -- counted from before the plan was made: rather too much than too little
  print(("%.1f %d %d"):format((now - began) * 1e3 - out.setup_ms - TIMEOUT_MS, up, left))
  return out
end

local out
for number = 1, rounds do out = round(number) end
print(out.sandbox.enforced.kill_tree or "subreaper (missing)")

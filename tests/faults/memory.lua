-- In the host of memory.c: the same command again and again, each time with one more allocation
-- before the one that fails, until none does.
--   memory memory.lua PATH CPATH WHAT TIER KIND DIRECTORY STRIDE
--   WHAT  c, lua, or spawner, supervisor, keeper (in the helper program beside the file `plan`)
--   STRIDE  how far apart the numbers are after the first fifty
package.path, package.cpath = arg[1], arg[2]
local what, tier, kind, base, stride = arg[3], arg[4], arg[5], arg[6], tonumber(arg[7])
local probe, helper = os.getenv("FAULTS_PROBE"), os.getenv("FAULTS_HELPER")
local memory = memory -- luacheck: ignore

local host = require "sbxmark"
local core = require "sbx.core"
local sbx = require "sbx"

local work = base .. "/work"
local in_helper = what ~= "c" and what ~= "lua"

local opts = {
  command = { probe, "ran", base .. "/outside", "9", "/nowhere", "" }, cwd = work, tier = tier,
  timeout_ms = 8000, setup_timeout_ms = 3000, policy = "danger-full-access",
  env = { HOME = base, TMPDIR = base },
}
if tier ~= "none" then
  opts.policy = { extends = "workspace-write", exclude_slash_tmp = true,
                  exclude_tmpdir_env_var = true, writable_roots = { base .. "/second" } }
else
  opts.tier = nil
end

---------------------------------------------------------------------------------------------------
-- Where it fails

local plan = helper:match("^(.*/)") .. "plan"

-- For the helper's processes: which allocation of which role.
local function tell_helper(n)
  local file = assert(io.open(plan, "r+b"))
  file:write(string.pack("<c16i4i4", what, n, 0))
  file:close()
end

local function has_failed_in_helper()
  local file = assert(io.open(plan, "rb"))
  local _, _, failed = string.unpack("<c16i4i4", file:read("a"))
  file:close()
  return failed ~= 0
end

---------------------------------------------------------------------------------------------------
-- Runs

-- The run whose n-th allocation fails, 0 for none: the outcome, and whether one did.
local function attempt(n)
  local failed, called, r, err, out = memory.attempt(what, in_helper and 0 or n, sbx.run, opts)
  if not called then
    -- what was started and not yet handed on ends when it is collected
    collectgarbage()
    collectgarbage()
  end
  local ran = host.remove(work .. "/ran")
  if not called then
    return { ran = ran, kind = "thrown", text = tostring(r), output = "" }, failed
  end
  r = r or out
  return { ran = ran, kind = err and err.kind or "ok", step = err and err.step or "",
           text = err and tostring(err) or "", output = r and r.stdout or "",
           left_out = r and r.truncated.stdout or 0, exit_code = r and r.exit_code }, failed
end

local function run() return (attempt(0)) end

-- Another name of the same program: the engine is let go of, with all that it holds.
local names, turn = { helper, (helper:gsub("/([^/]*)$", "/./%1")) }, 0
local function let_go()
  turn = turn % 2 + 1
  core.use_helper(names[turn])
end

local function cold()
  let_go()
  sbx.reload()
  collectgarbage()
  collectgarbage()
end

local function descriptors()
  local list = {}
  for fd = 0, 200 do
    local target = host.link("/proc/self/fd/" .. fd)
    if target ~= "" then list[#list + 1] = (target:gsub(":%[%d+%]", "")) end
  end
  table.sort(list)
  return table.concat(list, " ")
end

-- What is held between two runs.
local function held()
  cold()
  for _ = 1, 100 do
    if host.children() == 0 then break end
    host.pause(2)
  end
  return { blocks = (memory.held()), descriptors = descriptors(), children = host.children() }
end

local function prepare()
  cold()
  if kind == "warm" then
    for _ = 1, 6 do run() host.pause(15) end
  end
end

---------------------------------------------------------------------------------------------------
-- Judging

local function is_whole(outcome, wanted)
  return outcome.ran and outcome.kind == "ok" and outcome.output == wanted.output
    and outcome.exit_code == 0
end

local TYPED = { sandbox = true, spawn = true, policy = true, invalid_input = true }

local function difference(text, wanted)
  local have, list = {}, {}
  for word in wanted:gmatch("%S+") do have[word] = true end
  for word in text:gmatch("%S+") do
    if not have[word] then list[#list + 1] = word end
  end
  return table.concat(list, " ")
end

-- Output that there is no memory for is left out, and counted.
local function tells_what_it_left_out(outcome, wanted)
  return outcome.ran and outcome.exit_code == 0 and outcome.left_out > 0
    and #outcome.output + outcome.left_out == #wanted.output
end

local function wrong_of(outcome, wanted)
  if outcome.kind == "thrown" then
    return not outcome.text:find("not enough memory", 1, true) and "thrown: " .. outcome.text
  end
  if outcome.kind == "ok" then
    local well = is_whole(outcome, wanted) or tells_what_it_left_out(outcome, wanted)
    return not well and "another sandbox, or output lost: "
      .. difference(outcome.output, wanted.output)
  end
  if not TYPED[outcome.kind] then return "kind " .. outcome.kind .. ": " .. outcome.text end
  if outcome.ran and outcome.step ~= "supervisor" then return "ran: " .. outcome.text end
end

local function leak_of(before, after)
  if after.blocks > before.blocks then return ("%d blocks"):format(after.blocks - before.blocks) end
  if after.children ~= 0 then return after.children .. " children" end
  if after.descriptors ~= before.descriptors then
    return after.descriptors .. ", not " .. before.descriptors
  end
end

local function say(...) print(table.concat({ ... }, "\t")) end

-- What the first runs keep for all that come (locale, loaded modules, strings) is no leak: twice.
if in_helper then tell_helper(0) end
prepare()
local wanted = run()
assert(is_whole(wanted, wanted), wanted.text)
for _ = 1, 3 do
  prepare()
  run()
end
local before = held()

local tried, outcomes, n, quiet = 0, {}, 0, 0
while true do
  n = n + (n < 50 and 1 or stride)
  prepare()
  if in_helper then tell_helper(n) end
  local outcome, failed = attempt(n)
  if in_helper then
    failed = has_failed_in_helper()
    tell_helper(0)
  end
  if not failed then
    -- a loop that waits longer may allocate more: a few more tries
    quiet = quiet + 1
    if quiet > 3 then break end
  else
    quiet, tried = 0, tried + 1
    local step = outcome.step or ""
    local word = outcome.kind .. (step ~= "" and "/" .. step or "")
    outcomes[word] = (outcomes[word] or 0) + 1
    local wrong = wrong_of(outcome, wanted)
    if wrong then say("wrong", what, tier, kind, n, wrong) end
  end
  local again = run()
  if not is_whole(again, wanted) then
    say("wrong", what, tier, kind, n, ("the next: %s %s %s; it %s and says otherwise: %s"):format(
      again.kind, again.text, tostring(again.exit_code), again.ran and "ran" or "did not run",
      difference(again.output, wanted.output)))
  end
  local leak = leak_of(before, held())
  if leak then
    say("leak", what, tier, kind, n, leak)
    before = held()
  end
end
for word, count in pairs(outcomes) do say("outcome", word, count) end
say("tried", tried, "until", n)

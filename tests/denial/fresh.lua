-- Runs a set whose lines have an empty workspace each and a setup of their own (independent.lua):
-- rows as score.lua makes them. As an ordinary user alone: outside the sandbox the lines write
-- where they like.
local denial = require "sbx.denial"
local sbx = require "sbx"
local score = require "tests.denial.score"
local support = require "tests.support"

local M = {}

local source = (os.getenv("SBX_SOURCE") or ".") .. "/tests/denial"

local Place = {}
Place.__index = Place

local function new_place()
  local directory = support.directory()
  local place = setmetatable({ directory = directory, run_in = directory .. "/r" }, Place)
  local server = source .. "/independent_server.py"
  place.server = io.popen(("exec python3 %s %s"):format(server, directory), "w")
  local port = support.wait_until(function() return support.read(directory .. "/port") end, 10)
  local here = place.run_in
  place.workspace = here .. "/ws"
  place.env = {
    HOME = here .. "/home", OUT = here .. "/out", PORT = port, CLOSED = "1",
    USOCK = directory .. "/s.sock", LANG = "C.UTF-8",
    PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
  }
  return place
end

function Place:close()
  self.server:close()
  support.remove(self.directory)
end

local GIT = "[user]\n\tname = Dev\n\temail = d@e.f\n[init]\n\tdefaultBranch = main\n"

function Place:renew(case)
  support.shell("chmod -R u+rwX %s 2>/dev/null; rm -rf %s && mkdir -p %s %s %s", self.run_in,
                self.run_in, self.workspace, self.env.HOME, self.env.OUT)
  support.write(self.env.HOME .. "/.gitconfig", GIT)
  if case.setup == "" then return end
  assert(sbx.run({ command = { "bash", "-c", case.setup }, cwd = self.workspace, env = self.env,
                   policy = "danger-full-access" }))
end

function Place:run(case, tier)
  self:renew(case)
  local r, err, out = sbx.run({
    command = { "bash", "-c", case.line }, cwd = self.workspace, env = self.env, tier = tier,
    policy = tier and (case.policy or "workspace-write") or "danger-full-access",
    watch = tier ~= nil, timeout_ms = 30000,
  })
  return r or out or error(("%s: %s"):format(case.line, err), 0)
end

local function fits(cause, want)
  local subject = cause and (cause.path or cause.address or cause.family) or ""
  for pattern in want:gmatch("[^|]+") do
    if subject:find(pattern) then return true end
  end
  return want == ""
end

local function look(place, case, tier, free)
  local out = place:run(case, tier)
  local unwatched = "none"
  if out.exit_code ~= 0 then unwatched = denial.judge(out.sandbox.type, out, nil, false) end
  local row = {
    case = { line = case.line, policy = "fresh" }, denied = out.exit_code ~= 0 and free == 0,
    codes = { free, out.exit_code }, watched = out.denial.verdict, unwatched = unwatched,
    heuristic = denial.is_likely_sandbox_denied(out.sandbox.type, out),
    is_watched = out.denial.watched, cause = score.cause_of(out), out = out,
  }
  if row.denied and row.watched == "confirmed" and case.want then
    row.named = fits(row.cause, case.want)
  end
  return row
end

-- The truth's other half is the same for both tiers.
local free_codes = {}

--- @return tests.Row[]
function M.rows(cases, tier)
  local place, rows = new_place(), {}
  local ok, problem = pcall(function()
    for i, case in ipairs(cases) do
      free_codes[case] = free_codes[case] or place:run(case).exit_code
      rows[i] = look(place, case, tier, free_codes[case])
    end
  end)
  place:close()
  if not ok then error(problem, 0) end
  return rows
end

return M

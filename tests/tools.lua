-- What the specs of real tools share: a workspace for each tier, tools looked for by name, and runs
-- in workspace-write as somebody would make them.
local busted = require "busted"
local sbx = require "sbx"
local support = require "tests.support"

local M = {}

-- A suite that is run for one tier (tests/run.sh) tries the tools in that one.
local chosen = os.getenv("SBX_TIER") or ""
local TIERS = chosen ~= "" and { chosen } or { "landlock", "contained" }
local probed = sbx.probe()
local missing_tiers = probed.missing_tiers or {}
local is_here = {}
for _, tier in ipairs(probed.tiers) do is_here[tier] = true end

function M.is_installed(program)
  return support.output("command -v " .. program) ~= ""
end

--- Why the machine lacks the tier, or nil.
function M.lacks_tier(tier)
  if is_here[tier] then return nil end
  return ("no tier %s here: %s"):format(tier, missing_tiers[tier])
end

-- Why a test can't be run: the machine lacks the tier or a program, or the tier can't do it.
local function obstacle(tier, needs)
  if M.lacks_tier(tier) then return M.lacks_tier(tier) end
  if tier == "landlock" and needs.contained then
    return "the landlock tier can't: " .. needs.contained
  end
  for _, name in ipairs(needs) do
    if not M.is_installed(name) then return name .. " is not installed" end
  end
end

---------------------------------------------------------------------------------------------------
-- Workspaces

local Place = {}
Place.__index = Place

--- A workspace with a home in it, below a directory that no policy lets a command write.
function M.place(tier)
  local directory = support.directory()
  local work = directory .. "/work"
  support.shell("mkdir -p %s", work .. "/home")
  return setmetatable({
    tier = tier, directory = directory, work = work, home = work .. "/home",
  }, Place)
end

--- Runs `command`, words or a line for sh -e, in the workspace: what sbx.run gives.
function Place:run(command, opts)
  local all = {
    command = type(command) == "table" and command or { "sh", "-ec", command },
    cwd = self.work, policy = "workspace-write", tier = self.tier, timeout_ms = 60000,
  }
  for name, value in pairs(opts or {}) do all[name] = value end
  all.env = { HOME = self.home, GIT_CONFIG_NOSYSTEM = "1", LC_ALL = "C.UTF-8" }
  for name, value in pairs((opts or {}).env or {}) do all.env[name] = value end
  return sbx.run(all)
end

--- The standard output of a command that must succeed, in this tier and no other.
function Place:output(command, opts)
  local r, err, out = self:run(command, opts)
  if not r then
    error(("%s\n%s"):format(tostring(err), out and out.aggregated_output or ""), 2)
  end
  if r.exit_code ~= 0 then
    error(("exit code %d\n%s"):format(r.exit_code, r.aggregated_output), 2)
  end
  assert(r.sandbox.tier == self.tier, r.sandbox.tier)
  return r.stdout, r
end

--- The same line on the host, without a sandbox: prepares, and shows what works there.
function Place:host(line, directory)
  support.shell("cd %s; export HOME=%s GIT_CONFIG_NOSYSTEM=1 LC_ALL=C.UTF-8; set -e; "
                .. line:gsub("%%", "%%%%"), directory or self.work, self.home)
end

--- What a line on the host prints.
function Place:host_output(line, directory)
  return support.output(("cd %s && export HOME=%s GIT_CONFIG_NOSYSTEM=1; %s")
    :format(support.quote(directory or self.work), support.quote(self.home), line))
end

function Place:write(name, text) support.write(self.work .. "/" .. name, text) end
function Place:read(name) return support.read(self.work .. "/" .. name) end
function Place:exists(name) return support.exists(self.work .. "/" .. name) end

-- Placeholders of protected names that weren't there before the run.
local function leftovers(place, before)
  local now = place:protected_names()
  return now ~= before and now or nil
end

--- The protected names at the top of the workspace, as the host sees them.
function Place:protected_names()
  return support.output(("cd %s && ls -d .git .codex .agents HEAD 2>/dev/null")
    :format(support.quote(self.work)))
end

--- What the run has left of its placeholders a second later, or nil.
function Place:left(before)
  support.wait_until(function() return not leftovers(self, before) end, 1)
  return leftovers(self, before)
end

function Place:close() support.remove(self.directory) end

--- Skips the running test. Each spec sets it to its own `pending`, which busted gives to the files
--- of tests alone.
---@type fun(why: string)
M.skip = nil

-- it(), in a workspace of its own; skipped by name where something that it needs is missing.
local function define(tier, state, name, needs, body)
  busted.it(name, function()
    local why = obstacle(tier, needs)
    if why then M.skip(why) end
    state.place = M.place(tier)
    body(state.place)
  end)
end

--- describe() once for each tier. `body(test, tier)` defines tests by test(name, needs, function):
--- `needs` lists programs, and says in `contained` what keeps the landlock tier from it; the
--- function gets a workspace.
function M.each_tier(name, body)
  for _, tier in ipairs(TIERS) do
    busted.describe(("%s in tier %s"):format(name, tier), function()
      local state = {}
      busted.after_each(function()
        if state.place then state.place:close() end
        state.place = nil
      end)
      body(function(...) define(tier, state, ...) end, tier)
    end)
  end
end

return M

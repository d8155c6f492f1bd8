-- What the soak runs: kinds of commands, each with the outcome that it must have.
local support = require "tests.support"

local M = {}

local TIERS = { "contained", "landlock" }
local CAP = 65536

---@class SoakPlace
---@field work string     the commands' workspace
---@field outside string  where none of them may write
---@field top string

---@return SoakPlace
function M.place()
  local top = support.directory()
  support.shell("mkdir %s/work %s/outside", top, top)
  return { top = top, work = top .. "/work", outside = top .. "/outside" }
end

function M.remove(place) support.remove(place.top) end

-- Without /tmp: the workspace lies there.
local POLICY = {
  extends = "workspace-write", exclude_slash_tmp = true, exclude_tmpdir_env_var = true,
}

local function sandboxed(place, n, more)
  local opts = {
    cwd = place.work, policy = POLICY, tier = TIERS[n % 2 + 1], timeout_ms = 60000,
    max_output_bytes = CAP,
  }
  for name, value in pairs(more) do opts[name] = value end
  return opts
end

local function shell(line, more)
  return function(place, n)
    local opts = { command = { "sh", "-c", (line:gsub("OUTSIDE", place.outside)) } }
    for name, value in pairs(more or {}) do opts[name] = value end
    return sandboxed(place, n, opts)
  end
end

local function kind_of(err) return err and err.kind or "success" end

local function expects(kind, more)
  return function(r, err, out)
    local result = r or out
    if kind_of(err) ~= kind then return kind .. " was expected: " .. tostring(err) end
    return more and more(result)
  end
end

local function is_size(size)
  return function(r)
    if #r.stdout ~= size then return ("%d bytes instead of %d"):format(#r.stdout, size) end
  end
end

M.kinds = {
  { name = "true", options = shell "true", check = expects "success" },
  { name = "output", options = shell "head -c 50000 /dev/zero | tr '\\0' x",
    check = expects("success", is_size(50000)) },
  { name = "flood", options = shell("yes", { timeout_ms = 80 }), check = expects "timeout" },
  { name = "endless line", options = shell("cat /dev/zero", { timeout_ms = 60 }),
    check = expects "timeout" },
  { name = "time-out", options = shell("sleep 60 & sleep 60", { timeout_ms = 40 }),
    check = expects "timeout" },
  { name = "stubborn", options = shell("trap '' TERM; (trap '' TERM; sleep 60) & sleep 60",
    { timeout_ms = 30, kill_grace_ms = 20 }), check = expects "timeout" },
  { name = "killed", options = shell "sleep 60", kills = true, check = expects "cancelled" },
  { name = "denied", options = shell "echo x >OUTSIDE/$$", check = expects "denied" },
  { name = "daemon", options = shell "setsid sleep 60 & exit 0", check = expects "success" },
  { name = "status", options = shell "exit 3", check = expects("success", function(r)
    if r.exit_code ~= 3 then return "exit code " .. tostring(r.exit_code) end
  end) },
  { name = "signal", options = shell "kill -SEGV $$", check = expects "signal" },
  { name = "forks", options = shell "for i in 1 2 3 4 5 6 7 8; do true & done; wait",
    check = expects "success" },
  { name = "stdin", options = shell("cat", { stdin = ("x"):rep(40000) }),
    check = expects("success", is_size(40000)) },
  { name = "names", check = expects "success",
    options = shell("mkdir .git 2>/dev/null && exit 1; rm -rf d; mkdir -p d; exit 0",
                    { tier = "contained" }) },
  { name = "output limit", options = shell("yes", { limits = { output_bytes = 100000 } }),
    check = expects "limit" },
  { name = "memory limit", check = expects "limit",
    options = shell("exec tail -f /dev/zero", { limits = { memory_bytes = "40M" } }) },
  { name = "process limit", options = shell("for i in 1 2 3; do true & done; wait",
    { limits = { processes = 20 } }), check = expects "success" },
  { name = "missing", refused = "spawn",
    options = function(place, n) return sandboxed(place, n, { command = { "./nothing" } }) end },
  { name = "abandoned", abandoned = true, options = shell "sleep 60" },
  { name = "no sandbox", check = expects "success",
    options = function(place)
      return { command = { "true" }, policy = "danger-full-access", cwd = place.work }
    end },
}

return M

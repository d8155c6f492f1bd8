-- sbxlua doctor: what this machine can enforce, what is missing, and how to get it.

local core = require("sbx.core")
local remedies = require("sbx.cli.remedies")
local scripts = require("sbx.cli.scripts")
local text = require("sbx.text")
local verb = require("sbx.cli.verb")

local M = {
  usage = "Usage: sbxlua doctor [--json]",
  description = "What this machine can enforce, what is missing and how to get it.",
  options = { verb.JSON },
}

-- In the order in which they matter; what each is for.
local PROPERTIES = {
  { "landlock_abi", "writes, network ports" },
  { "seccomp", "system calls, network families" },
  { "userns", "namespaces without root" },
  { "pidns", "no process survives" },
  { "mountns", "read-only mounts" },
  { "mounts", "protected names, hidden files" },
  { "netns", "a network of its own" },
  { "cgroup", "ending a tree" },
  { "pids_cgroup", "a limit of processes" },
  { "memory_cgroup", "a limit of memory" },
  { "pidfd", "processes without races" },
  { "user_notify", "seeing refusals" },
}

-- From here on Landlock covers what an older one leaves open.
local LANDLOCK_STEPS = {
  { 2, "renames between directories" }, { 3, "truncation" }, { 4, "TCP ports" },
  { 5, "device ioctls" }, { 6, "signals and abstract sockets" },
}

local function landlock_words(abi)
  if abi == 0 then return "none" end
  local lacks = {}
  for _, step in ipairs(LANDLOCK_STEPS) do
    if abi < step[1] then lacks[#lacks + 1] = step[2] end
  end
  local words = "ABI " .. abi
  if #lacks == 0 then return words end
  return words .. " (a newer kernel also covers " .. table.concat(lacks, ", ") .. ")"
end

-- A property of the probe is true or the reason why it is missing; of Landlock it is the ABI.
local function check(entry, probe)
  local name, value, reason = entry[1], probe[entry[1]], probe[entry[1]]
  local found = { name = name, purpose = entry[2], ok = value == true }
  if name == "landlock_abi" then
    found.value, found.ok, reason = value, value > 0, probe.landlock_reason
  end
  if not found.ok then
    found.reason = reason
    found.remedy = remedies.of(name, reason, probe)
  end
  return found
end

-- A bare repository in a writable root makes the host's next git run its config's commands.
local function git_is_explicit(environ)
  local files = { "/etc/gitconfig" }
  if environ.HOME then
    files[#files + 1] = environ.HOME .. "/.gitconfig"
    files[#files + 1] = (environ.XDG_CONFIG_HOME or environ.HOME .. "/.config") .. "/git/config"
  end
  for _, path in ipairs(files) do
    local config = core.fs_read(path)
    if config and config:lower():find("barerepository%s*=%s*\"?explicit") then return true end
  end
  return false
end

local function advice_of(environ)
  if git_is_explicit(environ) then return {} end
  return {
    "git config --global safe.bareRepository explicit (so that git runs nothing from a bare"
      .. " repository that a command leaves behind)",
  }
end

-- What the strongest tier holds for the policy that one works under. In a directory of its own:
-- what is said of the one that doctor is called in ("/", a link) says nothing of the machine.
local function trial()
  local exec, err = require("sbx").transform({
    "/bin/true", policy = "workspace-write", cwd = core.fs_stat("/tmp") and "/tmp" or nil,
  })
  if exec then return exec.sandbox end
  return nil, tostring(err)
end

local function examine()
  local probe, environ = require("sbx").probe(), core.environ()
  local found = {
    kernel = probe.kernel, tiers = probe.tiers, missing_tiers = probe.missing_tiers, checks = {},
  }
  for _, entry in ipairs(PROPERTIES) do
    local asked = probe[entry[1]] ~= nil or entry[1] ~= "mounts"
    if asked then found.checks[#found.checks + 1] = check(entry, probe) end
  end
  local helper, err = core.helper_path()
  found.helper = helper
  found.helper_error = not helper and (err and err.message or "not found") or nil
  found.scripts = scripts.found(environ)
  found.workspace_write, found.workspace_write_error = trial()
  found.advice = advice_of(environ)
  return found
end

-- ---- for people ----

local function check_rows(found, rows)
  for _, c in ipairs(found.checks) do
    local words = c.ok and "yes" or "no"
    if c.name == "landlock_abi" then words = landlock_words(c.value or 0) end
    if c.reason then words = words .. ": " .. text.escape(tostring(c.reason)) end
    rows[#rows + 1] = { c.name:gsub("_abi$", ""), c.purpose, words }
    if c.remedy then rows[#rows + 1] = { "", "  to get it:", text.escape(c.remedy) } end
  end
end

local function helper_row(found)
  local words = found.helper or found.helper_error
    .. " (reinstall: sbx-exec is a link to sbxlua beside it)"
  return { "helper", "hosts that spawn by themselves", text.escape(words) }
end

local STATES = {
  copy = "whole copy of the installed one", edit = "edits the next one",
  outdated = "whole copy, OLDER than the installed one: renew it (sbxlua init --full --force)",
  replacement = "replaces the installed one: not told whether it is older",
}

local function held_lines(found, lines)
  local sandbox = found.workspace_write
  if not sandbox then
    lines[#lines + 1] = "workspace-write can't be enforced: "
      .. text.escape(found.workspace_write_error)
    return
  end
  for _, entry in ipairs(sandbox.missing) do
    lines[#lines + 1] = text.escape(string.format("not held by the %s tier: %s: %s",
      tostring(sandbox.tier), entry.property, tostring(entry.reason)))
  end
end

local function lines_of(found)
  local lines = {}
  lines[1] = "tiers, strongest first: "
    .. (#found.tiers > 0 and table.concat(found.tiers, ", ") or "none")
  for _, tier in ipairs({ "contained", "landlock" }) do
    local reason = (found.missing_tiers or {})[tier]
    if reason then lines[#lines + 1] = "tier " .. tier .. ": " .. text.escape(reason) end
  end
  held_lines(found, lines)
  for _, script in ipairs(found.scripts) do
    lines[#lines + 1] = "script " .. text.escape(script.path) .. ": " .. STATES[script.state]
  end
  for _, advice in ipairs(found.advice) do lines[#lines + 1] = "advice: " .. advice end
  return table.concat(lines, "\n") .. "\n"
end

local function tell(found)
  local rows = { { "kernel", "", found.kernel } }
  check_rows(found, rows)
  rows[#rows + 1] = helper_row(found)
  verb.write(verb.columns(rows) .. "\n" .. lines_of(found))
end

local function act(values)
  local found = examine()
  if values.json then verb.json(found) else tell(found) end
  return #found.tiers > 0 and 0 or 1
end

function M.main(words) return verb.main(M, words, act) end

return M

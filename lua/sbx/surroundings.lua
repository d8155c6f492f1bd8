-- The engine's own surroundings, asked of the core: environment, directory, editable scripts. Kept
-- as long as they are the same, so that what was made from them can be used again.

local core = require "sbx.core"
local errors = require "sbx.errors"
local policyfiles = require "sbx.policyfiles"
local questions = require "sbx.questions"
local scripts = require "sbx.scripts"

local M = {}

local environ = {}

local function same_map(a, b)
  for name, value in pairs(a) do
    if b[name] ~= value then return false end
  end
  for name in pairs(b) do
    if a[name] == nil then return false end
  end
  return true
end

--- The engine's environment. The same table as last time when nothing in it changed: identity is
--- what the caches compare. Nobody writes to it.
function M.environ()
  local now = core.environ()
  if not same_map(environ, now) then environ = now end
  return environ
end

--- The command's directory, absolute; `nil, err` where the host's own is gone.
function M.cwd(wanted)
  if wanted == "" then -- an unset variable, most likely: not the host's own directory
    return errors.fail("invalid_input", "cwd is empty: it must name a directory",
                       { code = "ENOENT" })
  end
  if wanted and wanted:sub(1, 1) == "/" then return wanted end
  local own, raw = core.cwd()
  if not own then
    return errors.fail("invalid_input", raw.message .. " (the host's own directory)",
                       { code = raw.code })
  end
  if not wanted then return own end
  return (own == "/" and "" or own) .. "/" .. wanted
end

local loaded

--- The editable scripts: read once, again after `sbx.reload`.
function M.scripts()
  if loaded then return loaded end
  local list, raw = scripts.load(core, M.environ())
  if not list then return nil, errors.adopt(raw) end
  loaded = list
  return loaded
end

local probed

-- Where this process may make cgroups, as found from where it lies itself: a host may be moved, and
-- a command below the old place would not have the bounds of the new one.
local found = {}

function M.forget()
  loaded, probed, found = nil, nil, {}
end

--- The cgroups that the host lies in, of every hierarchy; nil where they can't be read.
function M.places()
  return (core.fs_read("/proc/thread-self/cgroup"))
end

-- The controllers whose groups hold limits; processor time is told in every group of version 2.
local CONTROLLERS = { memory = { "memory" }, pids = { "pids" }, cpu = { "cpuacct", "" } }

-- Where groups can be made, by what they are for; made and removed to find out.
local function find_groups()
  local groups = {}
  for name, controllers in pairs(CONTROLLERS) do
    for _, controller in ipairs(controllers) do
      local path, version = core.group_directory(controller)
      if path and not groups[name] then groups[name] = { path = path, version = version } end
    end
  end
  return groups
end

-- All answers of one plan are for the same place; what can't be told is not kept.
local function ask_place(answers)
  local places = answers.places or M.places()
  if not places or found.places ~= places then found = { places = places } end
  answers.places = places
  return found
end

local function ask_cgroup(answers)
  local known = ask_place(answers)
  if known.cgroup == nil then known.cgroup = core.cgroup() or false end -- made and removed
  return known.cgroup or nil
end

local function ask_groups(answers)
  local known = ask_place(answers)
  known.groups = known.groups or find_groups()
  return known.groups
end

-- Asked only when a script wants more: a probe starts processes, these two questions don't.
local lazy_probe = {
  __index = function(answers, name)
    if name == "landlock_abi" then
      -- asked once for a plan: parts of it that rest on different answers could hold nothing
      answers.landlock_abi = core.landlock_abi()
      return answers.landlock_abi
    end
    if name == "cgroup" then return ask_cgroup(answers) end
    if name == "groups" then return ask_groups(answers) end
    if name == "places" then return nil end -- none of these two was asked
    if name == "last_pid" then return core.fs_stat("/proc/sys/kernel/ns_last_pid") ~= nil end
    if name == "kernel" then return core.fs_read("/proc/sys/kernel/osrelease") end
    probed = probed or core.probe()
    return probed[name]
  end,
}

-- The engine's own files: a command that may write them is told so.
local own_paths

local function own()
  if own_paths then return own_paths end
  own_paths = { policyfiles.SYSTEM_DIRECTORY, core.module_dir() }
  own_paths[#own_paths + 1] = core.helper_path()
  for _, path in pairs({
    policyfiles.MODULES, policyfiles.INSTALLED, policyfiles.user_directory(M.environ()),
  }) do
    own_paths[#own_paths + 1] = path
  end
  return own_paths
end

--- What a plan may know of this machine.
function M.context(cwd, env, world)
  return {
    cwd = cwd, env = env, home = env.HOME, tmpdir = env.TMPDIR, uid = core.uid(),
    probe = setmetatable({}, lazy_probe), own = own(),
    fs = questions.fs(world, own()),
  }
end

return M

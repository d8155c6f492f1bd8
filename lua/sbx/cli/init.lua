-- sbxlua init: the editable scripts, as small edits of the installed ones or as whole copies.

local core = require("sbx.core")
local policyfiles = require("sbx.policyfiles")
local scripts = require("sbx.cli.scripts")
local text = require("sbx.text")
local verb = require("sbx.cli.verb")

local M = {
  usage = "Usage: sbxlua init [--full] [--system] [--force] [--json]",
  description = "Writes the editable scripts policy.lua, env.lua and denial.lua into"
    .. " ~/.config/sbxlua. What is there already stays, unless --force is given.",
  options = {
    { name = "full", help = "Whole copies, not small edits." },
    { name = "system", help = "Into /etc/sbxlua." },
    { name = "force", help = "Overwrite what is there." },
    verb.JSON,
  },
}

-- A stub changes nothing: it shows what one would write.
local STUBS = {
  policy = [[
-- How sbxlua maps a policy to a plan. `...` is the next script in the order (the system's, then the
-- installed one); what isn't changed here stays as it is there.
local base = ...

-- local plan = base.plan
-- function base.plan(policy, ctx)
--   return plan(policy, ctx)
-- end

return base
]],
  env = [[
-- Which environment variables a command gets. `...` is the next script in the order (the system's,
-- then the installed one); what isn't changed here stays as it is there.
local base = ...

-- base.default.inherit = "all"
-- base.default.exclude = {"AWS_*"}
-- base.default.set = {CI = "1"}

return base
]],
  denial = [[
-- When a failure is taken for a refusal by the sandbox. `...` is the next script in the order (the
-- system's, then the installed one); what isn't changed here stays as it is there.
local base = ...

-- base.keywords[#base.keywords + 1] = "not permitted by policy"

return base
]],
}

local function content(name, full)
  if not full then return STUBS[name] end
  return scripts.full_copy(name)
end

-- Exclusive, so that two at once don't overwrite each other either.
local function write_script(path, source, force, done)
  if not force and core.fs_stat(path) then
    done.kept[#done.kept + 1] = path
    return true
  end
  local ok, err = core.fs_write(path, source, not force)
  if not ok then return nil, policyfiles.unreadable(path, err) end
  done.written[#done.written + 1] = path
  return true
end

local function write_all(directory, values, done)
  local ok, err = core.fs_mkdir(directory .. "/policies")
  if not ok then return nil, policyfiles.unreadable(directory, err) end
  for _, name in ipairs(scripts.NAMES) do
    local source, problem = content(name, values.full)
    if not source then return nil, type(problem) == "table" and problem.message or problem end
    local path = directory .. "/" .. name .. ".lua"
    local written, why = write_script(path, source, values.force, done)
    if not written then return nil, why end
  end
  return true
end

local function tell(done)
  for _, path in ipairs(done.written) do verb.write("wrote " .. text.escape(path) .. "\n") end
  for _, path in ipairs(done.kept) do
    verb.write("kept  " .. text.escape(path) .. " (--force overwrites it)\n")
  end
end

local function act(values)
  local directory = values.system and policyfiles.SYSTEM_DIRECTORY
    or policyfiles.user_directory(core.environ())
  if not directory then
    return verb.fail("neither XDG_CONFIG_HOME nor HOME is set: nowhere to write", values.json)
  end
  local done = { written = {}, kept = {} }
  local ok, problem = write_all(directory, values, done)
  if not ok then return verb.fail(problem, values.json) end
  if values.json then verb.json(done) else tell(done) end
  return #done.kept == 0 and 0 or 1
end

function M.main(words) return verb.main(M, words, act) end

return M

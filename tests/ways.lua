-- The ways to end a tree, strongest first, each alone: for hosts whose configuration has a policy
-- script that leaves no other.
local support = require "tests.support"

local M = { LIST = { "pidns", "cgroup", "subreaper" } }

-- How `enforced.kill_tree` names each; a subreaper is `missing`.
M.WORDS = { pidns = "PID namespace", cgroup = "cgroup" }

local source = os.getenv("SBX_SOURCE") or "."

--- Whether this machine has it for this user, in this tier if one is named.
function M.has(way, tier)
  local exec = require("sbx").transform({ "true", policy = "read-only" })
  for _, one in ipairs(exec and exec.plan.alternatives or {}) do
    if one.engine.kill == way and (not tier or one.tier == tier) then return true end
  end
  return false
end

--- The environment of a host that has only this way (and tier), as for support.host_with. The
--- script lies in `directory`.
function M.environment(directory, way, tier)
  local text = support.read(source .. "/tests/way.lua")
  text = text:gsub('"WAY"', ('"%s"'):format(way))
    :gsub('"TIER"', ('"%s"'):format(tier or os.getenv("SBX_TIER") or ""))
  support.shell("mkdir -p %s/config/sbxlua", directory)
  support.write(directory .. "/config/sbxlua/policy.lua", text)
  return "XDG_CONFIG_HOME=" .. support.quote(directory .. "/config")
end

return M

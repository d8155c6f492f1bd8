-- Which set of layers a run would use, as far as it can be told without a process: what a probe
-- found impossible is passed over.

local errors = require "sbx.errors"

local M = {}

local function namespaces_work(engine, probe)
  local wanted = engine.namespaces or {}
  local found = {
    user = probe.userns, pid = probe.pidns, mount = probe.mountns, net = probe.netns,
  }
  for name, answer in pairs(found) do
    if wanted[name] and answer ~= true then return false, answer end
  end
  return true
end

-- Making a mount namespace is no proof that one may mount in it: the engine tries that too.
local function mounts_work(alternative, probe)
  if alternative.tier ~= "contained" or probe.mounts == nil then return true end
  return probe.mounts == true, probe.mounts
end

--- Whether an alternative would work here; else why not.
---@param alternative table
---@param probe table     of the core
---@param cgroup boolean  whether one is delegated
---@return boolean works, string? reason
function M.works(alternative, probe, cgroup)
  local engine = alternative.engine
  local ok, reason = namespaces_work(engine, probe)
  if ok then ok, reason = mounts_work(alternative, probe) end
  if not ok then return false, tostring(reason) end
  if engine.kill == "cgroup" and not cgroup then return false, "no cgroup is delegated" end
  return true
end

--- The place of the first that works, from the one on that worked last. Without a process nothing
--- can be tried to its end: what the probe found impossible is passed over.
---@param held sbx.Held
---@return integer|nil index, sbx.Error?
function M.first(held)
  local list, probe, reason = held.plan.alternatives, held.ctx.probe, nil
  for index = held.first, #list do
    local ok, why = M.works(list[index], probe, probe.cgroup)
    if ok then return index end
    reason = why
  end
  return errors.fail("sandbox", "no set of layers that the policy allows works on this machine: "
                     .. tostring(reason))
end

return M

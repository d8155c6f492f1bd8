-- A policy script that leaves the sets of layers that end the tree by WAY, of one TIER if one is
-- named: tests/ways.lua fills both in.
local base = ...
local plan_of = base.plan

function base.plan(policy, ctx)
  local plan, err = plan_of(policy, ctx)
  if not plan then return nil, err end
  local kept = {}
  for _, one in ipairs(plan.alternatives) do
    if one.engine.kill == "WAY" and (one.tier == "TIER" or "TIER" == "") then
      kept[#kept + 1] = one
    end
  end
  plan.alternatives = kept
  return plan
end

return base

-- A policy script that leaves the sets of layers of one tier: the machine that has no other.
local base = ...
local plan_of = base.plan

function base.plan(policy, ctx)
  local plan, err = plan_of(policy, ctx)
  if not plan then return nil, err end
  local kept = {}
  for _, one in ipairs(plan.alternatives) do
    if one.tier == "TIER" or one.tier == "none" then kept[#kept + 1] = one end
  end
  plan.alternatives = kept
  return plan
end

return base

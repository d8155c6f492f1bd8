-- A policy script by which no process is made ahead: every command is the first of its kind.
local base = ...
local plan_of = base.plan

function base.plan(policy, ctx)
  local plan, err = plan_of(policy, ctx)
  if not plan then return nil, err end
  for _, one in ipairs(plan.alternatives) do one.engine.ahead = false end
  return plan
end

return base

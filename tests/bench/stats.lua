-- Medians, and the median of ratios of interleaved runs: what slows the machine for a while slows
-- both.
local M = {}

function M.median(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local middle = (#sorted + 1) // 2
  if #sorted % 2 == 1 then return sorted[middle] end
  return (sorted[middle] + sorted[middle + 1]) / 2
end

---Runs every function of `list` once a round, `rounds` times, and gives the seconds of each. With a
---`pause` (seconds) before each: what one leaves to be done behind it must not slow the next.
function M.interleave(list, rounds, now, pause)
  local times = {}
  for i = 1, #list do times[i] = {} end
  for round = 1, rounds do
    for i = 1, #list do
      local idle = now() + (pause or 0)
      while now() < idle do end -- luacheck: ignore
      local began = now()
      list[i]()
      times[i][round] = now() - began
    end
  end
  return times
end

function M.ratio(times, floor)
  local ratios = {}
  for i = 1, #times do ratios[i] = times[i] / floor[i] end
  return M.median(ratios)
end

return M

-- A host of so many MiB that runs /bin/true each time it is told to, and says how long it took.
local floor = require "floor"
local sbx = require "sbx"

local filler = ("x"):rep(tonumber(arg[1]) * 1024 * 1024)
for _ in io.lines() do
  local began = floor.now()
  assert(sbx.run({ command = { "/bin/true" }, policy = "workspace-write", cwd = arg[2] }))
  print(("%.9f"):format(floor.now() - began))
  io.stdout:flush()
end
assert(#filler > 0)

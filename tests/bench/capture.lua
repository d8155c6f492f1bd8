-- A script that captures what a command prints: its peak memory is measured. capture.lua CMD…
local sbx = require "sbx"

local command = {table.unpack(arg)}
local result = assert(sbx.run({command = command, policy = "workspace-write", timeout_ms = false}))
assert(#result.stdout > 0)

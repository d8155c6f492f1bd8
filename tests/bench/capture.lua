-- A script that captures what a command prints: its peak memory is measured.
-- capture.lua [whole] CMD…
local sbx = require "sbx"

local first = arg[1] == "whole" and 2 or 1
local result = assert(sbx.run({command = {table.unpack(arg, first)}, policy = "workspace-write",
                               timeout_ms = false, max_output_bytes = first == 1 and 10485760}))
assert(#result.stdout > 0)

-- busted's output for ctest and bin/test: failures as they happen, skipped tests by name, and one
-- line of totals.
-- With SBX_REPORT set, that file gets what bin/test adds up.

local function one_line(value)
  return (tostring(value):gsub("%s+", " "))
end

local function describe_failure(failure)
  local trace = failure.element.trace or {}
  local where = trace.short_src and (trace.short_src .. ":" .. trace.currentline .. ": ") or ""
  return ("FAILED %s%s\n%s\n"):format(where, failure.name, tostring(failure.message))
end

local function describe_skip(pending)
  local reason = type(pending.message) == "string" and pending.message or nil
  if not reason or reason == pending.name then return pending.name end
  return pending.name .. ": " .. one_line((reason:gsub("^[^:]+:%d+: ", "")))
end

local function write_report(passed, failed, skipped)
  local path = os.getenv("SBX_REPORT")
  if not path then return end
  local file = assert(io.open(path, "a"))
  file:write(("%d %d %d\n"):format(passed, failed, #skipped))
  for _, name in ipairs(skipped) do file:write("skipped: ", name, "\n") end
  file:close()
end

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()

  local shown = {failures = 0, errors = 0}
  local function show_new()
    for name, count in pairs(shown) do
      for i = count + 1, #handler[name] do io.write(describe_failure(handler[name][i])) end
      shown[name] = #handler[name]
    end
    io.flush()
    return nil, true
  end

  handler.suiteEnd = function()
    local skipped = {}
    for i, pending in ipairs(handler.pendings) do skipped[i] = describe_skip(pending) end
    for _, name in ipairs(skipped) do io.write("skipped: ", name, "\n") end
    local failed = #handler.failures + #handler.errors
    write_report(handler.successesCount, failed, skipped)
    io.write(("%d passed, %d failed, %d skipped\n"):format(
      handler.successesCount, failed, #skipped))
    io.flush()
    return nil, true
  end

  -- After busted's own handlers (priority 1), which fill the lists.
  busted.subscribe({"suite", "end"}, handler.suiteEnd)
  busted.subscribe({"failure"}, show_new)
  busted.subscribe({"error"}, show_new)

  return handler
end

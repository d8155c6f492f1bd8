-- The approval hook of sbx.run: after a denial the host is asked, and its answer is run once more.

local errors = require "sbx.errors"
local run = require "sbx.run"

local M = {}

local function once(opts)
  local running, err = run.start(opts, "run")
  if running then return running:wait() end
  return nil, err
end

-- `confirmed` needs no leave; a guess is asked about only where the host wants that.
local function is_asked(err, opts)
  if not err or err.kind ~= "denied" then return false end
  return err.output.denial.verdict == "confirmed" or opts.on_likely == true
end

local function without_hook(opts)
  if type(opts) ~= "table" then
    errors.throw("on_denied gives options for one more run or nil, not " .. type(opts))
  end
  local copy = {}
  for name, value in pairs(opts) do copy[name] = value end
  copy.on_denied, copy.on_likely = nil, nil
  return copy
end

local function finish(on_done, result, err, output)
  if on_done then on_done(result, err, output) end
  return result, err, output
end

--- sbx.run with `on_denied`: what came of the last run.
---@param opts sbx.Options
---@param on_done function?
function M.run(opts, on_done)
  if on_done ~= nil and type(on_done) ~= "function" then
    errors.throw("sbx.run takes a function as its second argument, not " .. type(on_done))
  end
  local result, err, output = once(opts)
  local wider = is_asked(err, opts) and opts.on_denied(err, opts)
  if wider then result, err, output = once(without_hook(wider)) end
  return finish(on_done, result, err, output)
end

return M

-- sbxlua why: may a command do this to that, and which rule says so.

local json = require("sbx.json")
local run_options = require("sbx.cli.run_options")
local text = require("sbx.text")
local verb = require("sbx.cli.verb")

local M = {
  usage = "Usage: sbxlua why [options] OPERATION PATH|ADDRESS",
  description = "Says whether a command under this policy may do OPERATION (read, write, create,"
    .. " delete, rename, link, metadata, execute, connect, bind, send, socket, signal, mount,"
    .. " other) to a path or an address, and which rule decides. Runs nothing; plain permissions"
    .. " are not looked at. Status 0: allowed, 1: refused. The options are those of run.",
  options = run_options.options,
  takes_words = true,
}

-- Every field is always there, in this order.
local FIELDS = {
  "v", "allowed", "operation", "path", "address", "rule", "layer", "reason", "tier", "error",
}

-- Misuse throws; here a user typed it.
local function caught(ok, ...)
  if ok then return ... end
  return nil, tostring((...))
end

local function judge(opts, operation, subject)
  local surroundings = require("sbx.surroundings")
  local o, err = require("sbx.options").read(opts, "run")
  if not o then return nil, err end
  local cwd
  cwd, err = surroundings.cwd(o.cwd)
  if not cwd then return nil, err end
  local why = require("sbx.why")
  why.check(o.policy, operation, subject)
  return why.judge(o, operation, subject, cwd, surroundings.environ())
end

local function fail(err, as_json)
  if not as_json then return verb.fail(err) end
  local kind = type(err) == "table" and err.kind or "invalid_input"
  local message = type(err) == "table" and err.message or err
  json.write({ v = 1, error = { kind = kind, message = message } }, FIELDS, verb.write)
  return verb.FAILURE
end

local function tell(found)
  local subject = found.path or found.address
  verb.write(text.escape(string.format("%s: %s%s: %s", found.allowed and "allowed" or "refused",
    found.operation, subject and " " .. subject or "", found.reason)) .. "\n")
  local held = not found.allowed and " (" .. found.layer .. ")" or ""
  verb.write("  " .. text.escape(found.rule .. held) .. "\n")
end

local function act(values, rest)
  if #rest ~= 2 or values.sh then
    return fail("give an operation and one path or address: sbxlua why write FILE", values.json)
  end
  local opts, err = run_options.opts(values, { "true" })
  if not opts then return fail(err, values.json) end
  local found
  found, err = caught(pcall(judge, opts, rest[1], rest[2]))
  if not found then return fail(err, values.json) end
  if values.json then
    found.v = 1
    json.write(found, FIELDS, verb.write)
  elseif not values.quiet then
    tell(found)
  end
  return found.allowed and 0 or 1
end

function M.main(words) return verb.main(M, words, act) end

return M

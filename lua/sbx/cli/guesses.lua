-- A denial that nobody saw: what the text says, and which grant could help, if any.

local core = require("sbx.core")
local named = require("sbx.cli.named")
local paths = require("sbx.paths")
local refusals = require("sbx.cli.refusals")
local text = require("sbx.text")
local there = require("sbx.there")

local M = {}

local NETWORK = {
  "network is unreachable", "could not resolve", "couldn't resolve", "name resolution",
  "name or service not known", "eai_again", "getaddrinfo", "couldn't connect", "failed to connect",
  "connection failed", "new connection", "connect eperm", "connect enetunreach", "connect to host",
  "socket",
}

local REFUSALS = {
  "permission denied", "read-only file system", "operation not permitted", "cannot create",
  "failed to write file", "seccomp", "landlock", "sandbox", "unreachable", "resol",
}

-- The command decides how much it writes, and this waits for no end of it: what made it fail stands
-- at the end.
local TAIL, LONGEST, SHOWN = 64 * 1024, 1000, 400

local function speaks_of(line, phrases)
  local lower = line:lower()
  for _, phrase in ipairs(phrases) do
    if lower:find(phrase, 1, true) then return true end
  end
  return false
end

local function last_match(output)
  local refused, network
  for _, stream in ipairs({ "stdout", "stderr" }) do
    for line in (output[stream] or ""):sub(-TAIL):gmatch("[^\r\n]+") do
      line = line:sub(1, LONGEST)
      if speaks_of(line, REFUSALS) then refused = line end
      if speaks_of(line, NETWORK) then network = line end
    end
  end
  return refused or network
end

--- The line that speaks of a refusal, the last one; nil: none does.
function M.line(output)
  local line = last_match(output)
  return line and text.escape(line:sub(1, SHOWN))
end

---------------------------------------------------------------------------------------------------

local function has_bit(number, bit) return math.floor(number / bit) % 2 == 1 end

-- Whether plain permissions would let one write there; a group may, as far as is known.
local function is_ours(path)
  local found = core.fs_stat(path)
  if not found then return false end
  local uid = core.uid()
  if uid == 0 then return true end
  if found.uid == uid then return has_bit(found.mode, 128) end
  return has_bit(found.mode, 16) or has_bit(found.mode, 2)
end

local function context(plan, opts)
  local environ = core.environ()
  local around = { cwd = opts.cwd, env = environ }
  local policy = require("sbx").policy(opts.policy or "read-only", around)
  return {
    policy = policy or {}, plan = plan, home = environ.HOME, runtime = environ.XDG_RUNTIME_DIR,
    cwd = opts.cwd, stat = function(path) return (core.fs_stat(path)) end,
  }
end

-- As a refusal that was seen would be answered; what is there may have been meant by its directory.
local function grant_for(found, plan, opts)
  local operation = found.operation == "read" and "read" or "create"
  return require("sbx.suggest").grant(context(plan, opts), {
    operation = operation, path = found.path, rule = found.rule,
  })
end

local function path_advice(found, plan, opts)
  local shown = text.escape(found.path)
  if not found.operation then
    return shown .. " can be written under this policy: no grant of a path would help"
  end
  local place = found.is_place and found.path or paths.split(found.path)
  local is_writing = found.operation ~= "read"
  if is_writing and not is_ours(there.nearest(core.fs_stat, place)) then
    return shown .. " is not yours to write: no grant of a path would help"
  end
  local grant = grant_for(found, plan, opts)
  if grant.never then return "no option would help: " .. grant.never end
  local careful = grant.sensitive and " (careful: that is " .. grant.sensitive .. ")" or ""
  return "it could be allowed by " .. refusals.option(grant) .. careful
end

local function network_advice(plan)
  if plan.network == "full" then return "the network is whole: no grant would help" end
  return "it could be allowed by --allow-connect HOST:PORT, or --network full (with the sockets of"
    .. " services)"
end

-- Nothing is named that could be granted.
local function general_advice(line, plan)
  if not speaks_of(line, { "read-only file system", "permission denied" }) then
    return "it names nothing that could be granted"
  end
  local options = { "-w DIR (DIR can be written)" }
  if plan.mode == "read-only" then
    options[2] = "-p workspace-write (this directory and /tmp can be)"
  end
  return "to allow more: " .. table.concat(options, ", ")
end

--- What could help, by the line alone.
---@param line string
---@param plan table
---@param opts table  of the run
---@return string
function M.advice(line, plan, opts)
  if speaks_of(line, NETWORK) then return network_advice(plan) end
  local found = named.path(line, opts)
  return found and path_advice(found, plan, opts) or general_advice(line, plan)
end

return M

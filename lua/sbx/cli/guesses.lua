-- A denial that nobody saw: what the text says, and which grant could help, if any.

local core = require("sbx.core")
local paths = require("sbx.paths")
local text = require("sbx.text")

local M = {}

local REFUSALS = {
  "permission denied", "read%-only file system", "operation not permitted", "cannot create",
  "failed to write file", "seccomp", "landlock", "sandbox", "unreachable", "resol",
}

local NETWORK = {
  "network is unreachable", "could not resolve", "couldn't resolve", "name resolution",
  "name or service not known", "eai_again", "getaddrinfo", "couldn't connect", "connection failed",
  "socket",
}

local function last_match(output)
  local found
  for _, stream in ipairs({ "stdout", "stderr" }) do
    for line in (output[stream] or ""):gmatch("[^\r\n]+") do
      local lower = line:lower()
      for _, pattern in ipairs(REFUSALS) do
        if lower:find(pattern) then found = line end
      end
    end
  end
  return found
end

--- The line that speaks of a refusal, the last one; nil: none does.
function M.line(output)
  local line = last_match(output)
  return line and text.escape(line:sub(1, 400))
end

local function speaks_of_network(line)
  for _, phrase in ipairs(NETWORK) do
    if line:lower():find(phrase, 1, true) then return true end
  end
  return false
end

-- "touch: cannot touch '/x/y': …", "sh: 1: cannot create /x/y: …", "open /x/y: …"
local function path_in(line)
  local quoted = line:match("['\"‘](/[^'\"’]+)['\"’]")
  return quoted or line:match("[%s:=](/[^%s:'\",]+)") or line:match("^(/[^%s:'\",]+)")
end

local function has_bit(number, bit) return math.floor(number / bit) % 2 == 1 end

-- Whether plain permissions would let one write there; a group may, as far as is known.
local function is_ours(directory)
  local found = core.fs_stat(directory)
  if not found then return false end
  local uid = core.uid()
  if uid == 0 then return true end
  if found.uid == uid then return has_bit(found.mode, 128) end
  return has_bit(found.mode, 16) or has_bit(found.mode, 2)
end

local function nearest_there(path)
  while path and path ~= "/" and not core.fs_stat(path) do path = paths.split(path) end
  return path or "/"
end

local function verdict_on(path, opts)
  local policy = opts.policy or "read-only"
  local ok, found = pcall(require("sbx").why, policy, "create", path, { cwd = opts.cwd })
  return ok and found or nil
end

local function path_advice(path, opts)
  local parent = nearest_there(paths.split(path) or "/")
  local found = verdict_on(path, opts)
  if found and found.allowed then
    return path .. " can be written under this policy: no grant of a path would help"
  end
  if require("sbx.suggest").ungrantable(parent) or not is_ours(parent) then
    return path .. " is not yours to write: no grant of a path would help"
  end
  local ctx, judge = { home = core.environ().HOME }, require("sbx.sensitive").path
  local sensitive = judge(path, ctx) or judge(parent, ctx)
  local careful = sensitive and " (careful: that is " .. sensitive .. ")" or ""
  return "it could be allowed by " .. text.command({ "-w", parent }) .. careful
end

--- What could help, by the line alone; nil: it doesn't say.
---@param line string
---@param plan table
---@param opts table  of the run
function M.advice(line, plan, opts)
  if speaks_of_network(line) then
    if plan.network == "full" then return "the network is whole: no grant would help" end
    return "it could be allowed by --network full"
  end
  local path = path_in(line)
  return path and path_advice(paths.clean(path), opts)
end

return M

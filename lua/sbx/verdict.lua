-- The verdict of a resolved plan: may a command do this to that? Pure: the file system is asked
-- through `fs`. It is read off what the kernel gets (rules, filters, mounts), so that the two
-- agree; plain permissions are not looked at: what the user may not do, no policy gives.

local addresses = require "sbx.addresses"
local cite = require "sbx.cite"
local granted = require "sbx.granted"
local lists = require "sbx.lists"
local mounted = require "sbx.mounted"
local paths = require "sbx.paths"
local reach = require "sbx.reach"
local refusals = require "sbx.refusals"
local walk = require "sbx.walk"

local M = {}

---@class sbx.Verdict: sbx.Said
---@field operation string
---@field path string?     as the kernel walks to it
---@field address string?
---@field tier string

M.OPERATIONS = {
  "read", "write", "create", "delete", "rename", "link", "metadata", "execute", "connect", "bind",
  "send", "socket", "signal", "mount", "other",
}

local FILES = {
  read = "follow", write = "follow", metadata = "follow", execute = "follow",
  create = "keep", delete = "keep", rename = "keep", link = "keep", bind = "keep",
}
local READS = { read = true, execute = true }
local SOCKETS = { connect = true, bind = true, send = true, socket = true }

local said = cite.verdict

---------------------------------------------------------------------------------------------------
-- Files

local function look(work, text, operation)
  local place, links, left = walk.place(work.fs, text, FILES[operation] == "keep", work.cwd)
  if not place then return false end
  work.place, work.parent, work.links, work.left = place, paths.split(place) or "/", links, left
  local found = work.fs.stat(place)
  work.type = found and found.type
  return true
end

-- Reached by the descriptor that it is: it was given, or opened by what the rules say.
local function is_descriptor(place)
  return place:find("^/proc/self/fd/%d+$") or place:find("^/proc/thread%-self/fd/%d+$")
end

local function unrestricted(work)
  return said(true, cite.field(work.policy, "mode"), "none", "there is no sandbox")
end

local function file(work, text, operation)
  if not look(work, text, operation) then
    return said(false, "default: links", "none", "too many symbolic links")
  end
  if work.plan.type == "none" then return unrestricted(work) end
  if is_descriptor(work.place) and (operation == "read" or operation == "write") then
    return said(true, "default: its own descriptors", "none", "the command has it open already")
  end
  local access = work.tier == "contained" and mounted or granted
  return access.judge(setmetatable({ operation = operation, reads = READS[operation] },
                                   { __index = work }))
end

local function judge_file(work)
  local verdict = file(work, work.subject, work.operation)
  verdict.path = work.place
  if verdict.allowed and not work.type and (READS[work.operation] or work.operation == "metadata")
    and not is_descriptor(work.place) then
    verdict.reason = verdict.reason .. "; there is nothing now"
  end
  return verdict
end

---------------------------------------------------------------------------------------------------
-- Sockets

local function judge_socket(work)
  local problem
  work.address, problem = addresses.read(work.subject)
  if not work.address then return nil, { kind = "invalid_input", message = problem } end
  local text = work.address.path
  if text and not look(work, text, work.operation) then
    return said(false, "default: links", "none", "too many symbolic links")
  end
  work.files = function(operation) return file(work, text, operation) end
  local verdict = reach.judge(work)
  verdict.address = text and "unix:" .. work.place or work.subject
  return verdict
end

---------------------------------------------------------------------------------------------------
-- The rest

local OWN = { own = true, self = true, ["0"] = true }

local function judge_signal(work)
  local engine = work.engine
  if OWN[work.subject] then
    return said(true, "default: its own processes", "none", "it is the command's own")
  end
  local rule = "default: processes outside"
  if (engine.namespaces or {}).pid then
    return said(false, rule, "PID namespace", "no process outside has a number there")
  end
  if lists.has((engine.landlock or {}).scope, "signal") then
    return said(false, rule, "landlock", "only processes of the same sandbox can be signalled")
  end
  return said(true, rule, "none", "nothing keeps it from the user's other processes")
end

local function judge_call(work, call)
  local policy, list = work.policy, work.engine.seccomp
  local rule = refusals.find(list, call)
  local is_denied = lists.has((policy.syscalls or {}).deny, call)
  local from = is_denied and cite.field(policy, "syscalls") or "default: refused system calls"
  if rule and rule.on_behalf then
    return said(true, from, "supervisor", tostring(call) .. " is made on behalf of the command")
  end
  if rule then
    return said(false, from, "seccomp", tostring(call) .. " gives " .. tostring(rule.errno))
  end
  if refusals.partly(list, call) then
    return said(true, from, "none", tostring(call) .. " is refused with some arguments only")
  end
  return said(true, from, "none", "no filter refuses " .. tostring(call))
end

local function judge_mount(work) return judge_call(work, "mount") end

local function judge_other(work) return judge_call(work, tonumber(work.subject) or work.subject) end

---------------------------------------------------------------------------------------------------

local JUDGES = { signal = judge_signal, mount = judge_mount, other = judge_other }
for name in pairs(FILES) do JUDGES[name] = judge_file end -- bind: as a socket, below
for name in pairs(SOCKETS) do JUDGES[name] = judge_socket end

--- The verdict of one set of layers.
---@param question table  {plan, alternative, policy, operation, subject, fs, cwd}; of a file
---                       `subject` is an absolute path
---@return sbx.Verdict|nil, {kind: string, message: string}?
function M.judge(question)
  local work = setmetatable({}, { __index = question })
  work.engine, work.tier = question.alternative.engine, question.alternative.tier
  local operation = question.operation
  local judge = JUDGES[operation]
  if question.plan.type == "none" and not FILES[operation] and not SOCKETS[operation] then
    judge = unrestricted
  end
  local verdict, err = judge(work)
  if not verdict then return nil, err end
  verdict.operation, verdict.tier = operation, work.tier
  return verdict
end

return M

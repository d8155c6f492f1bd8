-- What would allow what was refused: for each refusal the narrowest grant, or why there is none;
-- of all together a policy table.

local addresses = require "sbx.addresses"
local lists = require "sbx.lists"
local paths = require "sbx.paths"
local sensitive = require "sbx.sensitive"
local widen = require "sbx.widen"

local M = {}

-- More entries than this in one directory, and the directory stands for them.
M.MOST_SIBLINGS = 3

---@class sbx.Grant
---@field field string?      of a policy: "writable_roots", "readable", "unix_sockets", "network"
---@field value any?         an entry of that list; of network the word, or {allow = {…}}
---@field sensitive string?  what one would give away: not in `suggest`
---@field never string?      why no grant is offered at all

---@class sbx.SuggestContext
---@field policy table      resolved
---@field plan table
---@field home string?
---@field own string[]?     the engine's own places
---@field runtime string?   $XDG_RUNTIME_DIR
---@field stat fun(path: string): table?
---@field allows (fun(): boolean)?  whether {allow = …} can be held here

local NOTHING = "no policy gives it"

local function never(words) return { never = words } end

---------------------------------------------------------------------------------------------------
-- Paths

-- Fields of a policy that were written to refuse.
local REFUSING = { read_only = true, deny_read = true, protect = true }

local function refusing_rule(rule)
  local field = tostring(rule or ""):match(": ([%l_]+) \"")
  return field and REFUSING[field] and field
end

local function protected_name(ctx, root, path)
  local names = ctx.policy.protect or { ".git", ".codex", ".agents" }
  local first = path:sub(#root + (root == "/" and 1 or 2)):match("^[^/]+")
  return first and lists.has(names.replace or names, first) and first
end

local function protected_place(ctx, path)
  for _, entry in ipairs(ctx.plan.protect or {}) do
    if paths.covers(entry.path, path) then return entry.path end
  end
end

local function nearest_there(ctx, path)
  while path and path ~= "/" and not ctx.stat(path) do path = paths.split(path) end
  return path or "/"
end

-- Names are made and removed in their directory; what is there may be changed alone.
local IN_PLACE = { write = true, metadata = true, read = true, execute = true }

local function place_of(ctx, operation, path)
  local found = ctx.stat(path)
  if IN_PLACE[operation] and found then return path end
  -- a file without a name (O_TMPFILE) is made in it
  local is_directory = type(found) == "table" and found.type == "directory"
  if operation == "create" and is_directory then return path end
  return nearest_there(ctx, paths.split(path) or "/")
end

local UNGRANTABLE = { "/proc", "/sys", "/dev" }

-- The place of the kernel's that a path lies in, which can't be a writable root; else nil.
local function ungrantable(root)
  if root == "/" or root == "/run" then return root end
  for _, base in ipairs(UNGRANTABLE) do
    if paths.covers(base, root) and not paths.covers("/dev/shm", root) then return base end
  end
end

M.ungrantable = ungrantable

local function why_never(ctx, entry, root)
  if tostring(entry.rule):find("sbxlua's own", 1, true) then return "it is sbxlua's own" end
  local name = protected_place(ctx, entry.path) or protected_name(ctx, root, entry.path)
  if name then return name .. " is protected" end
  local base = ungrantable(root)
  if base then return base .. " can't be a writable root" end
end

local function is_writable(ctx, path)
  for _, root in ipairs(ctx.plan.writable or {}) do
    if paths.covers(root.path, path) then return true end
  end
  return false
end

local function path_grant(ctx, entry)
  local reads = entry.operation == "read" or entry.operation == "execute"
  local field = refusing_rule(entry.rule)
  if field then return never("the policy refuses it by name (" .. field .. ")") end
  if reads and not ctx.plan.readable then return never(NOTHING) end
  local root = place_of(ctx, entry.operation, entry.path)
  local why = not reads and why_never(ctx, entry, root)
  if reads and root == "/" then why = "everything could be read" end
  if why then return never(why) end
  if entry.errno == "EXDEV" and is_writable(ctx, root) then
    return never("it would leave its directory tree: copying does what moving can't")
  end
  return { field = reads and "readable" or "writable_roots", value = root,
           sensitive = sensitive.path(entry.path, ctx) or sensitive.path(root, ctx) }
end

---------------------------------------------------------------------------------------------------
-- Sockets

local function unix_grant(ctx, entry, address)
  if not entry.address then
    return never("which socket it wanted is not seen: --unix-socket PATH lets it connect to one")
  end
  if not address.path then return never("only the full network reaches abstract sockets") end
  if entry.operation == "bind" then
    return never("only with the full network a command makes sockets by path")
  end
  return { field = "unix_sockets", value = address.path,
           sensitive = sensitive.socket(address.path, ctx, ctx.runtime) }
end

local DNS = 53

local function internet_grant(ctx, entry, address)
  if entry.operation == "bind" then
    local near = addresses.is_loopback(address) or addresses.is_any(address)
    if near and ctx.plan.network ~= "loopback" then
      return { field = "network", value = "loopback" }
    end
  elseif entry.operation == "connect" and (address.port or 0) > 0 and address.port ~= DNS
    and ctx.allows and ctx.allows() then
    return { field = "network", value = { allow = { entry.address } } }
  end
  return { field = "network", value = "full" }
end

local INTERNET = { inet = true, inet6 = true }

local function socket_grant(ctx, entry)
  local address = addresses.read(entry.address or entry.family or "")
  if not address then return never(NOTHING) end
  if address.family == "unix" then return unix_grant(ctx, entry, address) end
  if not INTERNET[address.family] then return never(NOTHING) end
  return internet_grant(ctx, entry, address)
end

---------------------------------------------------------------------------------------------------

--- The narrowest grant for one refusal.
---@param ctx sbx.SuggestContext
---@return sbx.Grant
function M.grant(ctx, entry)
  if entry.address or entry.family then return socket_grant(ctx, entry) end
  local path = entry.path
  if not path or path:sub(1, 1) ~= "/" or path:find("[%z%*%?%[$]") then
    return never(NOTHING)
  end
  return path_grant(ctx, entry)
end

-- What lies in something else that is granted adds nothing.
local function outermost(list)
  local kept = {}
  for _, path in ipairs(list) do
    local inner = false
    for _, other in ipairs(list) do inner = inner or paths.inside(other, path) end
    if not inner and not lists.has(kept, path) then kept[#kept + 1] = path end
  end
  return kept
end

local function may_stand_for(ctx, directory)
  return not ungrantable(directory) and not sensitive.path(directory, ctx)
    and paths.depth(directory) > 1
end

--- Paths as few entries: more than three in one directory are written as that directory, unless it
--- is sensitive, a home, or at the top of the file system; what lies in another entry is left out.
---@param list string[]
---@return string[]
function M.collapse(ctx, list)
  local count, found = {}, outermost(list)
  for _, path in ipairs(found) do
    local parent = paths.split(path) or "/"
    count[parent] = (count[parent] or 0) + 1
  end
  local next_list, changed = {}, false
  for _, path in ipairs(found) do
    local parent = paths.split(path) or "/"
    local many = count[parent] > M.MOST_SIBLINGS and may_stand_for(ctx, parent)
    next_list[#next_list + 1] = many and parent or path
    changed = changed or many
  end
  if changed then return M.collapse(ctx, next_list) end
  table.sort(found)
  return found
end

-- Two wishes for the network as one.
local function join_network(a, b)
  if not a then return b end
  if type(a) == "string" and a == b then return a end
  if type(a) == "string" or type(b) == "string" then return "full" end
  local list = {}
  for _, address in ipairs(a.allow) do list[#list + 1] = address end
  for _, address in ipairs(b.allow) do
    if not lists.has(list, address) then list[#list + 1] = address end
  end
  return { allow = list }
end

-- An address that the command itself wanted to bind is its own: a loopback of its own has it.
local function own_ports(evidence)
  local ports = {}
  for _, entry in ipairs(evidence) do
    local port = entry.operation == "bind" and tostring(entry.address):match(":(%d+)$")
    if port then ports[port] = true end
  end
  return ports
end

local function is_own(entry, ports)
  local address = entry.operation == "connect" and addresses.read(entry.address or "")
  return address and address.port and ports[tostring(address.port)]
    and addresses.is_loopback(address)
end

local function finish(ctx, found)
  if found.writable_roots then found.writable_roots = M.collapse(ctx, found.writable_roots) end
  if found.readable then found.readable = M.collapse(ctx, found.readable) end
  local before = ctx.plan.network
  if type(found.network) == "table" and before == "loopback" then found.network = "full" end
  if type(before) == "table" and found.network == "loopback" then found.network = "full" end
  if found.network == "full" then
    -- a list of sockets says nothing beside it, and is misuse
    found.unix_sockets = #(ctx.policy.unix_sockets or {}) > 0 and false or nil
  end
  return next(found) ~= nil and found or nil
end

--- The grants of these refusals as fields of a policy; nil where nothing is to be granted.
---@param grants sbx.Grant[]
---@param sensitive_too boolean|nil
---@return table|nil
function M.fields(ctx, grants, sensitive_too)
  local found = {}
  for _, grant in ipairs(grants) do
    local field = (not grant.sensitive or sensitive_too) and grant.field
    if field == "network" then
      found.network = join_network(found.network, grant.value)
    elseif field then
      found[field] = found[field] or {}
      if not lists.has(found[field], grant.value) then
        table.insert(found[field], grant.value)
      end
    end
  end
  return finish(ctx, found)
end

-- A command may be refused very much; what is shown and granted is little.
local MOST = 512

--- One grant for each refusal, in their order.
---@param ctx sbx.SuggestContext
---@param evidence table[]
---@return sbx.Grant[]
function M.grants(ctx, evidence)
  local list, ports = {}, own_ports(evidence)
  for i = 1, math.min(#evidence, MOST) do
    local entry = evidence[i]
    list[i] = is_own(entry, ports) and { field = "network", value = "loopback" }
      or M.grant(ctx, entry)
  end
  return list
end

--- A policy that would allow what was refused, made from the one that refused it; nil where nothing
--- should. Notes the grant of each refusal in it (`grant`).
---@param ctx sbx.SuggestContext
---@param policy string|table  as in opts
---@param evidence table[]
---@return table|nil
function M.policy(ctx, policy, evidence)
  local grants, wanted, cause = M.grants(ctx, evidence), {}, nil
  for i, grant in ipairs(grants) do
    evidence[i].grant = grant
    if evidence[i].cause then cause = grant end
  end
  for _, grant in ipairs(grants) do
    -- the network by the way is too much: a look for updates is refused beside a file
    local by_the_way = grant.field == "network" and cause and cause.field ~= "network"
    if not by_the_way then wanted[#wanted + 1] = grant end
  end
  local fields = M.fields(ctx, wanted)
  return fields and widen.policy(policy, fields)
end

return M

-- What would allow what was refused: for each refusal the narrowest grant, or why there is none;
-- of all together a policy table.

local below = require "sbx.below"
local lists = require "sbx.lists"
local netgrants = require "sbx.netgrants"
local pathgrants = require "sbx.pathgrants"
local paths = require "sbx.paths"
local sensitive = require "sbx.sensitive"
local tries = require "sbx.tries"
local widen = require "sbx.widen"

local M = {}

-- More entries than this in one directory, and the directory stands for them.
M.MOST_SIBLINGS = 3

---@class sbx.Grant
---@field field string?      of a policy: "writable_roots", "readable", "unix_sockets", "network"
---@field value any?         an entry of that list; of network the word, or {allow = {…}}
---@field sensitive string?  what one would give away: not in `suggest`
---@field never string?      why no grant is offered at all
---@field instead string?    the refusal whose grant stands for this one too
---@field holds string?      of a directory: what is sensitive in it and stays read-only

---@class sbx.SuggestContext
---@field policy table      resolved
---@field plan table
---@field home string?
---@field own string[]?     the engine's own places
---@field runtime string?   $XDG_RUNTIME_DIR
---@field cwd string?       of the command
---@field tmpdir string?
---@field stat fun(path: string): table?
---@field lstat (fun(path: string): table?)?
---@field realpath (fun(path: string): string?)?
---@field list (fun(path: string): string[]?)?  nil: nobody looks below what is granted
---@field contained boolean?  whether a part of a writable root can be kept read-only
---@field looked table<string, sbx.Below>?  what was found below directories
---@field allows (fun(): boolean)?  whether {allow = …} can be held here

M.ungrantable = pathgrants.ungrantable

--- The narrowest grant for one refusal.
---@param ctx sbx.SuggestContext
---@return sbx.Grant
function M.grant(ctx, entry)
  if entry.address or entry.family then return netgrants.grant(ctx, entry) end
  local path = entry.path
  if not path or path:sub(1, 1) ~= "/" or path:find("[%z%*%?%[$]") then
    return { never = "no policy gives it" }
  end
  return pathgrants.grant(ctx, entry)
end

-- By components, so that what lies in a directory comes right behind it.
local function by_place(list)
  local keys, path_of = {}, {}
  for i, path in ipairs(list) do
    keys[i] = path:gsub("/", "\1")
    path_of[keys[i]] = path
  end
  table.sort(keys)
  for i, key in ipairs(keys) do keys[i] = path_of[key] end
  return keys
end

-- What lies in something else that is granted adds nothing.
local function outermost(list)
  local kept = {}
  for _, path in ipairs(by_place(list)) do
    local last = kept[#kept]
    if not last or not paths.covers(last, path) then kept[#kept + 1] = path end
  end
  return kept
end

local function may_stand_for(ctx, directory)
  return not M.ungrantable(directory) and not sensitive.path(directory, ctx)
    and paths.depth(directory) > 1 and not below.reason(ctx, directory)
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

local function finish(ctx, found, sensitive_too)
  if found.writable_roots then
    found.writable_roots = M.collapse(ctx, found.writable_roots)
    found.read_only = not sensitive_too and below.kept(ctx, found.writable_roots) or nil
  end
  if found.readable then found.readable = M.collapse(ctx, found.readable) end
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
      found.network = netgrants.join(found.network, grant.value, sensitive_too)
    elseif field then
      found[field] = found[field] or {}
      if not lists.has(found[field], grant.value) then
        table.insert(found[field], grant.value)
      end
    end
  end
  return finish(ctx, found, sensitive_too)
end

-- A command may be refused very much; what is shown and granted is little.
local MOST = 512

--- One grant for each refusal, in their order.
---@param ctx sbx.SuggestContext
---@param evidence table[]
---@return sbx.Grant[]
function M.grants(ctx, evidence)
  local list, first = {}, {}
  for i = 1, math.min(#evidence, MOST) do
    first[i] = evidence[i]
    list[i] = M.grant(ctx, evidence[i])
  end
  netgrants.give_own(ctx, first, list)
  tries.note(ctx, first, list)
  netgrants.settle(first, list)
  return list
end

-- Whether nothing but the whole network was refused that could be given.
local function is_all_whole(grants)
  for _, grant in ipairs(grants) do
    if grant.field and grant.value ~= "full" then return false end
  end
  return true
end

-- Whoever approves may be asked for the whole network where nothing less would have helped the
-- refusal that was why (or where nothing else was refused, as long as that isn't known); in no
-- other case is it offered.
local function for_approval(evidence, grants, i, cause)
  local grant = grants[i]
  if grant.value ~= "full" or tries.has_narrower(evidence, grants, i) then return grant end
  local is_why = evidence[i].cause or not cause and is_all_whole(grants)
  return is_why and { field = grant.field, value = grant.value } or grant
end

-- The network by the way is too much: a look for updates is refused beside a file.
local function is_by_the_way(grant, cause)
  return grant.field == "network" and cause and cause.field ~= "network"
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
  for i, grant in ipairs(grants) do
    if not grant.instead and not is_by_the_way(grant, cause) then
      wanted[#wanted + 1] = for_approval(evidence, grants, i, cause)
    end
  end
  local fields = M.fields(ctx, wanted)
  return fields and widen.policy(policy, fields)
end

return M

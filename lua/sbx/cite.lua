-- A rule of a policy in words: where it was written, and what stands there. And the verdict that
-- rests on it.

local sources = require "sbx.sources"

local M = {}

-- What workspace-write brings by itself, as roots.lua writes it.
local IMPLICIT = { ["${cwd}"] = "cwd", ["/tmp"] = "/tmp", ["${TMPDIR}"] = "$TMPDIR" }

local function at(source, text)
  return (source or sources.DEFAULT) .. ": " .. text
end

--- A field with its value: `policies/read-only.lua:6: network = "none"`.
---@param policy table  resolved: with `sources`
function M.field(policy, name)
  local source, value = sources.OPTION, policy[name]
  if policy.sources then source = policy.sources[name] end
  if type(source) == "table" then source = source[1] end
  if type(value) ~= "string" then return at(source, name) end
  return at(source, string.format("%s = %q", name, value))
end

local function is_implicit(policy, field, entry)
  if field ~= "writable_roots" or not IMPLICIT[entry.entry] then return false end
  for index, text in ipairs(policy.writable_roots or {}) do
    local from = ((policy.sources or {}).writable_roots or {})[index]
    if text == entry.entry and from == entry.source then return false end
  end
  return true
end

--- An entry of a plan's list: `policies/mine.lua:4: writable_roots "~/x"`.
---@param entry sbx.Entry
function M.entry(policy, field, entry)
  if is_implicit(policy, field, entry) then
    return at(entry.source, string.format("mode = %q (%s)", tostring(policy.mode),
                                          IMPLICIT[entry.entry]))
  end
  local name = entry.entry or field == "protect" and entry.path:match("[^/]+$") or entry.path
  return at(entry.source, string.format("%s %q", field, name))
end

--- An entry of network.allow.
---@param peer sbx.Peer
function M.peer(peer)
  return at(peer.source, string.format("network.allow %q", peer.entry))
end

---@class sbx.Said  a verdict, before verdict.lua adds of what it is
---@field allowed boolean
---@field rule string    where the deciding entry was written, and its text
---@field layer string   what holds it: "landlock", "read-only mount", "seccomp", …; "none"
---@field reason string

---@param allowed boolean
---@param rule string
---@param layer string
---@param reason string
---@return sbx.Said
function M.verdict(allowed, rule, layer, reason)
  return { allowed = allowed, rule = rule, layer = layer, reason = reason }
end

return M

-- Refusals as lines for people: what, by which rule, and the narrowest grant.

local lua_text = require("sbx.cli.lua_text")
local text = require("sbx.text")

local M = {}

M.SHOWN = 3

local OPTIONS = {
  writable_roots = "-w", readable = "--readable", unix_sockets = "--unix-socket",
  network = "--network",
}

--- The option of the command line that stands for a grant.
---@param grant sbx.Grant
function M.option(grant)
  if type(grant.value) == "table" then
    return text.command({ "--allow-connect", grant.value.allow[1] })
  end
  return text.command({ OPTIONS[grant.field], grant.value })
end

--- The line of a policy that stands for it.
function M.policy_line(grant)
  local value = grant.field == "network" and grant.value or { grant.value }
  return grant.field .. " = " .. lua_text.value(value)
end

local function times(count)
  if (count or 1) < 2 then return "" end
  return string.format(", %d times", count)
end

--- "write /home/me/x (EROFS, 12 times, by cargo)"
function M.what(entry)
  local family = entry.family and entry.family .. (entry.kind and " " .. entry.kind or "")
  local subject = entry.path or entry.address or family or entry.syscall
  local target = entry.target and entry.target ~= "" and " to " .. entry.target or ""
  local by = entry.program and entry.program ~= "" and ", by " .. entry.program or ""
  return string.format("%s%s%s (%s%s%s)", tostring(entry.operation),
                       subject and " " .. subject or "", target, tostring(entry.errno or "refused"),
                       times(entry.count), by)
end

--- How it could be allowed, in words; nil where nothing is known.
---@param grant sbx.Grant|nil
function M.advice(grant)
  if not grant then return nil end
  if grant.never then return "no grant is offered: " .. grant.never end
  local words = string.format("to allow it: %s (in a policy: %s)", M.option(grant),
                              M.policy_line(grant))
  if grant.instead then return "what allows " .. grant.instead .. " may be enough" end
  if grant.sensitive then
    local asks = grant.value == "full" and "; careful: that is " -- an on_denied may be asked
      or "; careful, not offered by itself: that is "
    return words .. asks .. grant.sensitive
  end
  if grant.holds then
    return words .. "; careful: it holds " .. grant.holds .. " (in a policy: "
      .. "read_only = " .. lua_text.value({ grant.holds }) .. " keeps it)"
  end
  return words
end

-- The cause first, the rest in their order.
local function in_order(evidence)
  local list = {}
  for _, entry in ipairs(evidence) do
    if entry.cause then table.insert(list, 1, entry) else list[#list + 1] = entry end
  end
  return list
end

local function rule_line(entry)
  local layer = entry.layer and entry.layer ~= "" and " (" .. entry.layer .. ")" or ""
  return entry.rule and "  " .. entry.rule .. layer or nil
end

local function more_words(denial, shown)
  local rest = #denial.evidence - shown + (tonumber(denial.dropped) or 0)
  if rest > 0 then return "and " .. rest .. " more (--json lists them)" end
end

local NETWORK = { connect = true, send = true, socket = true }

--- A listener that says the first refusal of the network when it happens: a command may try for
--- minutes before it ends. Sockets of other kinds are asked for by the way (names, users).
---@param say sbx.cli.Reporter
---@return fun(entry: table)
function M.first(say)
  local said = false
  return function(entry)
    local internet = entry.address and not entry.address:find("^unix:")
      or tostring(entry.family):find("^inet") ~= nil
    if said or not NETWORK[entry.operation] or not internet then return end
    said = true
    say.warn("refused: " .. M.what(entry) .. "; the command goes on")
  end
end

--- Says what was refused. Equal rules and grants that follow each other are said once.
---@param denial sbx.Denial
---@param say sbx.cli.Reporter
function M.tell(denial, say)
  local list, rule, advice = in_order(denial.evidence), nil, nil
  for i = 1, math.min(#list, M.SHOWN) do
    say.warn("refused: " .. M.what(list[i]))
    local line, words = rule_line(list[i]), M.advice(list[i].grant)
    local next_one = list[i + 1]
    local same = i < M.SHOWN and next_one and M.advice(next_one.grant) == words
      and rule_line(next_one) == line
    if not same and line and line ~= rule then say.note(line) end
    if not same and words and (words ~= advice or line ~= rule) then say.note("  " .. words) end
    if not same then rule, advice = line, words end
  end
  local more = more_words(denial, math.min(#list, M.SHOWN))
  if more then say.note(more) end
end

return M

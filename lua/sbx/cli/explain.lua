-- sbxlua explain: what would hold a command, layer by layer, and what would not be held.

local names_of = require("sbx.lists").names
local run_options = require("sbx.cli.run_options")
local text = require("sbx.text")
local verb = require("sbx.cli.verb")

local M = {
  usage = "Usage: sbxlua explain [options] [--] CMD...\n"
    .. "       sbxlua explain [options] --sh SCRIPT",
  description = "Says what would hold a command, layer by layer, which rule asks for it (file and"
    .. " line), and what is not enforced on this machine. Runs nothing. The options are those of"
    .. " run.",
  options = run_options.options,
  takes_words = true,
}

local function add(rows, label, words, rule)
  rows[#rows + 1] = { label, text.escape(words or ""), rule and text.escape(rule) or "" }
end

-- The label stands at the first of several rows.
local function add_list(rows, label, list, words_of)
  for i, one in ipairs(list) do
    local words, rule = words_of(one)
    add(rows, i == 1 and label or "", words, rule)
  end
end

local function by_path(entry) return entry.path, entry.rule end

-- What was asked for and is not held must not read as if it were.
local function asked_for(found, property)
  local mark = ""
  for _, entry in ipairs(found.missing) do
    if entry.property == property and not found.enforced[property] then
      mark = " (asked for, NOT held here)"
    end
  end
  return function(entry)
    return entry.path .. (entry.exists == false and " (is not there)" or "") .. mark, entry.rule
  end
end

local function sandboxed(found) return found.type ~= "none" end

-- ---- sections: each adds its rows ----

local function whole(found, rows)
  add(rows, "command", text.command(found.command))
  add(rows, "in", found.cwd)
  add(rows, "policy", found.policy .. (found.doc and ": " .. found.doc or ""), found.mode_rule)
  add_list(rows, "widened", found.widened, function(one)
    return string.format("%s: %s drops what stood there%s", one.field,
      one.how == "false" and "false" or "{replace = ...}",
      one.before and " (" .. tostring(one.before) .. ")" or ""), one.rule
  end)
end

local NAMESPACES = {
  pid = "PID", mount = "mount", user = "user", net = "network", ipc = "IPC", uts = "UTS",
}

local function namespaces_words(names)
  local words = {}
  for i, name in ipairs(names) do words[i] = NAMESPACES[name] or name end
  return #words > 0 and table.concat(words, ", ") or "none"
end

local function tiers(found, rows)
  if not sandboxed(found) then
    add(rows, "tier", "none: no sandbox", found.mode_rule)
    return
  end
  add_list(rows, "tier", found.alternatives, function(one)
    local state = one.used and "is used" or one.works and "follows where the machine refuses that"
      or "doesn't work here: " .. tostring(one.reason)
    return string.format("%s (namespaces: %s; ended by: %s)", one.tier,
                         namespaces_words(one.namespaces), one.kill), state
  end)
end

local function files(found, rows)
  if not sandboxed(found) then return end
  local lists = found.files
  if found.mode == "danger-full-access" then
    add(rows, "writable", "everything", found.mode_rule)
  elseif #lists.writable == 0 then
    add(rows, "writable", "nothing but the harmless devices", found.mode_rule)
  end
  add_list(rows, "writable", lists.writable, by_path)
  if found.mode ~= "danger-full-access" then
    add(rows, "read-only", "everything else that can be read", found.mode_rule)
  end
  add_list(rows, "", lists.read_only, asked_for(found, "protect"))
  add_list(rows, "protected", lists.protect, asked_for(found, "protect"))
  if lists.readable then
    add_list(rows, "readable", lists.readable, by_path)
    if #lists.readable == 0 then add(rows, "readable", "nothing but what can be written") end
  else
    add(rows, "readable", "everything" .. (#lists.deny_read > 0 and " but what is hidden" or ""))
  end
  add_list(rows, "hidden", lists.deny_read, asked_for(found, "read_deny"))
end

local NETWORKS = {
  none = "none", full = "full: everything that the host reaches",
  loopback = "a 127.0.0.1 and ::1 of its own, nothing of the host's",
  allow = "connections to these, made by the supervisor; nothing else",
}

local function network(found, rows)
  add(rows, "network", NETWORKS[found.network.mode] or found.network.mode, found.network.rule)
  add_list(rows, "", found.network.allow, function(one)
    return one.address .. (one.resolved and " (resolved when the command starts)" or ""), one.rule
  end)
  if found.network.asks then add(rows, "", "what on_connect lets, within a second") end
  add_list(rows, "sockets", found.files.unix_sockets, by_path)
end

local function landlock_words(landlock)
  local words = { "ABI " .. landlock.abi .. ", " .. landlock.rules .. " rules" }
  if landlock.writes then words[#words + 1] = "writes" end
  if landlock.reads then words[#words + 1] = "reads" end
  if landlock.tcp then words[#words + 1] = "TCP ports" end
  for _, scope in ipairs(landlock.scopes or {}) do words[#words + 1] = (scope:gsub("_", " ")) end
  return table.concat(words, "; ")
end

local function layers(found, rows)
  if found.landlock then add(rows, "landlock", landlock_words(found.landlock)) end
  if found.seccomp then
    local families = table.concat(found.seccomp.families, " ")
    add(rows, "seccomp", "sockets of: " .. (families == "" and "no family (stream pairs work)"
                                            or families))
    add(rows, "", string.format("refuses %d calls: %s", #found.seccomp.calls,
                                table.concat(found.seccomp.calls, " ")))
    add(rows, "", "by their arguments: " .. table.concat(found.seccomp.partly, " "))
  end
  if not sandboxed(found) then return end
  local kept = table.concat(found.capabilities, ", ")
  add(rows, "privileges", (kept == "" and "no capability" or "keeps " .. kept)
      .. (found.no_new_privs and "; set-user-ID programs give none" or ""))
end

local function environment(found, rows)
  add(rows, "environment", "passed: " .. table.concat(found.env.passed, " "))
  if #found.env.dropped > 0 then
    add(rows, "", "dropped: " .. table.concat(found.env.dropped, " "))
  end
end

local function ms(value) return value and string.format("%d ms", value) or "none" end

local function ending(found, rows)
  local times = found.times
  local grace = times.kill_grace_ms and times.kill_grace_ms > 0
    and "TERM, KILL after " .. ms(times.kill_grace_ms) or "KILL at once"
  add(rows, "time-out", ms(times.timeout_ms) .. "; without output: " .. ms(times.idle_timeout_ms)
      .. "; to the whole tree: " .. grace)
  add_list(rows, "limits", names_of(found.limits), function(name)
    return string.format("%s = %d", name, found.limits[name]), found.limit_rules[name]
  end)
end

local function held(found, rows)
  add_list(rows, "holds", names_of(found.enforced), function(name)
    return name .. ": " .. found.enforced[name]
  end)
  add_list(rows, "NOT held", found.missing, function(entry)
    return entry.property .. ": " .. tostring(entry.reason)
  end)
end

local SECTIONS = { whole, tiers, files, network, layers, environment, ending, held }

-- The second column is as wide as each line needs: one long path would push all rules away.
local function tell(found)
  local rows, lines = {}, {}
  for _, section in ipairs(SECTIONS) do section(found, rows) end
  for i, row in ipairs(rows) do
    local rule = row[3] ~= "" and "   [" .. row[3] .. "]" or ""
    lines[i] = { row[1], row[2] .. rule }
  end
  verb.write(verb.columns(lines))
end

-- Every field is always there, null where it doesn't apply.
local FIELDS = {
  "v", "command", "cwd", "policy", "doc", "mode", "mode_rule", "type", "tier", "alternatives",
  "namespaces", "files", "network", "landlock", "seccomp", "capabilities", "no_new_privs", "env",
  "times", "limits", "limit_rules", "kill", "enforced", "missing", "widened", "error",
}

local function print_object(found)
  local json = require("sbx.json")
  found.v = 1
  found.files.readable = found.files.readable or json.null
  for name, value in pairs(found.times) do found.times[name] = value or json.null end
  json.write(found, FIELDS, verb.write)
end

local function act(values, rest)
  local opts, err = run_options.opts(values, rest)
  if not opts then return verb.fail(err, values.json) end
  local ok, found, raw = pcall(require("sbx.explaining").explain, opts)
  if not ok then return verb.fail(tostring(found), values.json) end
  if not found then return verb.fail(raw, values.json) end
  if values.json then print_object(found) elseif not values.quiet then tell(found) end
  return 0
end

function M.main(words) return verb.main(M, words, act) end

return M

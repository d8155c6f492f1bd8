-- The macOS form of a plan: the argv of sandbox-exec, with a profile in its own language made from
-- the same policy. Text only: it is made everywhere and runs on macOS alone.

local paths = require "sbx.paths"

local M = {}

M.PROGRAM = "/usr/bin/sandbox-exec"

-- What a program needs to start and to see of itself.
local BASE = [[
(version 1)
(deny default)

; a command may start others, and reach only what it started
(allow process-fork)
(allow process-exec)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))

; what the C library asks of the system at start
(allow sysctl-read)
(allow user-preference-read)
(allow ipc-posix-sem)
(allow mach-lookup
  (global-name "com.apple.system.logger")
  (global-name "com.apple.system.notification_center")
  (global-name "com.apple.system.opendirectoryd.libinfo"))
]]

-- After all rules for paths: no policy takes these away.
local DEVICES = [[

; harmless devices and the terminal
(allow file-read* file-write-data file-ioctl
  (literal "/dev/null") (literal "/dev/zero") (literal "/dev/random") (literal "/dev/urandom")
  (literal "/dev/tty") (literal "/dev/dtracehelper"))
]]

-- dyld and the frameworks, whatever `readable` says about the rest.
local METADATA = [[

; names and kinds of files, without which no path can be followed
(allow file-read-metadata)
]]

local NETWORK = {
  none = "",
  full = [[

(allow network*)
(allow system-socket)
(allow mach-lookup
  (global-name "com.apple.dnssd.service")
  (global-name "com.apple.SecurityServer")
  (global-name "com.apple.trustd.agent")
  (global-name "com.apple.SystemConfiguration.configd"))
]],
}

---@class sbx.SeatbeltRule
---@field path string
---@field rank number   at one path the later rule wins: writable, read-only, deny
---@field text string
---@field name string   parameter

local function add(rules, entries, name, rank, text)
  for index, entry in ipairs(entries or {}) do
    rules[#rules + 1] = {
      path = entry.path, rank = rank, text = text, name = name .. "_" .. index - 1,
    }
  end
end

-- The last rule that matches decides, so the most specific comes last.
local function by_depth(rules)
  for _, rule in ipairs(rules) do rule.depth = paths.depth(rule.path) end
  table.sort(rules, function(a, b)
    if a.depth ~= b.depth then return a.depth < b.depth end
    if a.path ~= b.path then return a.path < b.path end
    if a.rank ~= b.rank then return a.rank < b.rank end
    return a.name < b.name
  end)
  return rules
end

local function rules_of(plan)
  local rules = {}
  add(rules, plan.readable, "READABLE", 1, "(allow file-read* (subpath (param \"%s\")))")
  add(rules, plan.writable, "WRITABLE_ROOT", 2,
      "(allow file-read* file-write* (subpath (param \"%s\")))")
  add(rules, plan.read_only, "READ_ONLY", 3, "(deny file-write* (subpath (param \"%s\")))")
  add(rules, plan.protect, "PROTECTED", 4, "(deny file-write* (subpath (param \"%s\")))")
  add(rules, plan.deny_read, "DENIED", 5,
      "(deny file-read* file-write* (subpath (param \"%s\")))")
  return by_depth(rules)
end

local function start_of_paths(plan)
  if plan.mode == "danger-full-access" then
    return "\n(allow file-read* file-write* file-ioctl)\n"
  end
  return plan.readable and METADATA or "\n(allow file-read*)\n"
end

local function sockets(plan, parameters)
  if plan.network == "full" or #(plan.unix_sockets or {}) == 0 then return "" end
  local lines = { "", "(allow system-socket)" }
  for index, entry in ipairs(plan.unix_sockets) do
    local name = "SOCKET_" .. index - 1
    lines[#lines + 1] = string.format("(allow network-outbound (literal (param \"%s\")))", name)
    parameters[#parameters + 1] = "-D" .. name .. "=" .. entry.path
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The profile's text, and its parameters as `-DNAME=VALUE`. Paths stand in parameters only: no
--- path can break out of the text.
---@param plan sbx.Plan
---@return string profile, string[] parameters
function M.profile(plan)
  local text, parameters = { BASE, start_of_paths(plan) }, {}
  for _, rule in ipairs(rules_of(plan)) do
    text[#text + 1] = rule.text:format(rule.name) .. "\n"
    parameters[#parameters + 1] = "-D" .. rule.name .. "=" .. rule.path
  end
  text[#text + 1] = DEVICES
  text[#text + 1] = NETWORK[plan.network] or NETWORK.none
  text[#text + 1] = sockets(plan, parameters)
  return table.concat(text), parameters
end

--- The whole argv.
---@param plan sbx.Plan
---@param argv string[]
---@return string[]|nil, {kind: string, message: string}|nil
function M.command(plan, argv)
  if plan.network == "loopback" then
    return nil, {
      kind = "policy", message = "network = \"loopback\" can't be had on macOS: Seatbelt can't tell"
        .. " the command's own servers from the host's",
    }
  end
  local profile, parameters = M.profile(plan)
  local command = { M.PROGRAM, "-p", profile }
  for _, parameter in ipairs(parameters) do command[#command + 1] = parameter end
  command[#command + 1] = "--"
  for _, word in ipairs(argv) do command[#command + 1] = word end
  return command
end

return M

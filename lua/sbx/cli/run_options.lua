-- The options of `sbxlua run`, and what they come to: the opts of sbx.spawn.

local core = require("sbx.core")
local errors = require("sbx.errors")
local fields = require("sbx.fields")
local policy_words = require("sbx.cli.policy_words")
local program = require("sbxlua.program")
local units = require("sbx.cli.units")

local M = {
  usage = "Usage: sbxlua run [options] [--] CMD...\n       sbxlua run [options] --sh SCRIPT",
  description = "Runs one command under a policy. Its output is passed on as it comes, its exit"
    .. " status is that of sbxlua; 124: timed out, 128+n: died of signal n, 125: sbxlua itself"
    .. " failed, 126: not executable, 127: not found.",
}

---@type sbx.cli.Option[]
M.options = {
  { name = "policy", short = "p", arg = "NAME|FILE",
    help = "The policy (read-only). A word with a / or ending in .lua is a file." },
  { name = "policy-json", arg = "TEXT|@FILE", help = "Fields of a policy as JSON." },
  { name = "writable-root", short = "w", arg = "DIR", list = true,
    help = "DIR can be written; under read-only exactly DIR." },
  { name = "read-only", arg = "PATH", list = true, help = "PATH stays read-only." },
  { name = "readable", arg = "PATH", list = true,
    help = "Only what is named so can be read (\"${platform}\": what programs need to start)." },
  { name = "deny-read", arg = "PATH", list = true, help = "PATH can't be read." },
  { name = "network", arg = "none|loopback|full", help = "Which network the command has." },
  { name = "allow-connect", arg = "HOST:PORT", list = true,
    help = "HOST:PORT may be connected to; a name is resolved once, at the start." },
  { name = "unix-socket", arg = "PATH", list = true,
    help = "The socket PATH may be connected to." },
  { name = "cwd", short = "C", arg = "DIR", help = "Where the command starts." },
  { name = "timeout", short = "t", arg = "DURATION",
    help = "End the whole tree after 90s, 5m, 500ms; 0: never (default)." },
  { name = "timeout-ms", arg = "N", help = "The same in milliseconds." },
  { name = "idle-timeout-ms", arg = "N", help = "End it after N ms without output." },
  { name = "limit", arg = "NAME=N", list = true,
    help = "memory_bytes, cpu_ms, file_bytes, output_bytes end it; processes, open_files refuse."
      .. " N may be 64M; none lifts the policy's." },
  { name = "max-output", arg = "SIZE",
    help = "How much of each stream is kept (10M with --json)." },
  { name = "env", arg = "NAME=VALUE|NAME", list = true,
    help = "Set a variable, or pass on mine." },
  { name = "clear-env", help = "Start from no variables: only --env." },
  { name = "inherit", arg = "core|all|none", help = "Which of my variables are passed on (core)." },
  { name = "stdin", help = "Pass on my stdin (default unless it is a terminal, or with --json)." },
  { name = "no-stdin", help = "/dev/null as stdin." },
  { name = "merge-stderr", help = "stderr into stdout, in exact order." },
  { name = "sh", arg = "SCRIPT", help = "Run a line with /bin/sh." },
  { name = "arg0", arg = "NAME", help = "What the command sees as its own name." },
  { name = "call-id", arg = "ID", help = "Comes back in the result." },
  { name = "tier", arg = "auto|contained|landlock", help = "Which set of layers." },
  { name = "require", arg = "PROPERTY", list = true,
    help = "Refuse to run unless this holds: fs, metadata, unix_sockets, network, kill_tree,"
      .. " read_deny, protect, limits." },
  { name = "allow-missing", arg = "PROPERTY", list = true,
    help = "Run although this can't be held here." },
  { name = "sandbox", arg = "TYPE", help = "auto, none, linux-seccomp." },
  { name = "watch", help = "See each refused access as it happens." },
  { name = "no-watch", help = "Don't: a denial is then judged by exit status and output alone." },
  { name = "audit", arg = "FILE", help = "Append what was run and refused to FILE (JSON lines)." },
  { name = "json", help = "One JSON object on stdout and nothing else." },
  { name = "quiet", short = "q", help = "Say nothing but errors of sbxlua itself." },
  { name = "pty", later = true },
  { name = "with", arg = "FILE", later = true },
}

-- ---- from words to opts: each takes the values and opts; true, or nil and a message ----

local function set_command(values, rest, opts)
  if not values.sh then
    opts.command = rest
    return true
  end
  if #rest > 0 then return nil, "give a command or --sh SCRIPT, not both" end
  opts.script = values.sh
  return true
end

-- Only these two options know 0 for "none": in Lua it is an error.
local function read_timeout(values)
  if values.timeout and values.timeout_ms then return nil, "give --timeout or --timeout-ms" end
  if values.timeout_ms then return units.count(values.timeout_ms) end
  if values.timeout then return units.duration(values.timeout) end
  return 0
end

local function set_times(values, opts)
  local ms, message = read_timeout(values)
  if not ms then return nil, message end
  opts.timeout_ms = ms > 0 and ms
  if not values.idle_timeout_ms then return true end
  opts.idle_timeout_ms, message = units.count(values.idle_timeout_ms)
  return opts.idle_timeout_ms, message
end

local function set_limits(values, opts)
  if not values.limit then return true end
  opts.limits = {}
  for _, word in ipairs(values.limit) do
    local name, value = word:match("^([^=]*)=(.*)$")
    if not name then return nil, "--limit " .. word .. ": write NAME=N" end
    opts.limits[name] = value ~= "none" and value
  end
  return true
end

-- Without --json nothing but the denial script reads what is kept: a megabyte of head and tail is
-- enough for it.
local PASSED_ON_BYTES = 1048576

local function set_output(values, opts)
  opts.merge_stderr = values.merge_stderr
  if not values.json then opts.max_output_bytes = PASSED_ON_BYTES end
  if not values.max_output then return true end
  local message
  opts.max_output_bytes, message = units.size(values.max_output)
  return opts.max_output_bytes, message
end

local function set_stdin(values, opts)
  if values.stdin and values.no_stdin then return nil, "give --stdin or --no-stdin" end
  local passed = values.stdin
  if not values.stdin and not values.no_stdin and not values.json then
    passed = not program.isatty(0)
  end
  if passed then opts.stdin = "inherit" end
  return true
end

local function set_env(values, opts)
  if values.inherit and values.clear_env then
    return nil, "--inherit says nothing with --clear-env: leave out one"
  end
  if values.inherit then opts.env_policy = { inherit = values.inherit } end
  opts.clear_env = values.clear_env
  if not values.env then return true end
  local mine
  opts.env = {}
  for _, word in ipairs(values.env) do
    local name, value = word:match("^([^=]*)=(.*)$")
    if not name then
      mine = mine or core.environ()
      name, value = word, mine[word]
    end
    if not value then return nil, "--env " .. name .. ": not set here (NAME=VALUE sets it)" end
    opts.env[name] = value
  end
  return true
end

-- "a,b" or an option for each.
local function properties(given)
  if not given then return nil end
  local list = {}
  for _, words in ipairs(given) do
    for word in words:gmatch("[^,]+") do list[#list + 1] = word end
  end
  return list
end

local function set_watch(values, opts)
  if values.watch and values.no_watch then return nil, "give --watch or --no-watch" end
  if values.watch then opts.watch = true elseif values.no_watch then opts.watch = false end
  opts.audit = values.audit
  return true
end

local function set_require(values, opts)
  opts.require, opts.allow_missing = properties(values.require), properties(values.allow_missing)
  return true
end

local function check_word(value, words, option)
  for _, word in ipairs(words) do
    if value == nil or value == word then return true end
  end
  return nil, errors.unknown("word for --" .. option .. ":", value, words)
end

-- Stops at the first that fails.
local function all(steps)
  for _, step in ipairs(steps) do
    local ok, message = step()
    if not ok then return nil, message end
  end
  return true
end

--- opts of sbx.spawn, or nil and an error.
---@return table|nil opts, sbx.Error?
function M.opts(values, rest)
  local opts = {
    cwd = values.cwd, arg0 = values.arg0, call_id = values.call_id,
    tier = values.tier, sandbox = values.sandbox,
  }
  local ok, message = all({
    function() return set_command(values, rest, opts) end,
    function() return set_times(values, opts) end,
    function() return set_limits(values, opts) end,
    function() return set_output(values, opts) end,
    function() return set_stdin(values, opts) end,
    function() return check_word(values.inherit, fields.INHERIT, "inherit") end,
    function() return set_env(values, opts) end,
    function() return set_require(values, opts) end,
    function() return set_watch(values, opts) end,
    function() return policy_words.set(values, opts) end,
  })
  if ok then return opts end
  return nil, errors.new("invalid_input", message)
end

return M

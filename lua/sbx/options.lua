-- The options of run, spawn and transform as data: what each takes and what stands in for it. One
-- loop reads them. A wrong type or name throws; a value that can't be run is `invalid_input`.

local errors = require "sbx.errors"
local fields = require "sbx.fields"
local kinds = require "sbx.kinds"

local M = {}

local MAX_BYTES = 9007199254740992 -- beyond 2^53 a number has lost digits already

M.PROPERTIES = fields.PROPERTIES
-- `allow_missing` may name what only `sandbox.missing` knows, too.
local MISSABLE = { "writable_root", "policy_entry", "watch", "hard_links" }
for i, name in ipairs(M.PROPERTIES) do table.insert(MISSABLE, i, name) end

-- They narrow or widen a policy, and a policy is one value: half of it in opts would be a second
-- place to look at.
local POLICY_FIELDS = {
  extends = true, mode = true, writable_roots = true, network_access = true, network = true,
  unix_sockets = true, read_only = true, protect = true, readable = true, deny_read = true,
  private_tmp = true, syscalls = true, exclude_slash_tmp = true, exclude_tmpdir_env_var = true,
}

---------------------------------------------------------------------------------------------------

---@class sbx.Options  what run, spawn and transform take; its array part is `command`
---@field command string[]?  argv; no shell is involved. It, the array part or `script` is required
---@field script string?     a line for /bin/sh -c
---@field cwd string?        of the command; the host's own directory
---@field policy string|table?  "read-only"; a name, a file (has a / or ends in .lua; relative: from
---  the host's own directory) or a table
---@field sandbox string?    "auto"; "none", or a type of `sbx.Sandbox`
---@field tier string?       "auto", "contained", "landlock"
---@field require string[]?  properties that must hold, or the run is refused
---@field allow_missing string[]?  properties that may be missing all the same
---@field timeout_ms integer|false?  ms from execve to the kill; 10000, none for spawn
---@field idle_timeout_ms integer|false?  ms without output; none
---@field kill_grace_ms integer?     ms from SIGTERM to SIGKILL, 0: SIGKILL at once
---@field drain_ms integer?          ms that what holds the output gets after the command's end, 100
---@field setup_timeout_ms integer?  ms to execve, 5000
---@field env table<string, string|false>?  over the filtered environment; false removes
---@field env_policy sbx.EnvPolicy?  the filter; the editable script's default
---@field clear_env boolean?         only `env`; false
---@field stdin string|true|integer?  text, true for job:write, a descriptor, "inherit"; /dev/null
---@field on_output (fun(stream: string, text: string?, about: table))?  pieces; nil at the end
---@field on_line (fun(stream: string, line: string?, about: table))?    whole lines; nil at the end
---@field max_output_deltas integer?  calls of each callback, 10000
---@field max_output_bytes integer|false?  kept of each stream, 10485760; false for all
---@field merge_stderr boolean?      stderr into stdout; false
---@field arg0 string?               what the command sees as argv[0]
---@field call_id string?            this and the next two come back in the result
---@field with_escalated_permissions boolean?
---@field justification string?
---@field loop function|"poll"?      as for `sbx.use`, for this job alone
---@field limits sbx.Limits?         over those of the policy, one by one; false takes one away
---@field on_connect (fun(request: sbx.ConnectRequest): boolean?)?  whether an address that
---  network.allow doesn't list may be connected to: only true is a yes, within a second
---@field ahead boolean?             true; false: none of its processes is made before it is asked
---  for
---@field watch boolean?             refused accesses are seen as they happen; with on_refused
---@field on_refused fun(evidence: table)?  each of them, when it is seen for the first time
---@field on_denied (fun(err: sbx.Error, opts: sbx.Options): sbx.Options?)?  run alone: opts for one
---  more run (`sbx.grant(opts, err.output.denial.suggest)`), nil to give up
---@field on_likely boolean?         on_denied also where nothing was seen; false
---@field audit string|(fun(event: table))?  a file that gets a line for each event, or a function
---@field pty boolean|table?         not in this version

---@class sbx.ConnectRequest
---@field address string  "127.0.0.1", "::1"
---@field port integer
---@field family "inet"|"inet6"
---@field host string?    the name in network.allow that has this address
---@field pid integer     of who asks, in the command's own PID namespace where it has one
---@field program string  as that process calls itself: any text

---@class sbx.Limits  whole numbers in any form, bytes also as "4G"
---@field memory_bytes number|string|false?  of all its processes; past it they are killed
---@field processes number|string|false?     at a time, threads too; more are refused (EAGAIN)
---@field cpu_ms number|string|false?        of all its processes; past it they are killed
---@field open_files number|string|false?    of each process; more are refused (EMFILE)
---@field file_bytes number|string|false?    of each file; SIGXFSZ
---@field output_bytes number|string|false?  of both streams together; past it they are killed

---@class sbx.Option
---@field name string
---@field kind string
---@field default any?
---@field words string[]?  what a word may be
---@field low number?      smallest number, 1
---@field high number?
---@field none boolean?    `false` stands for none
---@field verbs table<string, boolean>?  which take it; all when left out
---@field instead string?   what the others' callers do

-- `transform` starts nothing: what is done while a command runs is the host's to do.
local RUNNING = { run = true, spawn = true }
local READ = "read and count the output where the host spawns exec.command"
local END = "watch the time where the host spawns exec.command"
local AGAIN = "spawn again with sbx.grant(opts, err.output.denial.suggest) where err.kind is"
  .. " \"denied\""

---@type sbx.Option[]
M.OPTIONS = {
  { name = "command", kind = "argv" },
  { name = "script", kind = "string" },
  { name = "cwd", kind = "string" },
  { name = "policy", kind = "policy", default = "read-only" },
  { name = "sandbox", kind = "word", default = "auto", words = {
    "auto", "none", "linux-seccomp", "macos-seatbelt", "windows-restricted-token",
  } },
  { name = "tier", kind = "word", default = "auto", words = fields.TIERS },
  { name = "require", kind = "words", words = M.PROPERTIES },
  { name = "allow_missing", kind = "words", words = MISSABLE },
  { name = "timeout_ms", kind = "number", none = true },
  { name = "idle_timeout_ms", kind = "number", none = true, verbs = RUNNING, instead = END },
  { name = "kill_grace_ms", kind = "number", low = 0, default = 0, verbs = RUNNING, instead = END },
  { name = "drain_ms", kind = "number", low = 0, default = 100, verbs = RUNNING, instead = READ },
  { name = "setup_timeout_ms", kind = "number", default = 5000 },
  { name = "env", kind = "env" },
  { name = "env_policy", kind = "env_policy" },
  { name = "clear_env", kind = "boolean" },
  { name = "stdin", kind = "stdin", verbs = RUNNING,
    instead = "hand it to the host's own spawn" },
  { name = "on_output", kind = "callback", verbs = RUNNING, instead = READ },
  { name = "on_line", kind = "callback", verbs = RUNNING, instead = READ },
  { name = "max_output_deltas", kind = "number", low = 0, default = 10000, verbs = RUNNING,
    instead = READ },
  { name = "max_output_bytes", kind = "number", none = true, high = MAX_BYTES, default = 10485760,
    verbs = RUNNING, instead = READ },
  { name = "merge_stderr", kind = "boolean", verbs = RUNNING,
    instead = "join the streams where the host spawns exec.command" },
  { name = "arg0", kind = "string" },
  { name = "call_id", kind = "any_string" },
  { name = "with_escalated_permissions", kind = "boolean" },
  { name = "justification", kind = "any_string" },
  { name = "loop", kind = "loop", verbs = RUNNING, instead = "leave it out" },
  { name = "limits", kind = "limits" },
  { name = "watch", kind = "boolean", verbs = RUNNING, instead = "nobody is there to be told" },
  { name = "ahead", kind = "boolean", default = true },
  { name = "pty", kind = "later" },
  { name = "on_connect", kind = "callback", verbs = RUNNING,
    instead = "list the addresses in network = {allow = {…}}" },
  { name = "on_refused", kind = "callback", verbs = RUNNING,
    instead = "nobody is there to be told" },
  { name = "on_denied", kind = "callback", verbs = { run = true }, instead = AGAIN },
  { name = "on_likely", kind = "boolean", verbs = { run = true }, instead = AGAIN },
  { name = "audit", kind = "audit", verbs = RUNNING,
    instead = "log it where the host spawns exec.command" },
}

local BY_NAME, NAMES, DEFAULTS = {}, {}, {}
for i, option in ipairs(M.OPTIONS) do
  BY_NAME[option.name], NAMES[i] = option, option.name
  DEFAULTS[option.name] = option.default
end

local DEFAULT_TIMEOUT = { run = 10000, transform = 10000, spawn = false }

-- `false` asks for nothing.
local function check_verb(option, value, verb)
  if not option.verbs or option.verbs[verb] or value == false then return end
  local why = verb == "transform" and ", which starts nothing" or ""
  errors.throw(string.format("option %q is not for sbx.%s%s: %s", option.name, verb, why,
                             option.instead))
end

local function unknown_option(key)
  if POLICY_FIELDS[key] then
    errors.throw(string.format("option %q belongs to a policy: write policy = {extends = "
                               .. "\"workspace-write\", %s = …}", key, key))
  end
  errors.throw(errors.unknown("option", key, NAMES))
end

-- The array part of opts is the command; its keys are counted to find a hole.
local function read_named(opts, o, verb)
  local listed = 0
  for key, value in pairs(opts) do
    local option = BY_NAME[key]
    if option then
      local used, problem, err = kinds[option.kind](value, key, option)
      if err then return nil, err end
      if problem then return errors.fail("invalid_input", problem) end
      check_verb(option, value, verb)
      o[key] = used
    elseif type(key) == "number" and key >= 1 and key == math.floor(key) then
      listed = listed + 1
    else
      unknown_option(key)
    end
  end
  if listed ~= #opts then errors.throw("the command has a hole: an argument is nil") end
  return listed
end

local function read_command(opts, o, listed)
  local given = (listed > 0 and 1 or 0) + (o.command and 1 or 0) + (o.script and 1 or 0)
  if given > 1 then
    errors.throw("the command is given twice: write one of command, script and the array part")
  end
  if o.script then
    o.argv = { "/bin/sh", "-c", o.script }
  elseif listed > 0 then
    local argv, problem = kinds.copy_strings(opts, listed, "command")
    if not argv then return errors.fail("invalid_input", problem) end
    o.argv = argv
  else
    o.argv = o.command
  end
  if not o.argv or #o.argv == 0 then
    return errors.fail("invalid_input", "command args are empty")
  end
  return o
end

-- No option is a silent no-op: what would say nothing is refused with what to write instead.
local function check_together(o, verb)
  if o.sandbox == "none" and o.require and #o.require > 0 then
    errors.throw("option \"require\" asks for what sandbox = \"none\" can't hold: leave out one")
  end
  if o.sandbox == "none" and o.tier ~= "auto" then
    errors.throw("option \"tier\" says nothing with sandbox = \"none\": leave out one")
  end
  if o.sandbox == "none" and o.on_connect then
    errors.throw("option \"on_connect\" says nothing with sandbox = \"none\": leave out one")
  end
  if o.clear_env and o.env_policy then
    errors.throw("option \"env_policy\" says nothing with clear_env = true: leave out one")
  end
  if o.on_likely and not o.on_denied then
    errors.throw("option \"on_likely\" says nothing without on_denied: leave it out")
  end
  if o.on_refused and o.watch == false then
    errors.throw("option \"on_refused\" says nothing with watch = false: leave out one")
  end
  for _, name in ipairs({ "watch", "on_refused" }) do
    if o.sandbox == "none" and o[name] then
      errors.throw(string.format("option %q says nothing with sandbox = \"none\": leave out one",
                                 name))
    end
  end
  if verb == "run" and o.stdin == true then
    errors.throw("stdin = true is for sbx.spawn (job:write); give sbx.run the text itself")
  end
end

-- Who wants to hear of refusals wants them seen.
local function set_watch(o)
  local asks = o.on_refused or o.on_denied or o.audit
  if o.watch == nil and asks and o.sandbox ~= "none" then o.watch = true end
end

--- Checks opts and gives a table of its own, with the defaults in it and `argv` as the command.
---@param verb "run"|"spawn"|"transform"
---@param opts sbx.Options
---@return table|nil, sbx.Error?
function M.read(opts, verb)
  if type(opts) ~= "table" then
    errors.throw(string.format("sbx.%s takes a table of options, not %s", verb, type(opts)))
  end
  local o = { timeout_ms = DEFAULT_TIMEOUT[verb] }
  for name, value in pairs(DEFAULTS) do o[name] = value end
  local listed, err = read_named(opts, o, verb)
  if not listed then return nil, err end
  check_together(o, verb)
  set_watch(o)
  return read_command(opts, o, listed)
end

return M

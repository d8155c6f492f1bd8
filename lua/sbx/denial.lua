-- When a failure is taken for a refusal by the sandbox. Editable: ~/.config/sbxlua/denial.lua or
-- /etc/sbxlua/denial.lua may change what is here (`local base = ...; base.keywords[#base.keywords
-- + 1] = "x"; return base`).

local causes = require "sbx.causes"
local core = require "sbx.core"

local M = {}

local SIGSYS = 31

--- Looked for without regard to case in what the command wrote.
M.keywords = {
  "operation not permitted", "permission denied", "read-only file system", "seccomp", "sandbox",
  "landlock", "failed to write file",
}

--- How a shell says misuse, not executable, not found: no refusal, unless a keyword says so.
M.quick_reject_exit_codes = { 2, 126, 127 }

---------------------------------------------------------------------------------------------------
-- What a watched run is judged by: lower case, found anywhere in a line

--- How tools speak of a refused access, by operation; `all` of any.
M.phrases = {
  all = { "permission denied", "operation not permitted", "read-only file system", "not allowed",
          "access denied", "denied" },
  write = { "unable to write", "could not write", "cannot write", "can't write", "failed to write",
            "for writing", "readonly", "read-only", "not writable", "unable to open database",
            "cannot create", "can't create" },
  create = { "cannot create", "can't create", "could not create", "couldn't create",
             "unable to create", "failed to create", "for writing", "unable to write",
             "not writable",
             "cannot mkdir", "mkdir failed", "failed to write", "cannot open output file",
             "can't open", "could not open", "could not lock", "unable to open", "cannot open",
             "failed to open", "readonly", "read-only", "cannot make", "failed to make",
             "no usable" },
  delete = { "cannot remove", "could not remove", "unable to remove", "failed to remove",
             "cannot delete", "could not delete", "unable to unlink", "unlink", "rmtree" },
  rename = { "cannot move", "cannot rename", "could not rename", "unable to rename",
             "rename failed", "failed to rename", "could not write", "inter-device move" },
  link = { "failed to create", "cannot link", "could not link", "unable to link",
           "create symlink", "create hard link" },
  metadata = { "changing permissions", "changing ownership", "setting times", "cannot set",
               "cannot change", "preserving", "utime", "chmod", "chown", "set permissions" },
  connect = { "no such host", "network is unreachable", "could not resolve", "couldn't resolve",
              "temporary failure in name resolution", "name or service not known",
              "failed to connect",
              "connection failed", "could not connect", "couldn't connect", "unable to connect",
              "cannot connect", "can't connect", "unable to access", "getaddrinfo", "eai_again",
              "connection refused", "unable to look up", "unable to resolve", "no address" },
  bind = { "bind", "listen", "address" },
  socket = { "no such host", "socket", "network is unreachable", "could not resolve",
             "couldn't resolve",
             "temporary failure in name resolution", "name or service not known",
             "failed to connect",
             "unable to access", "getaddrinfo", "eai_again", "could not connect",
             "couldn't connect",
             "unable to connect", "cannot connect", "unable to resolve", "unable to look up",
             "failure in name resolution", "no address", "resolving", "network" },
  send = { "no such host", "network is unreachable", "sendto", "send", "could not resolve",
           "temporary failure in name resolution", "name or service not known", "no servers" },
  read = { "cannot open", "can't open", "could not open", "unable to open", "unable to read",
           "could not read", "cannot read", "can't read", "failed to open", "failed to read" },
  execute = { "cannot execute", "exec" },
  signal = { "kill" },
  mount = { "mount" },
}

-- How tools that fetch something say that they reached nobody.
for _, phrase in ipairs({
  "no matching distribution", "from versions: none", "failed, reason:", "dial tcp", "enotfound",
  "failed to fetch", "failed to download",
}) do
  for _, operation in ipairs({ "connect", "socket", "send" }) do
    table.insert(M.phrases[operation], phrase)
  end
end

--- Patterns of paths whose refusal a program gets over: it must be named to count.
M.optional = {
  "/__pycache__$", "/__pycache__/", "%.pyc$", "%.pyc%.%d+$", "/%.cache$", "/%.cache/",
  "/%.pytest_cache", "/%.mypy_cache", "/%.ruff_cache", "/node_modules/%.cache", "/%.npm/_logs",
  "/%.npm/_cacache", "/%.npm/_update%-notifier%-last%-checked", "/%.ccache", "_history$",
  "/%.lesshst$", "/%.viminfo", "/%.npm$", "/%.wget%-hsts$", "/%.eslintcache$", "^/proc/",
  "^/dev/tty$", "/index%.lock$", "/%.config/configstore", "/nscd/socket$", "/%.gnupg/",
  "^socket:unix$", "^socket:netlink$",
}

--- What a last line says that speaks of another reason than a refusal.
M.own_reasons = {
  "assert", "syntaxerror", "syntax error", "no such ", "not found", "undefined", "undeclared",
  "expected", "nameerror", "typeerror", "valueerror", "keyerror", "indexerror", "zerodivision",
  "attributeerror", "importerror", "modulenotfound", "no module named", "tests failed",
  "test failed", "usage:", "unknown option",
  "unrecognized option", "invalid", "missing", "does not exist", "doesn't exist", "mismatch",
  "not a git repository", "did not match", "no rule to make target", "parse error",
  "unexpected", "bad argument", "command not found", "nothing to commit", "is a directory",
  "not a directory",
  "already exists", "file exists", "division by zero", "illegal", "ambiguous", "can't cd",
  "segmentation fault", "core dumped", "conflict", "panicked", "unable to locate", "no matching",
  "cannot find", "can't find", "could not find", "unable to find", "cannot resolve",
  "could not resolve", "cannot parse", "could not parse", "failed to parse", "out of range",
  "is wrong", "bad input",
}

--- The same as patterns. The command writes what they are held against: a repetition that may begin
--- anywhere (`%d+ x`) makes the host wait for the square of a line's length.
M.own_patterns = { "^[%w_%.]+error: ", "^[%w_%.]+exception: ", "tests? .-failed", "failed tests?",
  "%d failures?", "%d errors? generated" }

--- Where a traceback stands in the source: no reason, whatever the source says there.
M.frames = {
  "^%s*stack traceback:", "^%s*%[c%]: ", "^%s[^:]*:%d+: in ", -- Lua's
  "^%s+file \"", "^%s+at ", "^npm err[or!]+%s+at ",
}

--- What fails because something failed before: the process that was never started.
M.cleaning_up = { "no such process" }

--- What git does to its index; to its other commands the lock is only a refresh.
M.index_writers = {
  add = true, am = true, apply = true, checkout = true, ["cherry-pick"] = true, commit = true,
  merge = true, mv = true, pull = true, rebase = true, reset = true, restore = true,
  revert = true, rm = true, stash = true, switch = true,
}

--- Programs that start no other and say "no" by their status.
M.answers = {
  grep = true, egrep = true, fgrep = true, rg = true, diff = true, cmp = true, test = true,
  ["["] = true, expr = true,
}

--- Words of a line that tells of something which the program goes on without.
M.warnings = {
  "warning", "warn:", "note:", "disabled", "ignoring", "ignored", "skipping", "skipped",
  "continuing",
  "falling back", "fallback", "will not be", "not be saved", "no cache", "without cache",
}

--- What is said in the end of failures in general: of none but those that were refused, where all
--- that failed were.
M.summaries = {
  "tests failed", "test failed", "following tests", "errors while running",
  "failures", "failed tests",
}

--- Words of a line by which a program says that it can't go on.
M.giving_up = {
  "abort", "giving up", "gave up", "fatal", "failed", "failure", "cannot", "can't", "could not",
  "couldn't", "unable", "unsuccessful",
}

--- Parts of words for what a refusal may have kept from being done.
M.attempts = {
  "save", "saving", "writ", "creat", "open", "stor", "remov", "delet", "connect", "load", "log",
  "updat", "record", "persist", "lock", "dir", "file", "permi", "access", "output",
}

--- How programs say that they reach nobody; counts in a guess where the network is taken away.
M.network_phrases = {
  "network is unreachable", "could not resolve", "couldn't resolve", "name resolution",
  "name or service not known", "eai_again", "couldn't connect to server", "failed to connect",
}

--- How programs speak of what a sandbox refused without one of the keywords; counts in a guess.
M.guesses = {
  "attempt to write a readonly database", "unable to open database",
  "unable to create temporary object directory", "invalid cross-device link",
  "failure writing output to destination", "might be a permissions issue",
  "no usable temporary directory", "connect eperm", "connect eacces",
}

--- Lines that only pass on that something below failed.
M.passing_on = {
  "make: ***", "make[", "returned non-zero exit status", "returned 1 exit status",
  "npm error code", "npm error path", "npm error command", "npm error a complete log",
  "npm err! code", "lifecycle script", "exit status", "exit code", "error code", "command failed",
  "calledprocesserror",
  "ninja: build stopped", "failed (", "short test summary", "node.js v", "====", "test result:",
  "tests:", "test suites:",
  "failures:", "to rerun",
  "a complete log of this run", "collect2:", "exiting now", "xargs:",
}

local STREAMS = { "stderr", "stdout", "aggregated_output" }

local function keyword_in(text)
  if type(text) ~= "string" or text == "" then return nil end
  local lower = text:lower()
  for _, keyword in ipairs(M.keywords) do
    if lower:find(keyword:lower(), 1, true) then return keyword end
  end
end

local function is_quick_reject(exit_code)
  for _, code in ipairs(M.quick_reject_exit_codes) do
    if exit_code == code then return true end
  end
  return false
end

--- The heuristic: what the exit code and the text let one guess.
---@param sandbox_type string  "none", "linux-seccomp", "macos-seatbelt", "windows-restricted-token"
---@param output {exit_code: number, stdout: string?, stderr: string?, aggregated_output: string?}
---@return boolean, string reason
function M.is_likely_sandbox_denied(sandbox_type, output)
  if sandbox_type == "none" then return false, "there was no sandbox" end
  if output.exit_code == 0 then return false, "it ended with 0" end
  for _, stream in ipairs(STREAMS) do
    local keyword = keyword_in(output[stream])
    if keyword then return true, string.format("%q in %s", keyword, stream) end
  end
  if is_quick_reject(output.exit_code) then
    return false, string.format("exit code %d says otherwise", output.exit_code)
  end
  if sandbox_type == "linux-seccomp" and output.exit_code == 128 + SIGSYS then
    return true, "it died of SIGSYS"
  end
  return false, "nothing in its output says so"
end

local function ended_otherwise(output)
  if output.timed_out then return "it was ended by its time-out" end
  if output.status == "cancelled" then return "it was cancelled" end
  if output.status == "limit" then return "it was ended by a limit" end
  if output.signal then return "it died of a signal" end
end

-- As much of what stands around a keyword as the name of a file can be, and so many keywords: the
-- command decides how much it writes, and the host waits.
local LONGEST_PATH, MOST_LOOKS = 4096, 1000

local function has_slash_around(text, first, last)
  local before = text:sub(math.max(1, first - LONGEST_PATH), first - 1):reverse()
  local after = text:sub(last + 1, last + LONGEST_PATH)
  local head, tail = before:match("^[^%s\"'`]*"), after:match("^[^%s\"'`]*")
  return (head .. tail):find("/", 1, true) ~= nil, last + #tail
end

-- A word that only stands in the name of a file speaks of nothing.
local function stands_in_a_path(output, keyword)
  local looks = 0
  for _, stream in ipairs(STREAMS) do
    local text = (output[stream] or ""):lower()
    local first, last = text:find(keyword, 1, true)
    while first do
      looks = looks + 1
      local in_path, stop = has_slash_around(text, first, last)
      if not in_path or looks > MOST_LOOKS then return false end
      first, last = text:find(keyword, stop + 1, true)
    end
  end
  return looks > 0
end

local function phrase_in(output, phrases)
  for _, stream in ipairs(STREAMS) do
    local lower = (output[stream] or ""):lower()
    for _, phrase in ipairs(phrases) do
      if lower:find(phrase, 1, true) then return phrase end
    end
  end
end

-- The network's own words, where the sandbox takes it away.
local function lacks_network(output)
  local enforced = (output.sandbox or {}).enforced
  if not enforced or not enforced.network then return nil end
  -- some addresses are let through: nobody may be there
  if enforced.network:find("connects to", 1, true) then return nil end
  return phrase_in(output, M.network_phrases)
end

local function guess(sandbox_type, output)
  local likely, reason = M.is_likely_sandbox_denied(sandbox_type, output)
  if not likely then
    local phrase = lacks_network(output)
    if phrase then return "likely", string.format("%q, and the network is taken away", phrase) end
    phrase = phrase_in(output, M.guesses)
    if phrase then return "likely", string.format("%q in its output", phrase) end
    return "none", reason
  end
  local keyword = reason:match("^\"(%l+)\" in ")
  if keyword and stands_in_a_path(output, keyword) then
    return "none", keyword .. " stands in the name of a file"
  end
  return "likely", reason
end

-- Some calls could not be looked at: nobody can say that nothing was refused.
local function of_half_seen(sandbox_type, output, unread)
  local verdict, reason = guess(sandbox_type, output)
  return verdict, string.format("no access was seen to be refused, but %d %s not be looked at; %s",
                                unread, unread == 1 and "call could" or "calls could", reason)
end

--- Whether the command was kept from what its caller may do as root. No call is seen to be refused
--- that fails by the file's owner and mode alone.
function M.is_root() return core.uid() == 0 end

local function of_lost_power(output, evidence, otherwise)
  local line = evidence and M.is_root() and causes.powerless(M, output, evidence)
  if not line then return "none", otherwise end
  return "likely", string.format("%q, and root's power is dropped", line)
end

local function of_watched(sandbox_type, output, evidence)
  if not evidence or #evidence == 0 then
    local unread = evidence and evidence.unread or 0
    if unread > 0 then return of_half_seen(sandbox_type, output, unread) end
    local unheard = evidence and evidence.unheard
    return of_lost_power(output, evidence, unheard and "nobody listens at " .. unheard
                         or "no access was seen to be refused")
  end
  local entry, reason = causes.find(M, output, evidence)
  if entry then return "confirmed", reason, entry end
  return of_lost_power(output, evidence, reason)
end

--- The verdict on a failed command. A watched run is judged by what was seen, any other, and one of
--- which only calls were seen that nobody could look at, by the heuristic alone.
---@param evidence table[]|nil  refused accesses; of a watched run also `failures` (processes that
---  exited with another status than 0), `unread` (how many calls could not be looked at) and
---  `command` (argv), `read` (function: a script's text), `unheard` (an address at which nobody
---  listens, whose refusal is left out), where they are known
---@param watched boolean|nil
---@return "none"|"likely"|"confirmed", string reason, table|nil entry  the refusal that was why
function M.judge(sandbox_type, output, evidence, watched)
  if sandbox_type == "none" then return "none", "there was no sandbox" end
  if output.exit_code == 0 then return "none", "it ended with 0" end
  local ended = ended_otherwise(output)
  if ended then return "none", ended end
  if watched then return of_watched(sandbox_type, output, evidence) end
  return guess(sandbox_type, output)
end

return M

-- sbxlua learn: the smallest policy that lets a command pass, as a file for -p.

local core = require("sbx.core")
local errors = require("sbx.errors")
local learning = require("sbx.learning")
local message = require("sbx.cli.message")
local program = require("sbxlua.program")
local run_options = require("sbx.cli.run_options")
local verb = require("sbx.cli.verb")

local M = {
  usage = "Usage: sbxlua learn [options] [--] CMD...\n       sbxlua learn [options] --sh SCRIPT",
  description = "Runs the command in a sandbox, looks at what was refused, and runs it again with"
    .. " that granted, until it passes or nothing new is learnt (" .. learning.MOST_RUNS .. " runs"
    .. " at most: what it does by then, it does each time). Prints the policy as Lua on stdout; the"
    .. " command's output goes to stderr. More than three places in one directory become the"
    .. " directory. Protected names are never granted; home's dotfiles, keys, files of the system,"
    .. " sockets of services and the whole network only with --allow-sensitive. What is sensitive"
    .. " below a directory that is granted stays read-only. Status 0: it passes. The other"
    .. " options are those of run; --policy is what it starts from.",
  options = { { name = "allow-sensitive", help = "Grant what is sensitive too." } },
  takes_words = true,
}

for _, option in ipairs(run_options.options) do M.options[#M.options + 1] = option end

-- ---- one run ----

-- Misuse throws; here a user typed it.
local function spawn(opts)
  local ok, job, err = pcall(require("sbx").spawn, opts)
  if ok then return job, err end
  return nil, errors.new("invalid_input", tostring(job))
end

local NOT_WATCHED = "nothing can be learnt where refused accesses are not seen"

local function check_watched(job, out)
  if out.denial.watched or out.sandbox.type == "none" then return nil end
  for _, entry in ipairs(job.sandbox.missing) do
    if entry.property == "watch" then
      return errors.new("sandbox", NOT_WATCHED .. ": " .. tostring(entry.reason))
    end
  end
  return errors.new("sandbox", NOT_WATCHED .. " (this run was not watched)")
end

local TO_STDERR = { stdout = 2, stderr = 2 }

local function runner(opts, values, state)
  local say = message.reporter(values.quiet or values.json)
  return function(policy)
    local copy = {}
    for name, value in pairs(opts) do copy[name] = value end
    copy.policy, copy.watch = policy, true
    state.runs = (state.runs or 0) + 1
    if state.runs > 1 then say.note("run " .. state.runs) end
    local job, err = spawn(copy)
    if not job then return nil, err end
    state.signal = require("sbx.cli.drive").run(job, not values.json, nil, TO_STDERR)
    local result, why, out = job:wait()
    out = result or out
    local unwatched = out and check_watched(job, out)
    if unwatched then return nil, unwatched end
    local spec = job.state.spec
    return out, why, require("sbx.suggesting").context(spec.kept, spec.index)
  end
end

-- Those that a program gets over, by the denial script's own list.
local function is_optional(entry)
  local scripts = require("sbx.surroundings").scripts()
  local what = entry.path or entry.address or ""
  for _, pattern in ipairs(scripts and scripts.denial.optional or {}) do
    if what:find(pattern) then return true end
  end
  return false
end

-- ---- what came of it ----

local function status_of(found, state)
  if state.signal then return 128 + state.signal end
  if found.passed then return 0 end
  if not found.out then return verb.FAILURE end
  return found.out.exit_code ~= 0 and found.out.exit_code or 1
end

local function left_of(found)
  local list = {}
  for i, lesson in ipairs(found.left) do
    local entry, grant = lesson.entry, lesson.grant
    list[i] = {
      operation = entry.operation, path = entry.path, address = entry.address,
      program = entry.program, reason = grant.sensitive or grant.never,
      sensitive = grant.sensitive ~= nil,
    }
  end
  return list
end

local function print_json(found, policy, source)
  verb.json({
    passed = found.passed, runs = found.runs, policy = policy, lua = source,
    exit_code = found.out and found.out.exit_code, learnt = found.fields or {},
    not_granted = left_of(found),
  })
end

local function tell(found, values)
  local say = message.reporter(values.quiet)
  if found.passed then
    say.note(string.format("it passes with this policy (%d run%s)", found.runs,
                           found.runs == 1 and "" or "s"))
    return
  end
  say.warn(string.format("it doesn't pass: the last of %d run%s ended with %d%s", found.runs,
    found.runs == 1 and "" or "s", found.out.exit_code,
    found.nothing_new and ", and nothing more was learnt" or "; there may be more to learn"))
end

-- A file's relative paths count from the file; words of the command line from here.
local function absolute(policy)
  local function name_of(word)
    local is_file = type(word) == "string" and (word:find("/", 1, true) or word:find("%.lua$"))
    if not is_file or word:find("^[/~]") then return word end
    return (core.cwd() or "") .. "/" .. word:gsub("^%./", "")
  end
  if type(policy) ~= "table" then return { extends = name_of(policy or "read-only") } end
  local copy = {}
  for name, value in pairs(policy) do copy[name] = value end
  copy.extends = name_of(copy.extends)
  return copy
end

local function learn(opts, values)
  local state = {}
  program.catch_signals()
  core.in_process(true)
  local found = learning.learn(absolute(opts.policy), runner(opts, values, state), {
    sensitive_too = values.allow_sensitive, is_optional = is_optional,
  })
  if not found.out then return verb.fail(found.err, values.json) end
  local source = require("sbx.cli.policy_text").write(found, opts)
  if values.json then print_json(found, found.policy, source) else verb.write(source) end
  if not values.json then tell(found, values) end
  return status_of(found, state)
end

local function act(values, rest)
  if values.no_watch then
    return verb.fail("--no-watch: what is not seen can't be learnt", values.json)
  end
  local opts, err = run_options.opts(values, rest)
  if not opts then return verb.fail(err, values.json) end
  return learn(opts, values)
end

function M.main(words) return verb.main(M, words, act) end

return M

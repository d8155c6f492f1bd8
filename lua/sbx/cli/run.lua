-- sbxlua run: one command, its output, its status.

local answer = require("sbx.cli.answer")
local errors = require("sbx.errors")
local message = require("sbx.cli.message")
local options = require("sbx.cli.options")
local program = require("sbxlua.program")

local M = {}

local PATIENCE_MS = 1000 -- after a signal: for a reader that has stopped taking the object

-- A signal lets a reader that still reads have the whole object. What went wrong, or nil.
local function print_object(object)
  local patience, problem
  require("sbx.json").write(object, answer.FIELDS, function(piece)
    while not problem do
      local ok, why, done = program.write(1, piece, patience)
      if ok then return end
      piece = piece:sub(done + 1)
      if why == "signal" and not patience then
        program.pending_signal()
        patience = PATIENCE_MS
      else
        problem = why
      end
    end
  end)
  return problem
end

local function can_not_write(why)
  if why ~= "closed" then message.error("can't write the output: " .. why) end
end

-- With --json the object says all, and stderr stays empty.
local function tell(outcome, json, call_id)
  local problem = json and print_object(answer.object(outcome, call_id))
  if problem then
    can_not_write(problem)
    outcome.failure = problem
  end
  return answer.status(outcome)
end

-- Those that name what they are about: "ls: No such file or directory", as a shell says it.
local PLAIN = { invalid_input = true, spawn = true }

local function fail(err, json, call_id)
  if not json then message.error(PLAIN[err.kind] and err.message or tostring(err)) end
  return tell({ err = err }, json, call_id)
end

local function shown_words(opts)
  return opts.command or { "/bin/sh", "-c", opts.script }
end

-- Misuse throws; here a user typed it.
local function start(opts)
  local core, sbx = require("sbx.core"), require("sbx")
  core.in_process(true) -- one command, then the end: the program is its own spawner
  local ok, job, err = pcall(sbx.spawn, opts)
  if ok then return job, err end
  return nil, errors.new("invalid_input", tostring(job))
end

-- Errors that are sbxlua's own although the command had started.
local OWN = { sandbox = true, policy = true }

local function own_errors(outcome)
  if outcome.failure then
    can_not_write(outcome.failure)
  elseif outcome.err and OWN[outcome.err.kind] then
    message.error(tostring(outcome.err))
  end
end

local function drive(job, opts, values, say)
  local report = require("sbx.cli.report")
  local on_quiet
  if not values.json and not values.quiet and program.isatty(2) then
    on_quiet = function() report.quiet(shown_words(opts), say) end
  end
  return require("sbx.cli.drive").run(job, not values.json, on_quiet)
end

local function run(opts, values)
  local report = require("sbx.cli.report")
  local say = message.reporter(values.quiet or values.json)
  program.catch_signals()
  if opts.watch and not values.json and not values.quiet and program.isatty(2) then
    opts.on_refused = require("sbx.cli.refusals").first(say)
  end
  local job, err = start(opts)
  if not job then
    local signal = program.pending_signal()
    if signal then return tell({ err = err, signal = signal }, values.json, opts.call_id) end
    return fail(err, values.json, opts.call_id)
  end
  report.before(job.sandbox, say)
  local outcome = {}
  outcome.signal, outcome.failure = drive(job, opts, values, say)
  local result, why, out = job:wait()
  outcome.err, outcome.out = why, result or out
  if not values.json then own_errors(outcome) end
  report.after(outcome, job.plan, say, opts)
  return tell(outcome, values.json, opts.call_id)
end

---@param words string[]  behind the verb
---@return integer status
function M.main(words)
  local run_options = require("sbx.cli.run_options")
  local values, rest = options.read(run_options, words)
  if not values then
    return fail(errors.new("invalid_input", rest), options.asked(words, "--json"))
  end
  if values.help then
    program.write(1, options.help(run_options))
    return 0
  end
  local opts, err = run_options.opts(values, rest)
  if not opts then return fail(err, values.json, values.call_id) end
  return run(opts, values)
end

return M

-- Many commands, so many at a time: one loop over all that run, each taken a turn when it has
-- something to say.

local core = require "sbx.core"
local errors = require "sbx.errors"
local lists = require "sbx.lists"
local loop = require "sbx.loop"
local progress = require "sbx.progress"
local run = require "sbx.run"

local M = {}

-- How long where nothing says when: it only bounds what a lost wake-up could cost.
local LONGEST_MS = 60000
-- What runs holds descriptors, processes, memory: with these the next one waits for one to end.
local SHORT_OF = { EMFILE = true, ENFILE = true, EAGAIN = true, ENOMEM = true }

---------------------------------------------------------------------------------------------------
-- Options

local function check_jobs(jobs)
  if jobs == nil then return core.processors() end
  if type(jobs) ~= "number" or jobs < 1 or jobs ~= math.floor(jobs) then
    errors.throw("option \"jobs\" must be a whole number from 1 on, not " .. tostring(jobs))
  end
  return jobs
end

local function expect(opts, name, kind)
  local value = opts[name]
  if value == nil or type(value) == kind then return value end
  errors.throw(string.format("option %q must be a %s, not %s", name, kind, type(value)))
end

local KNOWN = { "jobs", "each", "progress", "loop" }

local function read(opts)
  if opts == nil then opts = {} end
  if type(opts) ~= "table" then
    errors.throw("sbx.map takes a table of options, not " .. type(opts))
  end
  for name in pairs(opts) do
    if not lists.has(KNOWN, name) then
      errors.throw(errors.unknown("option of map", name, KNOWN))
    end
  end
  return {
    jobs = check_jobs(opts.jobs), each = expect(opts, "each", "function"),
    progress = expect(opts, "progress", "boolean"), loop = opts.loop,
  }
end

-- The commands one after another: a list's, or what a function gives until it gives nil.
local function source_of(list)
  if type(list) == "function" then return list end
  if type(list) ~= "table" then
    errors.throw("sbx.map takes a list of options, or a function that gives them, not "
                 .. type(list))
  end
  local at = 0
  return function()
    at = at + 1
    return list[at]
  end, #list
end

---------------------------------------------------------------------------------------------------
-- The loop

---@class sbx.MapState
---@field next fun(): table?      options of the next command
---@field waiting table?          options that could not be started for want of something
---@field running table<integer, sbx.Job>
---@field count integer           that run
---@field started integer         taken from the list so far
---@field results table
---@field errors table

local function give(state, i, result, err, output)
  result = result or output or false
  state.progress:ended(err == nil)
  if state.each then
    state.each(result, i, err)
  else
    state.results[i], state.errors[i] = result, err
  end
end

-- Is the same command to be tried again, once something has ended?
local function must_wait(state, err)
  return state.count > 0 and SHORT_OF[err.code or ""] or false
end

-- Misuse names the place in the list.
local function start_one(options, i)
  local ok, job, err = pcall(run.start, options, "run")
  if ok then return job, err end
  error("command " .. i .. ": " .. tostring(job), 0)
end

local function start(state, options, i)
  local job, err = start_one(options, i)
  if not job and must_wait(state, err) then
    state.waiting = options
    return false
  end
  state.waiting = nil
  state.started = i
  if not job then
    give(state, i, nil, err)
    return true
  end
  state.running[i] = job
  state.count = state.count + 1
  local fd, raw = job:pollfd()
  local added
  if fd then added, raw = state.set:add(fd, i) end
  if not added and raw then job:wait() end -- no descriptor is left for it: it goes alone
  if not added then state.at_once[#state.at_once + 1] = i end
  return true
end

local function fill(state)
  while state.count < state.jobs and not state.drained do
    local options = state.waiting or state.next()
    if options == nil then
      state.drained = true
    elseif not start(state, options, state.started + 1) then
      return
    end
  end
end

-- A turn of each that is ready: none keeps the others waiting.
local function take(state, i)
  local job = state.running[i]
  if not job or not job:poll() then return end
  state.running[i] = nil
  state.count = state.count - 1
  give(state, i, job:wait())
end

local function take_all(state, keys)
  for _, i in ipairs(keys) do take(state, i) end
end

-- What the host's loop is given to wait for, as a job would be (section 4 of the interface).
local function waitable(set)
  return {
    pollfd = function() return set:fd() end, events = function() return "r" end,
    timeout = function() return nil end,
  }
end

local function wait(state)
  local ms = state.progress:due() or LONGEST_MS
  if state.waiter then
    loop.wait(state.waiter, state.waitable, ms)
    return state.set:wait(0)
  end
  return state.set:wait(ms)
end

local function go_on(state)
  fill(state)
  while state.count > 0 do
    local at_once = state.at_once
    state.at_once = {}
    take_all(state, at_once)
    if #at_once == 0 then
      local keys, raw = wait(state)
      if not keys then error(raw.message, 0) end
      take_all(state, keys)
    end
    fill(state)
    state.progress:show(state.count)
  end
end

local function close_all(state)
  for _, job in pairs(state.running) do pcall(job.close, job) end
  state.set:close()
  state.progress:clear()
end

--- Runs every command of a list, at most `jobs` at a time. An error that is thrown (misuse, or in a
--- callback) ends all that run, and goes on to the caller.
---@param list sbx.Options[]|fun(): sbx.Options?
---@param opts {jobs: integer?, each: (fun(result: sbx.Result|false, i: integer, err: sbx.Error?))?,
---  progress: boolean?, loop: any}?
---@return (sbx.Result|false)[]|integer results  as in the list, false where nothing ran; with
---  `each`, which is told of each as it ends, how many there were
---@return sbx.Error[]|nil errors  by place in the list
function M.map(list, opts)
  local o = read(opts)
  local next_one, total = source_of(list)
  local set, raw = core.pollset()
  if not set then return nil, errors.adopt(raw) end
  local state = {
    next = next_one, jobs = o.jobs, each = o.each, set = set, waitable = waitable(set),
    waiter = loop.waiter(o.loop), progress = progress.new(o.progress, total), running = {},
    at_once = {}, count = 0, started = 0, results = {}, errors = {},
  }
  local ok, message = pcall(go_on, state)
  close_all(state)
  if not ok then error(message, 0) end
  if o.each then return state.started end
  return state.results, state.errors
end

return M

-- Two sandboxes side by side, with disjoint writable roots, without /tmp and without network: one
-- is a world with files, processes, objects, sockets and terminals (catalogue/world.c), the other
-- tries the catalogue on it. None sees, signals or tells the other anything.
-- Known channels that stay, shown below: locks, leases and inotify on files that both may read.
-- Each tier is asked for by name: the suite's run for one alone has nothing to add.
if os.getenv("SBX_TIER") == "landlock" then return end

local sbx = require "sbx"
local catalogue = require "tests.sandbox.catalogue"
local support = require "tests.support"
local worlds = require "tests.sandbox.world"

-- Those on somebody else; the others are on the machine, or ask a host to do something.
local THEMES = {}
for _, theme in ipairs({ "file", "meta", "process", "memory", "unix", "net", "ipc", "terminal",
                         "read", "foreign" }) do
  THEMES[theme] = true
end
-- What these do happens in the other's own root, where it may be done.
local OWN = {
  file_link_before = true, read_link_before = true, read_inside = true, read_for_both = true,
  read_move = true, read_hard_link_inside = true, read_move_parent = true,
  read_reopen_inside = true,
  read_mode = true, unix_stream_inside = true, memory_join = true, memory_join_pidfd = true,
}

local names, attempts = {}, {}
for _, attempt in ipairs(catalogue.attempts(worlds.names())) do
  if THEMES[attempt.theme] and not OWN[attempt.name] then
    names[#names + 1], attempts[#attempts + 1] = attempt.name, attempt
  end
end

local PROGRAMS = worlds.program:match("^(.*)/")

local function options(tier, network, root)
  if tier == "none" then return { sandbox = "none", policy = "danger-full-access" } end
  return { tier = tier, policy = {
    extends = "workspace-write", exclude_slash_tmp = true, exclude_tmpdir_env_var = true,
    network = network, writable_roots = { root }, readable = { "${platform}", PROGRAMS },
  } }
end

local function with(opts, fields)
  for name, value in pairs(fields) do opts[name] = value end
  return opts
end

---------------------------------------------------------------------------------------------------
-- The one

-- Process numbers as the host counts them: those of its own namespace mean others elsewhere.
local function host_pids(job)
  local map = {}
  for _, pid in ipairs(support.children(job.pid)) do
    local status = support.read("/proc/" .. pid .. "/status") or ""
    local inner = status:match("NSpid:[%d\t]-(%d+)\n")
    if inner then map[inner] = pid end
  end
  return map
end

local function begin(dir, tier, network, secret)
  local root = dir .. "/one"
  support.shell("mkdir %s", root)
  local job = assert(sbx.spawn(with(options(tier, network, root), {
    command = { worlds.program, "world", root, table.unpack(names) }, cwd = root, stdin = true,
    timeout_ms = 60000,
  })))
  job:write(secret .. "\n")
  local facts = support.wait_until(function()
    local text = support.read(root .. "/inside/facts") or ""
    return text:match("\nend here\n") and text
  end, 20)
  assert(facts, "the one did not begin")
  local pids = host_pids(job)
  return job, (facts:gsub("(\npid%.[%l%d_]+ )(%d+)", function(key, pid)
    return key .. assert(pids[pid], key)
  end))
end

---------------------------------------------------------------------------------------------------
-- The other

local function try(dir, tier, network, facts)
  local root = dir .. "/two"
  support.shell("mkdir %s; cp -r %s/one/inside/. %s; rm -f %s/*/s", root, dir, root, root)
  support.write(root .. "/facts", facts)
  local r, err, out = sbx.run(with(options(tier, network, root), {
    command = { worlds.program, "try", dir .. "/one", table.unpack(names) }, cwd = root,
    env = { SBX_INSIDE = root }, timeout_ms = 60000,
  }))
  return assert(r or out, tostring(err))
end

local function meet(tier, network)
  local dir, evidence, secret = support.directory(), {}, worlds.secret()
  local function note(name, how)
    evidence[name] = (evidence[name] and evidence[name] .. ", " or "") .. how
  end
  local job, facts = begin(dir, tier, network, secret)
  local before = worlds.states(dir .. "/one/outside")
  local r = try(dir, tier, network, facts)
  job:write(nil)
  local one, err, out = job:wait()
  one = assert(one or out, tostring(err))
  worlds.from_log(one.stdout, note)
  worlds.from_output(secret, r.stdout, note)
  worlds.compare(before, worlds.states(dir .. "/one/outside"), note, "changed")
  support.remove(dir)
  return { evidence = evidence, answers = support.answers(r.stdout), sandbox = r.sandbox }
end

local met = {}
local function once(tier, network)
  local key = tier .. " " .. network
  if not met[key] then met[key] = { pcall(meet, tier, network) } end
  assert(met[key][1], met[key][2])
  return met[key][2]
end

local function is_here(tier)
  for _, name in ipairs(sbx.probe().tiers) do
    if name == tier then return true end
  end
  return false
end

describe("two without a sandbox", function()
  it("reach each other in every way", function()
    local run, silent = once("none", "full"), {}
    for _, attempt in ipairs(attempts) do
      local excused = attempt.optional or attempt.root and not support.is_root
      if not run.evidence[attempt.name] and not excused then
        silent[#silent + 1] = attempt.name .. " " .. tostring(run.answers[attempt.name])
      end
    end
    assert.same({}, silent)
  end)
end)

for _, tier in ipairs({ "landlock", "contained" }) do
  for _, network in ipairs({ "none", "loopback" }) do
    describe("two sandboxes, " .. tier .. ", network " .. network, function()
      it("reach each other in no way", function()
        if not is_here(tier) then pending("this machine has no tier " .. tier) end
        local run = once(tier, network)
        assert.equal(tier, run.sandbox.tier)
        for _, name in ipairs(names) do assert.is_truthy(run.answers[name], name) end
        for name, how in pairs(run.evidence) do
          local property = catalogue.open(name, tier, "readable")
          assert.is_truthy(property, name .. ": " .. how)
          assert.is_true(support.is_missing(run.sandbox, property), property)
        end
      end)
    end)
  end
end

---------------------------------------------------------------------------------------------------
-- By other means

local function pair(tier, script_one, script_two)
  local dir = support.directory()
  support.shell("mkdir %s/one %s/two; echo shared >%s/shared", dir, dir, dir)
  local function opts(name, script)
    local made = options(tier, "none", dir .. "/" .. name)
    made.policy.readable = nil -- what both may read
    return with(made, { script = script, cwd = dir .. "/" .. name, timeout_ms = 20000 })
  end
  local one = assert(sbx.spawn(opts("one", script_one)))
  assert(support.wait_until(function() return support.exists(dir .. "/one/up") end))
  local r, err, out = sbx.run(opts("two", script_two))
  one:kill()
  one:wait()
  support.remove(dir)
  return assert(r or out, tostring(err))
end

for _, tier in ipairs({ "landlock", "contained" }) do
  describe("two sandboxes, " .. tier, function()
    before_each(function()
      if not is_here(tier) then pending("this machine has no tier " .. tier) end
    end)

    it("see no process of each other", function()
      local marker = support.marker()
      local r = pair(tier, "sleep " .. marker .. " & touch up; wait",
                     "sleep 0.1 & cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
      assert.matches("sleep 0.1", r.stdout, 1, true)
      assert.is_nil(r.stdout:find(marker, 1, true))
      assert.is_true(support.gone(marker))
    end)

    it("can't name themselves for the other", function()
      local name = support.output("uname -n"):gsub("\n", "")
      local r = pair(tier, "hostname other; echo other >/proc/sys/kernel/hostname; touch up;"
                     .. " sleep 5", "uname -n")
      assert.equal(name .. "\n", r.stdout)
      assert.equal(name .. "\n", support.output("uname -n"))
    end)

    -- A known channel, no promise: whoever may read a file may lock it, and sees others' locks.
    it("share locks on what both may read, as is known", function()
      if support.output("command -v flock") == "" then pending("flock is not installed") end
      local r = pair(tier, "exec 9<../shared; flock 9; touch up; sleep 5",
                     "flock -n ../shared true; echo $?")
      assert.equal("1\n", r.stdout)
    end)
  end)
end

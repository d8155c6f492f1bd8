-- sbx.why and the kernel agree: random policies, random operations, the verdict beside what really
-- happened in the sandbox. SBX_SEED repeats a run, SBX_POLICIES asks for more.
-- Each tier is asked for by name: the suite's run for one alone has nothing to add.
if os.getenv("SBX_TIER") == "landlock" then return end

local sbx = require "sbx"
local support = require "tests.support"

local SEED = tonumber(os.getenv("SBX_SEED")) or 20260401
local POLICIES = tonumber(os.getenv("SBX_POLICIES")) or 40
local QUESTIONS = 60

local attempt = support.program("attempt")

-- of its own: nothing else in this process may draw from it
local function generator(seed)
  local state = seed % 2147483647
  return function(most)
    state = state * 48271 % 2147483647
    return state % most + 1
  end
end

---------------------------------------------------------------------------------------------------
-- The tree

local BUILD = [[
rm -rf %s/tree; mkdir %s/tree; cd %s/tree
mkdir -p a/b/c a/empty b/c b/empty out .git a/.git b/.agents a/b/.git
for f in f a/f a/b/f a/b/c/f b/f b/c/f out/f .git/config a/.git/config a/b/.git/config \
  b/.agents/f b/.codex; do echo text >$f; done
for x in a/x b/c/x out/x; do printf '#!/bin/sh\nexit 0\n' >$x; chmod 755 $x; done
ln -s b to-b; ln -s ../a b/to-a; ln -s ../out a/to-out; ln -s ../out/new a/dangling
ln -s missing b/dangling; ln -s c/f b/to-f
]]

local FILES = {
  "f", "a/f", "a/b/f", "a/b/c/f", "b/f", "b/c/f", "out/f", ".git/config", "a/.git/config",
  "a/b/.git/config", "b/.agents/f", "b/.codex", "a/x", "b/c/x", "out/x",
}
local LINKS = { "to-b", "b/to-a", "a/to-out", "b/to-f", "a/dangling", "b/dangling" }
local DIRECTORIES = { "a", "a/b", "a/b/c", "a/.git", "a/b/.git", "b", "b/c", "b/.agents", "out" }
local EMPTY = { "a/empty", "b/empty" }
local MISSING = {
  "new", "a/new", "a/b/new", "a/b/c/new", "b/new", "b/c/new", "out/new", "a/.codex", "b/.git",
  "a/b/.codex", "a/.git/new", "b/.agents/new", "a/b/.agents", "b/c/.git",
}
local THROUGH = { "to-b/f", "b/to-a/b/f", "a/to-out/f", "a/to-out/new", "b/../a/f", "to-b/new",
                  "b/to-a/.git/config", "to-b/.codex" }

local EXISTING = { "read", "write", "rename", "link", "metadata", "execute" }
local ANY = { "write", "create" }

local function questions_for(tree)
  local list = {}
  local function add(names, operations)
    for _, name in ipairs(names) do
      for _, operation in ipairs(operations) do
        list[#list + 1] = { operation = operation, subject = tree .. "/" .. name }
      end
    end
  end
  for _, names in ipairs({ FILES, LINKS, DIRECTORIES, EMPTY, THROUGH }) do add(names, EXISTING) end
  for _, names in ipairs({ MISSING, THROUGH, LINKS }) do add(names, ANY) end
  list[#list + 1] = { operation = "write", subject = "/dev/null" }
  list[#list + 1] = { operation = "read", subject = "/dev/urandom" }
  list[#list + 1] = { operation = "read", subject = "/etc/hostname" }
  list[#list + 1] = { operation = "read", subject = "/proc/self/status" }
  for _, names in ipairs({ FILES, LINKS, EMPTY }) do add(names, { "delete" }) end
  return list
end

-- Removals come last: they alone are not put back.
local function in_order(list)
  local text = {}
  for _, last in ipairs({ false, true }) do
    for number, one in ipairs(list) do
      if (one.operation == "delete") == last then
        text[#text + 1] = string.format("%d %s %s\n", number, one.operation, one.subject)
      end
    end
  end
  return table.concat(text)
end

-- What the kernel says to each: "ok" or an errno.
local function perform(list, opts)
  opts[1], opts.stdin, opts.timeout_ms = attempt, in_order(list), 20000
  local r, err, out = sbx.run(opts)
  r = assert(r or err.kind == "denied" and out, tostring(err))
  local answers = {}
  for number, word in r.stdout:gmatch("(%d+) ([%w_]+)\n") do answers[tonumber(number)] = word end
  return answers, r.sandbox.tier
end

---------------------------------------------------------------------------------------------------
-- Policies

local ENTRIES = {
  "a", "a/b", "a/b/c", "b", "b/c", "out", "a/f", "a/b/f", "b/c/f", "a/empty", "a/b/.git", "to-b",
}

local function draw_list(draw, tree, least, most)
  local list, seen = {}, {}
  for _ = 1, least + draw(most - least + 1) - 1 do
    local name = ENTRIES[draw(#ENTRIES)]
    if not seen[name] then list[#list + 1] = tree .. "/" .. name end
    seen[name] = true
  end
  return list
end

local NAMES = { ".git", ".codex", ".agents" }

local function draw_policy(draw, tree)
  local policy = { extends = "read-only", writable_roots = draw_list(draw, tree, 0, 3) }
  if #policy.writable_roots > 0 and draw(2) == 1 then
    policy.read_only = draw_list(draw, tree, 1, 2)
  end
  if draw(3) == 1 then policy.deny_read = draw_list(draw, tree, 1, 2) end
  if draw(4) == 1 then
    policy.readable = draw_list(draw, tree, 0, 3)
    table.insert(policy.readable, 1, "${platform}")
    table.insert(policy.readable, attempt)
  end
  if draw(4) == 1 then policy.protect = { replace = { NAMES[draw(3)] } } end
  return policy
end

local function draw_cwd(draw, tree, policy)
  local places = { tree, tree .. "/a", "/" }
  return policy.readable and "/" or places[draw(3)]
end

local function text_of(value)
  if type(value) ~= "table" then return string.format("%q", value) end
  local parts = {}
  for key, one in pairs(value) do
    parts[#parts + 1] = (type(key) == "string" and key .. " = " or "") .. text_of(one)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ", ") .. "}"
end

-- Misuse throws, what can't be held is a `policy` error: neither would run.
local function may_run(policy, context)
  local ok, verdict, err = pcall(sbx.why, policy, "read", "/", context)
  if not ok then return false end
  if verdict then return true end
  assert(err.kind == "policy", tostring(err))
  return false
end

---------------------------------------------------------------------------------------------------

local REFUSALS = {
  EACCES = true, EPERM = true, EROFS = true, EBUSY = true, EXDEV = true,
  ENOENT = true, -- of what a mount hides
  EEXIST = true, -- of a name that is protected although it is missing
}

-- nil where the two agree, else a line about it.
local function differs(policy, one, context, answer, verdict)
  local agree = answer == "ok" and verdict.allowed or REFUSALS[answer] and not verdict.allowed
  if agree then return nil end
  return string.format("%s %s: kernel %s, verdict %s (%s; %s; %s)\n  policy %s, cwd %s",
    one.operation, one.subject, tostring(answer), tostring(verdict.allowed), verdict.rule,
    verdict.layer, verdict.reason, text_of(policy), context.cwd)
end

local function has_tier(tier)
  for _, name in ipairs(assert(sbx.probe()).tiers) do
    if name == tier then return true end
  end
  return false
end

describe("a verdict", function()
  local dir, tree, all

  local function build() support.shell((BUILD:gsub("%%s", support.quote(dir)))) end

  -- the positive control: only what works without a sandbox is asked about
  local function controlled()
    build()
    local list, works = questions_for(tree), {}
    local answers = perform(list, { policy = "danger-full-access", cwd = "/" })
    for number, one in ipairs(list) do
      if answers[number] == "ok" then works[#works + 1] = one end
    end
    build()
    return works
  end

  setup(function()
    dir = support.directory()
    tree = dir .. "/tree"
    all = controlled()
  end)
  teardown(function() support.remove(dir) end)

  it("is asked of what works without a sandbox", function()
    local count = {}
    for _, one in ipairs(all) do count[one.operation] = (count[one.operation] or 0) + 1 end
    for operation, least in pairs({ read = 30, write = 30, create = 10, delete = 15, rename = 25,
                                    link = 15, metadata = 25, execute = 3 }) do
      assert.is_true((count[operation] or 0) >= least, operation)
    end
  end)

  local function draw_questions(draw)
    local list, seen = {}, {}
    while #list < QUESTIONS do
      local place = draw(#all)
      if not seen[place] then list[#list + 1] = all[place] end
      seen[place] = true
    end
    return list
  end

  local function compare(tier, draw, seen)
    local policy = draw_policy(draw, tree)
    local context = { cwd = draw_cwd(draw, tree, policy), tier = tier }
    if not may_run(policy, context) then return 0, {} end
    local list, verdicts, lines = draw_questions(draw), {}, {}
    for number, one in ipairs(list) do
      verdicts[number] = assert(sbx.why(policy, one.operation, one.subject, context))
    end
    local answers, used = perform(list, { policy = policy, cwd = context.cwd, tier = tier })
    assert.equal(tier, used)
    for number, one in ipairs(list) do
      local verdict = verdicts[number]
      lines[#lines + 1] = differs(policy, one, context, answers[number], verdict)
      seen[one.operation .. " " .. tostring(verdict.allowed)] = true
    end
    build()
    return 1, lines
  end

  for _, tier in ipairs({ "landlock", "contained" }) do
    it("agrees with the kernel in the " .. tier .. " tier", function()
      if not has_tier(tier) then pending("no " .. tier .. " tier on this machine") end
      local draw, seen, done, lines = generator(SEED), {}, 0, {}
      for _ = 1, POLICIES * 20 do
        local ran, wrong = compare(tier, draw, seen)
        done = done + ran
        for _, line in ipairs(wrong) do lines[#lines + 1] = line end
        if done == POLICIES or #lines > 10 then break end
      end
      assert.equal("", table.concat(lines, "\n"), "SBX_SEED=" .. SEED)
      assert.equal(POLICIES, done)
      for _, operation in ipairs({ "read", "write", "create", "delete", "rename", "link" }) do
        assert.is_true(seen[operation .. " true"], operation)
        assert.is_true(seen[operation .. " false"], operation)
      end
    end)
  end
end)

describe("a verdict on sockets and signals", function()
  local dir, listener

  setup(function()
    dir = support.directory()
    listener = support.listener(dir)
  end)
  teardown(function()
    listener:close()
    support.remove(dir)
  end)

  -- operation, what is asked, and what is tried where that is written otherwise
  local function questions()
    return {
      { operation = "connect", subject = "127.0.0.1:" .. listener.tcp },
      { operation = "connect", subject = "unix:" .. listener.stream },
      { operation = "connect", subject = "unix:@" .. listener.abstract },
      { operation = "bind", subject = "127.0.0.1:0" },
      { operation = "bind", subject = "[::1]:0" },
      { operation = "bind", subject = "0.0.0.0:0" },
      { operation = "bind", subject = "unix:" .. dir .. "/new.sock" },
      { operation = "send", subject = "127.0.0.1:" .. listener.udp },
      { operation = "send", subject = "unix:" .. listener.datagram },
      { operation = "socket", asked = "unix", subject = "1" },
      { operation = "socket", asked = "inet", subject = "2" },
      { operation = "socket", asked = "inet6", subject = "10" },
      { operation = "socket", asked = "netlink", subject = "16" },
      { operation = "signal", subject = tostring(support.own_pid) },
    }
  end

  -- nobody listens on the loopback of its own
  local REACHED = { ok = true, ECONNREFUSED = true }

  for _, tier in ipairs({ "landlock", "contained" }) do
    for _, network in ipairs({ "none", "loopback", "full" }) do
      it(string.format("agrees with the kernel: %s, %s", tier, network), function()
        if not has_tier(tier) then pending("no " .. tier .. " tier on this machine") end
        local policy = { extends = "read-only", network = network, writable_roots = { dir } }
        local list = questions()
        local control = perform(list, { policy = "danger-full-access" })
        local answers = perform(list, { policy = policy, tier = tier, cwd = dir })
        for number, one in ipairs(list) do
          local name = one.operation .. " " .. (one.asked or one.subject)
          assert.equal("ok", control[number], name)
          local verdict = assert(sbx.why(policy, one.operation, one.asked or one.subject,
                                         { tier = tier, cwd = dir }))
          assert.equal(REACHED[answers[number]] or false, verdict.allowed,
                       name .. ": " .. answers[number] .. ", " .. verdict.reason)
        end
      end)
    end
  end
end)

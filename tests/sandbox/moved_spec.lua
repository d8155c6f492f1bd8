-- A host that is moved into another cgroup: its next command has the bounds of that one, whatever
-- was found and kept before.
local core = require "sbx.core"
local support = require "tests.support"

-- only root makes groups beside its own
if core.uid() ~= 0 or os.getenv("SBX_TIER") == "landlock" then return end

local eater = support.program("eater")

local HOST = [[
  local sbx = require "sbx"
  local eater, group, tier, processes = ...
  local function children()
    local r, err, out = sbx.run({ eater, "fork", "30", tier = tier,
                                  limits = { processes = tonumber(processes) } })
    r = assert(r or out, err)
    print("children", r.stdout:match("children (%d+)"), r.sandbox.enforced.limits)
  end
  local function move(to)
    local file = assert(io.open(to .. "/cgroup.procs", "w"))
    assert(file:write("0"))
    assert(file:close())
  end
  children()
  children()
  move(group .. "/wide")
  children()
  move(group .. "/narrow")
  children()
  move(group .. "/wide")
  children()
  print("done")
]]

local function write(path, text)
  local file = io.open(path, "w")
  local ok = file and file:write(text)
  return file and file:close() and ok
end

describe("a host that was moved into a cgroup", function()
  local parent = core.group_directory("pids")
  if not parent then return end
  local directory, group

  before_each(function()
    directory = support.directory()
    group = parent .. "/sbxspec." .. math.random(1, 1 << 30)
    support.shell("mkdir %s %s %s", group, group .. "/wide", group .. "/narrow")
    write(group .. "/cgroup.subtree_control", "+pids") -- version 2
    assert(write(group .. "/wide/pids.max", "100"))
    assert(write(group .. "/narrow/pids.max", "12"))
  end)

  after_each(function()
    assert.is_true(support.wait_until(function()
      return os.execute(("rmdir %s/wide %s/narrow %s 2>/dev/null"):format(group, group, group))
    end, 5))
    support.remove(directory)
  end)

  for _, tier in ipairs({ "contained", "landlock" }) do
    it("gives its commands no more than it has (" .. tier .. ")", function()
      local host = support.host(directory, HOST, eater, group, tier, "50")
      assert.equal(0, host:wait(), host:output())
      local text, counts = host:output(), {}
      for count in text:gmatch("children\t(%d+)") do counts[#counts + 1] = tonumber(count) end
      assert.equal(5, #counts, text)
      for i, count in ipairs(counts) do
        assert.is_true(i == 4 and count < 12 or i ~= 4 and count == 30, text)
      end
    end)
  end
end)

-- The catalogue where no namespace can be made: neither by root's power nor by a user namespace.
-- The landlock tier is left, without a PID namespace; it says so, and holds what it still promises.
local catalogue = require "tests.sandbox.catalogue"
local support = require "tests.support"

-- Declared: what can be done to the user's other processes.
local WITHOUT_PIDNS = {
  process_scheduler = true, process_schedule = true, process_affinity = true,
  memory_arguments = true,
}

-- A user namespace in which there can be no further one, and no capability.
local BEFORE = "unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv"
  .. " --bounding-set=-all --inh-caps=-all \"$@\"' sh "

local CODE = [[
local sbx = require "sbx"
local catalogue, worlds = require "tests.sandbox.catalogue", require "tests.sandbox.world"
for _, group in ipairs({ "workspace", "readable" }) do
  local names = {}
  for _, attempt in ipairs(catalogue.attempts(worlds.names())) do
    for _, one in ipairs(attempt.groups) do
      if one == group then names[#names + 1] = attempt.name end
    end
  end
  local world = worlds.make(names)
  local r, err, out = sbx.run({ command = world:command(), policy = catalogue.policy(group, world),
                                cwd = world.dir .. "/inside", timeout_ms = 60000 })
  r = assert(r or out, tostring(err))
  local evidence, answers = world:close(r.stdout)
  print("tier " .. r.sandbox.tier, "pidns " .. tostring(r.sandbox.enforced.kill_tree))
  for _, entry in ipairs(r.sandbox.missing) do print("missing " .. entry.property) end
  for name in pairs(answers) do print("tried " .. name) end
  for name, how in pairs(evidence) do print("evidence " .. group .. " " .. name, how) end
end
print("end")
]]

local function words_of(text, pattern)
  local set = {}
  for word in text:gmatch(pattern) do set[word] = true end
  return set
end

describe("the catalogue without namespaces", function()
  local dir

  before_each(function() dir = support.directory() end)
  after_each(function() support.remove(dir) end)

  it("fails, or is declared", function()
    if support.output(BEFORE .. "true && echo works") ~= "works\n" then
      pending("this machine makes no user namespace to try it in")
    end
    support.write(dir .. "/code.lua", CODE)
    local text = support.output(("%s env LUA_PATH=%s LUA_CPATH=%s lua5.4 %s 2>&1"):format(
      BEFORE, support.quote(package.path), support.quote(package.cpath), dir .. "/code.lua"))
    assert.matches("end\n$", text)
    assert.is_nil(text:match("tier contained"))
    local missing, tried = words_of(text, "missing ([%l_]+)\n"), words_of(text, "tried ([%w_]+)\n")
    assert.is_true(tried.process_kill and tried.net_tcp and tried.read_plain)
    assert.is_true(missing.policy_entry)
    for group, name, how in text:gmatch("evidence (%l+) ([%w_]+)\t([^\n]*)\n") do
      local property = WITHOUT_PIDNS[name] and "policy_entry"
        or catalogue.open(name, "landlock", group)
      assert.is_truthy(property, name .. ": " .. how)
      assert.is_true(missing[property], property)
    end
  end)
end)

-- sbxlua inside of what others put around it: a container's filter, bubblewrap, itself, a machine
-- without user namespaces. The tier falls, says so, and what it still promises holds: judged by the
-- state outside, by what the host's listener has heard, and by the processes that are left.
local json = require "cjson"
local support = require "tests.support"
local surroundings = require "tests.surroundings"
local tools = require "tests.tools"

-- The suite is run once for each tier; here the program chooses for itself, so that once will do.
if os.getenv("SBX_TIER") == "landlock" then return end

local PROGRAM = (os.getenv("SBX_PREFIX") or "build") .. "/bin/sbxlua"
local sockets = support.program("sockets")
local stay = support.program("stay")


---------------------------------------------------------------------------------------------------
-- Running

local function line_of(words)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = support.quote(word) end
  return table.concat(quoted, " ")
end

local function join(...)
  local all = {}
  for _, list in ipairs({ ... }) do table.move(list, 1, #list, #all + 1, all) end
  return all
end

-- Standard output, standard error and status of the program with these words, in a surrounding.
local function program(place, surrounding, words)
  local errors = place.directory .. "/errors"
  local text = support.output(("cd %s && HOME=%s %s 2>%s; echo \"$?\""):format(
    place.work, place.home, line_of(join(surrounding.words(place), { PROGRAM }, words)), errors))
  local out, status = text:match("^(.-)(%d+)\n$")
  return out, support.read(errors), tonumber(status)
end

local function run(place, surrounding, script, ...)
  local words = join({ "run", "--json", "-p", "workspace-write", "-C", place.work, "-t", "30s" },
                     { ... }, { "--", "sh", "-c", script })
  local out, errors, status = program(place, surrounding, words)
  local ok, object = pcall(json.decode, out)
  assert(ok, ("no object: %s%s"):format(out, errors))
  return object, status
end

-- Why the surrounding can't be had here, or nil.
local function obstacle(place, surrounding)
  local words = surrounding.words(place)
  local line = line_of(join(words, { "true" })) .. " 2>&1 || echo failed"
  local said = support.output("HOME=" .. place.home .. " " .. line)
  if said:find("failed\n$") then return (said:gsub("\n", " ")) end
end

---------------------------------------------------------------------------------------------------
-- What is tried

local ATTEMPTS = [[
exec 2>/dev/null
echo made >made; cd ..
echo x >outside/new; echo x >>outside/file; rm -f outside/file; mkdir outside/directory
mv work/made outside/moved; ln outside/file work/linked; cp /dev/null outside/file
chmod 777 outside/file; touch -d 2001-01-01 outside/file
mkdir -p work/.git/hooks; echo x >work/.git/config
SOCKETS reach TCP UDP DIRECTORY
STAY daemon MARKER; sleep 0.3; echo done
]]

local PROPERTIES = { "fs", "metadata", "unix_sockets", "network", "kill_tree", "protect" }

local function missing_of(sandbox)
  local map = {}
  for _, entry in ipairs(sandbox.missing) do
    map[entry.property] = (map[entry.property] or "") .. entry.reason .. "\n"
  end
  return map
end

local function content(place)
  return support.output("cd " .. place.directory .. "/outside && find . | sort && cat file")
end

-- Makes all attempts; asserts that each property is held or missing, and that what is held held.
local function try_all(place, surrounding, listener, marker)
  local outside = place.directory .. "/outside"
  support.shell("mkdir %s && echo safe >%s", outside, outside .. "/file")
  local before, state = content(place), support.state(outside)
  local object = run(place, surrounding, (ATTEMPTS:gsub("%u%u+", {
    SOCKETS = sockets, TCP = listener.tcp, UDP = listener.udp, DIRECTORY = place.directory,
    STAY = stay, MARKER = marker,
  })))
  local sandbox = object.error ~= json.null and error(object.error.message) or object.sandbox
  local enforced, missing = sandbox.enforced, missing_of(sandbox)
  for _, property in ipairs(PROPERTIES) do
    assert.is_truthy(enforced[property] or missing[property], property)
  end
  -- the twins: what is allowed was done, what had to end was there
  assert.equal("made\n", place:read("made"))
  assert.matches("done\n$", object.stdout)
  assert.equal(1, object.leftover)
  assert.is_truthy(enforced.fs)
  assert.equal(before, content(place))
  assert.is_true(support.gone(marker, enforced.kill_tree and 2 or 10))
  support.sleep("0.1")
  if enforced.network and enforced.unix_sockets then assert.same({}, listener:heard()) end
  if enforced.metadata then assert.equal(state, support.state(outside)) end
  if enforced.protect then assert.is_nil(place:left("")) end
  return sandbox, missing
end

---------------------------------------------------------------------------------------------------

for _, surrounding in ipairs(surroundings.list) do
  describe("inside " .. surrounding.name, function()
    local place, listener, marker

    before_each(function()
      place, marker = tools.place("auto"), support.marker()
    end)
    after_each(function()
      support.sweep(marker)
      if listener then listener:close() end
      listener = nil
      place:close()
    end)

    -- Where an ancestor's limit of user namespaces is what refuses, it can't be told from a machine
    -- that is full just now: then a refusal is as good as a weaker tier.
    local function refused()
      local object, status = run(place, surrounding, "touch ran")
      if object.ok then return support.shell("rm %s", place.work .. "/ran") end
      assert.same({ "sandbox", "ENOSPC", 125 },
                  { object.error.kind, object.error.code, status }, object.error.message)
      assert.is_false(place:exists("ran"))
      return object.error.message
    end

    local function needs()
      local why = obstacle(place, surrounding)
      if why and surrounding.own then error(why) end
      if why then pending("can't be had here: " .. why) end
      local said = surrounding.may_refuse and refused()
      if said then pending("refused to run there: " .. said) end
      listener = support.listener(place.directory)
    end

    it("what is still promised holds", function()
      needs()
      local sandbox, missing = try_all(place, surrounding, listener, marker)
      if surrounding.falls then assert.equal("landlock", sandbox.tier) end
      if sandbox.tier == "contained" then
        for _, property in ipairs({ "fs", "metadata", "protect", "unix_sockets", "network" }) do
          assert.is_truthy(sandbox.enforced[property], property)
        end
        return
      end
      if not surrounding.falls and tools.lacks_tier("contained") then return end
      -- what stands in the way of more is said: the step, and the kernel's answer
      assert.matches("%([%w_]+: [^)]+%)\n", table.concat({ missing.policy_entry or "",
        missing.metadata or "", missing.protect or "", missing.kill_tree or "" }))
    end)

    it("doctor and the lines before a run say what is not held", function()
      needs()
      local told = json.decode((program(place, surrounding, { "doctor", "--json" })))
      local _, errors, status = program(place, surrounding,
                                        { "run", "-p", "workspace-write", "--", "true" })
      assert.equal(0, status, errors)
      local has = table.concat(told.tiers, " "):find("contained", 1, true) ~= nil
      if surrounding.falls then assert.is_false(has) end
      if has then return end
      assert.equal("string", type(told.missing_tiers.contained))
      assert.matches("sbxlua: not held by the landlock tier: [^\n]*metadata", errors)
    end)

    it("a tier or a property that can't be had is refused, by its step", function()
      needs()
      local why = tools.lacks_tier("contained")
      for _, words in ipairs({ { "--tier", "contained" }, { "--require", "metadata" } }) do
        local object, status = run(place, surrounding, "touch ran", table.unpack(words))
        if surrounding.falls then assert.is_false(object.ok) end
        if object.ok then
          assert.equal("contained", object.sandbox.tier)
          support.shell("rm %s", place.work .. "/ran")
        else
          assert.equal(125, status)
          assert.equal("not_started", object.status)
          assert.is_false(place:exists("ran"))
          if not why then
            assert.equal("sandbox", object.error.kind)
            assert.is_truthy(object.error.message:find(object.error.step, 1, true))
          end
        end
      end
      if why then pending("only the refusal was looked at: " .. why) end
    end)

    if surrounding.reach then
      it("the listener is reached with full network", function()
        needs()
        run(place, surrounding, ("%s reach %s %s %s"):format(
          sockets, listener.tcp, listener.udp, place.directory), "--network", "full")
        assert.is_truthy(support.wait_until(function() return listener:heard().tcp end, 2))
      end)
    end
  end)
end

describe("three deep", function()
  it("nothing survives the time-out, nor the death, of the outermost", function()
    local place, marker = tools.place("auto"), support.marker()
    finally(function()
      support.sweep(marker)
      place:close()
    end)
    local script = ("%s daemon %s; echo up >>up; exec %s stubborn %s")
      :format(stay, marker, stay, marker)
    local words = join(surroundings.nested(3)(place), { PROGRAM, "run", "-q",
      "-p", "workspace-write", "-C", place.work, "--", "sh", "-c", script })
    local seconds = os.getenv("SBX_SANITIZED") and 8 or 2 -- until all three are up
    for _, signal in ipairs({ "KILL", "TERM", "INT" }) do
      local ending = ("timeout -s %s %d "):format(signal, seconds)
      support.output("HOME=" .. place.home .. " " .. ending .. line_of(words) .. " 2>/dev/null")
      assert.is_true(support.gone(marker, 3), ending)
    end
    assert.equal("up\nup\nup\n", place:read("up"))
  end)
end)

-- Hosts of their own kind: what they are must change no result, and nothing of their trees outlives
-- them by a second.
local support = require "tests.support"

local stay = support.program("stay")
local DESCRIPTORS = 10000

local PRELUDE = [[
package.cpath = arg[1] .. ";" .. package.cpath
local host, sbx = require "sbxhost", require "sbx"
local stay = arg[2]
local marker = io.open("marker"):read("a")
io.stdout:setvbuf("line")
local function ten(policy)
  for i = 1, 10 do
    local r, err = sbx.run({ "sh", "-c", "cat; echo " .. i .. " >&2; exit " .. i % 3,
                             stdin = "in" .. i, policy = policy })
    if not r then print(err) end
    assert(r.exit_code == i % 3 and r.stderr == i .. "\n" and r.stdout == "in" .. i)
  end
  print("ten under " .. policy)
end
local function tree(policy)
  return sbx.spawn({ "sh", "-c", ("%s daemon %s; %s group %s; echo up; exec %s stubborn %s")
    :format(stay, marker, stay, marker, stay, marker), policy = policy })
end
]]

describe("a host", function()
  local dir, marker, host

  before_each(function()
    dir, marker = support.directory(), support.marker()
    support.write(dir .. "/marker", marker)
  end)
  after_each(function()
    if host then host:close() end
    host = nil
    support.sweep(marker)
    support.remove(dir)
  end)

  local function start(code)
    host = support.host(dir, PRELUDE .. code, support.module("sbxhost"), stay)
    return host
  end

  -- It gets every result; a tree of its own ends when it is told to, two others with it.
  local function check(become)
    start(become .. [[

      ten("workspace-write")
      ten("danger-full-access")
      local job = tree("workspace-write")
      job:lines()()
      job:kill()
      local _, err = job:wait()
      print("killed", err.kind)
      local held = { tree("workspace-write"), tree("danger-full-access") }
      held[1]:lines()() held[2]:lines()()
      print("end.")
      host.pause()]])
    assert.is_truthy(host:says("end%.", 60), host:output())
    assert.matches("ten under workspace%-write\nten under danger%-full%-access\n", host:output())
    assert.matches("killed\tcancelled", host:output())
    assert.is_true(support.alive(host.pid))
    assert.is_true(support.count(marker) > 10)
    host:kill("KILL")
    assert.is_true(support.gone(marker, 1))
  end

  it("may ignore SIGPIPE", function() check("host.ignore(13)") end)

  it("may ignore SIGCHLD", function() check("host.ignore(17)") end)

  it("may have a thread that waits for every child", function() check("host.reaper()") end)

  it("may have 64 threads", function() check("host.threads(64)") end)

  it("may have 1 GiB of memory", function() check("host.memory(1 << 30)") end)

  it("may have 10 000 descriptors", function()
    if tonumber(support.output("ulimit -Hn")) < DESCRIPTORS + 100 then
      pending("this user may not have so many")
    end
    check(("host.limit(%d) assert(host.descriptors(%d) == %d)")
          :format(DESCRIPTORS + 100, DESCRIPTORS, DESCRIPTORS))
  end)

  it("may have closed its standard descriptors", function()
    -- so that what it says goes to a file by its name
    check([[
      for fd = 0, 2 do host.close(fd) end
      print = function(...)
        local words = { ... }
        for i = 1, #words do words[i] = tostring(words[i]) end
        local out = io.open("out", "a")
        out:write(table.concat(words, "\t"), "\n")
        out:close()
      end]])
  end)

  it("at RLIMIT_NOFILE gets an error or all of the sandbox, and loses no descriptor", function()
    start([[
      local function fill(held)
        while true do
          local ok, fd = pcall(host.open, "/dev/null")
          if not ok then return held end
          held[#held + 1] = fd
        end
      end
      local function empty(held)
        while #held > 0 do host.close(table.remove(held)) end
        collectgarbage() collectgarbage()
      end
      os.execute("mkdir .git; echo kept >.git/config")
      -- as many supervisors made ahead as there will be
      for _ = 1, 20 do sbx.run({ "echo", policy = "workspace-write" }) end
      host.limit(200)
      local held = fill({})
      local before, ran, refused, wrong = #held, 0, 0, 0
      for free = 0, 70 do
        local r, err, out = sbx.run({ "sh", "-c", "echo evil >.git/config; echo ran",
                                      policy = "workspace-write" })
        r = r or out
        if r and r.stdout == "ran\n" then
          ran = ran + 1
        elseif not r and (err.kind == "sandbox" or err.kind == "spawn" or err.kind == "policy") then
          refused = refused + 1
        else
          wrong = wrong + 1
          print(free, err, r and r.stdout, r and r.stderr)
        end
        host.close(table.remove(held))
      end
      empty(held)
      for _ = 1, 20 do sbx.run({ "echo", policy = "workspace-write" }) end
      local after = #fill(held)
      print(("ran %d refused %d wrong %d lost %d."):format(ran, refused, wrong, before - after))]])
    local ran, refused, wrong, lost =
      host:says("ran (%d+) refused (%d+) wrong (%d+) lost (%-?%d+)%.", 60)
    assert.equal("0", wrong, host:output())
    assert.is_true(tonumber(ran) >= 10, host:output())
    assert.is_true(tonumber(refused) >= 3, host:output())
    -- supervisors made ahead hold two each
    assert.is_true(tonumber(lost) <= 12, host:output())
    local kept = support.read(dir .. "/.git/config") == "kept\n"
    assert.is_true(kept or support.tier() ~= "contained") -- the landlock tier declares it missing
  end)
end)

-- sbx.map: many commands, so many at a time.
local sbx = require "sbx"
local support = require "tests.support"

local function sh(line, more)
  local opts = { command = { "sh", "-c", line }, policy = "danger-full-access" }
  for name, value in pairs(more or {}) do opts[name] = value end
  return opts
end

describe("sbx.map", function()
  local dir

  before_each(function() dir = support.directory() end)
  after_each(function() support.remove(dir) end)

  -- How many ran at once at most: each notes when it began and ended.
  local function most_at_once(results)
    local events = {}
    for _, r in ipairs(results) do
      local began, ended = r.stdout:match("^(%d+)\n(%d+)\n")
      events[#events + 1] = { tonumber(began), 1 }
      events[#events + 1] = { tonumber(ended), -1 }
    end
    table.sort(events, function(a, b) return a[1] < b[1] end)
    local now, most = 0, 0
    for _, event in ipairs(events) do
      now = now + event[2]
      most = math.max(most, now)
    end
    return most
  end

  it("gives results in the order of the list, whatever ends first", function()
    local list = {}
    for i = 1, 12 do list[i] = sh(("sleep 0.%d; echo %d"):format((13 - i) % 5, i)) end
    local results, errors = sbx.map(list, { jobs = 4 })
    assert.equal(12, #results)
    for i, r in ipairs(results) do assert.equal(i .. "\n", r.stdout) end
    assert.is_nil(next(errors))
  end)

  it("runs so many at a time, and no more", function()
    local list = {}
    for i = 1, 9 do list[i] = sh("date +%s%N; sleep 0.2; date +%s%N") end
    assert.equal(3, most_at_once(sbx.map(list, { jobs = 3 })))
    assert.equal(1, most_at_once(sbx.map({ list[1], list[2] }, { jobs = 1 })))
  end)

  it("has an error beside what ran, and false for what did not", function()
    local results, errors = sbx.map({
      sh("exit 3"), sh("echo part; sleep 9", { timeout_ms = 200 }), { "/no/such/program" },
      sh("kill -9 $$"), sh("echo fine"),
    })
    assert.equal(3, results[1].exit_code)
    assert.is_nil(errors[1])
    assert.equal("part\n", results[2].stdout)
    assert.equal("timeout", errors[2].kind)
    assert.is_false(results[3])
    assert.equal("spawn", errors[3].kind)
    assert.equal("signal", errors[4].kind)
    assert.equal("fine\n", results[5].stdout)
  end)

  it("tells of each as it ends, and keeps nothing", function()
    local seen, order = {}, {}
    local count, errors = sbx.map({ sh("sleep 0.6; echo 1"), sh("echo 2"), { "/no/such" } }, {
      jobs = 2,
      each = function(r, i, err)
        seen[i] = r and r.stdout or err.kind
        order[#order + 1] = i
      end,
    })
    assert.equal(3, count)
    assert.is_nil(errors)
    assert.same({ "1\n", "2\n", "spawn" }, seen)
    assert.equal(1, order[3])
  end)

  it("takes commands from a function, one when there is room", function()
    local given, most = 0, 0
    local done = 0
    local count = sbx.map(function()
      if given == 40 then return nil end
      given = given + 1
      most = math.max(most, given - done)
      return sh("true")
    end, { jobs = 2, each = function() done = done + 1 end })
    assert.equal(40, count)
    assert.equal(40, done)
    assert.is_true(most <= 3)
  end)

  it("gives each its turn beside one that floods", function()
    local ended = {}
    local flood = sh("yes", { timeout_ms = 1500, max_output_bytes = 1000 })
    local list = { flood }
    for i = 2, 30 do list[i] = sh("echo " .. i) end
    local first
    sbx.map(list, { jobs = 3, each = function(r, i)
      ended[i] = r.stdout
      first = first or i
    end })
    assert.equal("30\n", ended[30])
    assert.is_true(first ~= 1)
    assert.equal(1000, #ended[1])
  end)

  it("calls what listens to a command's output", function()
    local lines = {}
    sbx.map({ sh("echo a; echo b", { on_line = function(_, line) lines[#lines + 1] = line end }),
              sh("echo c") })
    assert.same({ "a", "b" }, lines)
  end)

  it("goes on with fewer where descriptors are short", function()
    local code = [[
      local sbx = require "sbx"
      local list = {}
      for i = 1, 60 do list[i] = { "sh", "-c", "sleep 0.1; echo " .. i } end
      local results, errors = sbx.map(list, { jobs = 60 })
      for i = 1, 60 do
        assert(results[i] and results[i].stdout == i .. "\n", tostring(errors[i]))
      end
      print("all")]]
    support.write(dir .. "/host.lua", code)
    local text = support.output(("cd %s; LUA_PATH=%s LUA_CPATH=%s sh -c 'ulimit -n 100;"
      .. " lua5.4 host.lua 2>&1'"):format(dir, support.quote(package.path),
                                          support.quote(package.cpath)))
    assert.equal("all\n", text)
  end)

  it("ends all where a callback fails, or one is misused", function()
    local marker = support.marker()
    local sleeper = sh("sleep 60; : " .. marker)
    local ok, message = pcall(sbx.map, { sleeper, sh("true"), sleeper }, {
      jobs = 3, each = function() error("of mine") end,
    })
    assert.is_false(ok)
    assert.matches("of mine", message)
    assert.is_truthy(support.gone(marker))
    ok, message = pcall(sbx.map, { sleeper, { command = 5 } }, { jobs = 2 })
    assert.is_false(ok)
    assert.matches("^command 2: .*command", message)
    assert.is_truthy(support.gone(marker))
  end)

  it("names what it does not know", function()
    for _, wrong in ipairs({
      { { 1 }, nil, "sbx.run" }, { {}, { job = 1 }, "did you mean \"jobs\"" },
      { {}, { jobs = 0 }, "\"jobs\" must be" }, { {}, { jobs = 1.5 }, "\"jobs\" must be" },
      { {}, { each = 1 }, "\"each\" must be" }, { 5, nil, "takes a list" },
      { {}, 5, "a table of options" },
    }) do
      local ok, message = pcall(sbx.map, wrong[1], wrong[2])
      assert.is_false(ok)
      assert.matches(wrong[3], message, 1, true)
    end
  end)

  it("draws a line on a terminal alone, and takes it away", function()
    support.write(dir .. "/host.lua", [[
      local sbx = require "sbx"
      local list = {}
      for i = 1, 6 do list[i] = { "sh", "-c", "sleep 0.2; exit 0" } end
      list[7] = { "/no/such" }
      sbx.map(list, { jobs = 2, progress = true })
      print("ended")]])
    local run = ("cd %s; LUA_PATH=%s LUA_CPATH=%s"):format(dir, support.quote(package.path),
                                                         support.quote(package.cpath))
    assert.equal("ended\n", support.output(run .. " lua5.4 host.lua 2>&1"))
    local text = support.output(run .. " python3 -c 'import pty; pty.spawn([\"lua5.4\","
      .. " \"host.lua\"])' </dev/null")
    assert.matches("\r\27%[K%d/7 done, 2 running, 0:0%d", text)
    assert.matches("\r\27%[Kended\r\n$", text)
  end)

  it("waits by the host's loop inside a coroutine", function()
    local core = require "sbx.core"
    local waits, results = 0, nil
    local main = coroutine.wrap(function()
      results = sbx.map({ sh("sleep 0.1; echo 1"), sh("echo 2") }, {
        jobs = 2,
        loop = function(job, ms)
          waits = waits + 1
          assert(type(job:pollfd()) == "number" and type(ms) == "number")
          coroutine.yield(job)
          return true
        end,
      })
    end)
    local waited = main()
    while waited do
      local set = assert(core.pollset())
      assert(set:add(waited:pollfd(), 1))
      set:wait(1000)
      set:close()
      waited = main()
    end
    assert.equal("1\n", results[1].stdout)
    assert.equal("2\n", results[2].stdout)
    assert.is_true(waits > 0)
  end)

  it("leaves no descriptor", function()
    local list = {}
    for i = 1, 50 do list[i] = sh("true") end
    sbx.map(list, { jobs = 8 })
    collectgarbage()
    local before = support.open_files()
    sbx.map(list, { jobs = 8 })
    collectgarbage()
    -- what stands ready comes and goes: three of two descriptors at most
    assert.is_true(support.open_files() <= before + 6)
  end)
end)

-- The helper form: `transform` gives an argv that any host can start, with the same sandbox.
local sbx = require "sbx"
local support = require "tests.support"

local function line_of(exec)
  local words = {}
  for i, word in ipairs(exec.command) do words[i] = support.quote(word) end
  return table.concat(words, " ")
end

-- Writes a script that starts the helper with exactly these variables, from /.
local function prepare(dir, exec, env)
  local words = {}
  for name, value in pairs(env or exec.env) do
    words[#words + 1] = name .. "=" .. support.quote(value)
  end
  support.write(dir .. "/run.sh", ("cd /; exec env -i %s %s"):format(table.concat(words, " "),
                                                                     line_of(exec)))
  return dir .. "/run.sh"
end

-- stdout, stderr, status
local function started(dir, exec, env, input)
  local script = prepare(dir, exec, env)
  local status = support.output(("sh %s >%s/out 2>%s/err <%s; echo $?")
                                :format(script, dir, dir, input or "/dev/null"))
  return support.read(dir .. "/out"), support.read(dir .. "/err"), tonumber(status)
end

describe("the helper", function()
  local dir, marker

  before_each(function() dir, marker = support.directory(), support.marker() end)
  after_each(function()
    support.sweep(marker)
    support.remove(dir)
  end)

  it("runs the command in its sandbox, cwd and environment, and nothing more", function()
    support.shell("mkdir %s %s", dir .. "/in", dir .. "/out.d")
    local exec = assert(sbx.transform({ "sh", "-c", "pwd; env | sort; echo x >own; echo x >"
      .. dir .. "/out.d/new; ls /proc/$$/fd; exit 7", cwd = dir .. "/in", clear_env = true,
      env = { PATH = "/usr/bin:/bin", A = "one two" }, policy = "workspace-write" }))
    local env = { OTHER = "from the host", LD_DEBUG_OUTPUT = "/x" }
    for name, value in pairs(exec.env) do env[name] = value end
    local out, _, status = started(dir, exec, env)
    assert.equal(7, status)
    assert.matches("^" .. dir:gsub("%p", "%%%0") .. "/in\n", out)
    assert.matches("\nA=one two\n", out)
    assert.matches("SBX_NETWORK_DISABLED=1", out)
    assert.is_nil(out:match("OTHER"))
    assert.is_nil(out:match("LD_DEBUG"))
    assert.matches("\n0\n1\n2\n$", out)
    assert.equal("x\n", support.read(dir .. "/in/own"))
    assert.is_false(support.exists(dir .. "/out.d/new"))
  end)

  it("passes input on and ends with the command's status", function()
    support.write(dir .. "/input", "a\nb\n")
    local exec = assert(sbx.transform({ "cat" }))
    local out, err, status = started(dir, exec, nil, dir .. "/input")
    assert.equal("a\nb\n", out)
    assert.equal("", err)
    assert.equal(0, status)
    for _, code in ipairs({ 1, 42, 125, 255 }) do
      status = select(3, started(dir, assert(sbx.transform({ "sh", "-c", "exit " .. code }))))
      assert.equal(code, status)
    end
    status = select(3, started(dir, assert(sbx.transform({ "sh", "-c", "kill -TERM $$" }))))
    assert.equal(143, status)
  end)

  it("ends in 125 for a variable that is missing or another one, and names it", function()
    local exec = assert(sbx.transform({ "touch", dir .. "/ran", env = { WANTED = "value" },
                                        policy = "danger-full-access" }))
    local env = {}
    for name, value in pairs(exec.env) do env[name] = value end
    env.WANTED = nil
    local _, err, status = started(dir, exec, env)
    assert.equal(125, status)
    assert.matches("WANTED", err)
    env.WANTED = "changed"
    _, err, status = started(dir, exec, env)
    assert.equal(125, status)
    assert.matches("WANTED", err)
    assert.is_nil(err:match("value of"):match("changed"))
    assert.is_false(support.exists(dir .. "/ran"))
    _, _, status = started(dir, exec)
    assert.equal(0, status)
    assert.is_true(support.exists(dir .. "/ran"))
  end)

  it("keeps values out of its arguments", function()
    local exec = assert(sbx.transform({ "true", env = { PASSWORD_X = "hunter2-secret" } }))
    assert.is_nil(line_of(exec):find("hunter2", 1, true))
  end)

  it("ends in 127 for a missing command and 126 for one that can't be executed", function()
    support.write(dir .. "/plain", "x")
    local _, _, status = started(dir, assert(sbx.transform({ "/nonexistent/command" })))
    assert.equal(127, status)
    _, _, status = started(dir, assert(sbx.transform({ dir .. "/plain" })))
    assert.equal(126, status)
    _, _, status = started(dir, assert(sbx.transform({ dir })))
    assert.equal(126, status)
  end)

  it("carries arg0", function()
    local out = started(dir, assert(sbx.transform({ "sh", "-c", "echo $0", arg0 = "other" })))
    assert.equal("other\n", out)
  end)

  it("runs nothing without a plan, or with one that is damaged", function()
    local file = dir .. "/ran"
    for _, words in ipairs({ "", "FILE", "-- FILE", "--plan x -- FILE", "--plan AAAA -- FILE",
                             "--plan -- FILE" }) do
      words = words:gsub("FILE", "touch " .. file)
      local status = support.output(("%s %s 2>/dev/null; echo $?"):format(sbx.helper, words))
      assert.equal("125\n", status, words)
    end
    assert.is_false(support.exists(file))
    local exec = assert(sbx.transform({ "touch", file, policy = "danger-full-access" }))
    for i, word in ipairs(exec.command) do
      if #word > 100 then exec.command[i] = word:sub(1, 40) .. word:sub(50) end
    end
    local _, _, status = started(dir, exec)
    assert.equal(125, status)
    assert.is_false(support.exists(file))
  end)

  it("takes its tree with it when it is killed", function()
    local stay = support.program("stay")
    local exec = assert(sbx.transform({ "sh", "-c", ("%s daemon %s; exec %s stubborn %s")
      :format(stay, marker, stay, marker), policy = "workspace-write", cwd = dir }))
    local script = prepare(dir, exec)
    os.execute(("sh %s >%s/out 2>&1 </dev/null & echo $! >%s/pid"):format(script, dir, dir))
    -- sh, env and the helper are one process after another with one pid; so is the marker in it
    assert.is_truthy(support.appears(marker, 2))
    local pid = tonumber(support.read(dir .. "/pid"))
    assert.is_true(support.alive(pid))
    assert.is_truthy(support.wait_until(function()
      return (support.read(dir .. "/out") or ""):match("up")
    end))
    support.kill(pid)
    assert.is_true(support.gone(marker, 3))
  end)

  it("passes signals on, and ends with what the command makes of them", function()
    local exec = assert(sbx.transform({ "sh", "-c", "trap 'echo got; exit 9' TERM; trap 'echo usr'"
      .. " USR1; echo up; while :; do sleep 0.05; done" }))
    local script = prepare(dir, exec)
    -- the whole group gets it, and the shell tells on stderr of its sleep that died
    os.execute(("{ sh %s >%s/out 2>/dev/null </dev/null & echo $! >%s/pid; wait $!;"
                .. " echo $? >%s/status; } &"):format(script, dir, dir, dir))
    local function says(pattern)
      return support.wait_until(function()
        return (support.read(dir .. "/out") or ""):match(pattern)
      end)
    end
    assert.is_truthy(says("up"))
    local pid = tonumber(support.read(dir .. "/pid"))
    support.kill(pid, "USR1")
    assert.is_truthy(says("usr"))
    support.kill(pid, "TERM")
    assert.is_truthy(support.wait_until(function() return support.read(dir .. "/status") end))
    assert.equal("up\nusr\ngot\n", support.read(dir .. "/out"))
    assert.equal("9\n", support.read(dir .. "/status"))
  end)

  it("leaves nothing behind when the command ends", function()
    local stay = support.program("stay")
    local script = stay .. " daemon " .. marker .. "; sleep 0.3"
    local exec = assert(sbx.transform({ "sh", "-c", script }))
    local _, _, status = started(dir, exec)
    assert.equal(0, status)
    assert.is_true(support.gone(marker, 3))
  end)
end)

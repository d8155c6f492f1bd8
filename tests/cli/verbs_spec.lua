-- sbxlua doctor, policies, init: what they say, and as JSON.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local program = dofile(here .. "program.lua")

describe("sbxlua policies", function()
  it("lists the three with their file and what they say of themselves", function()
    local got = program.run({ "policies" })
    assert.equal(0, got.status)
    for _, name in ipairs({ "read-only", "workspace-write", "danger-full-access" }) do
      assert.truthy(("\n" .. got.stdout):find("\n" .. name .. " ", 1, true), name)
    end
    for _, policy in ipairs(program.object(program.run({ "policies", "--json" })).policies) do
      assert.truthy(program.read(policy.path), policy.path)
      assert.is_string(policy.doc)
    end
  end)

  it("refuses words that it doesn't know", function()
    assert.equal(125, program.run({ "policies", "--jsn" }).status)
    assert.equal(125, program.run({ "policies", "more" }).status)
  end)
end)

describe("an answer that can't be written", function()
  it("is an error", function()
    local got = program.shell("for verb in 'policies' 'doctor --json' 'run --json true' 'run ls';"
      .. " do $sbxlua $verb >/dev/full; echo $?; done")
    assert.equal("125\n125\n125\n125\n", got.stdout)
    assert.truthy(got.stderr:find("sbxlua: can't write the output: No space left", 1, true))
  end)
end)

describe("sbxlua doctor", function()
  it("says what holds here and names a remedy for each layer that is missing", function()
    local object = program.object(program.run({ "doctor", "--json" }))
    assert.equal(1, object.v)
    assert.is_table(object.tiers)
    local seen = {}
    for _, check in ipairs(object.checks) do
      seen[check.name] = true
      if not check.ok then assert.is_string(check.remedy, check.name) end
    end
    assert.is_true(seen.landlock_abi and seen.seccomp and seen.userns)
    assert.truthy(object.helper:find("sbx%-exec$"))
  end)

  -- A library that says what another machine would: the probe's answers are the test's.
  local function told_all(answers)
    local got = program.run({ "-e", [[
      local core = require("sbx.core")
      local real, answers = core.probe, ]] .. answers .. [[
      core.probe = function()
        local probe = real()
        for name, value in pairs(answers) do probe[name] = value end
        return probe
      end
      core.cgroup = function() return answers.cgroup end
      require("sbx.cli.doctor").main({ "--json" })]] })
    return program.object(got)
  end

  local function told(answers)
    local checks = {}
    for _, check in ipairs(told_all(answers).checks) do checks[check.name] = check end
    return checks
  end

  it("takes true for there, and names the reason where it is not", function()
    local checks = told('{ cgroup = "/sys/fs/cgroup/x", pidfd = "the kernel is too old" }')
    assert.is_true(checks.cgroup.ok)
    assert.is_nil(checks.cgroup.remedy)
    assert.is_false(checks.pidfd.ok)
    assert.equal("the kernel is too old", checks.pidfd.reason)
    checks = told("{ landlock_abi = 0 }")
    assert.is_false(checks.landlock_abi.ok)
    assert.truthy(checks.landlock_abi.reason:find("no Landlock", 1, true))
    assert.is_false(checks.cgroup.ok)
  end)

  it("takes a tier for there when all that it needs is", function()
    local all = "landlock_abi = 7, seccomp = true, mountns = true, pidns = true, mounts = true"
    local object = told_all("{ " .. all .. " }")
    assert.same({ "contained", "landlock" }, object.tiers)
    for _, name in ipairs({ "mountns", "mounts" }) do
      object = told_all("{ " .. all .. ", " .. name .. " = 'not here' }")
      assert.same({ "landlock" }, object.tiers)
      assert.equal(name .. ": not here", object.missing_tiers.contained)
    end
    object = told_all("{ " .. all .. ", seccomp = 'refused' }")
    assert.same({}, object.tiers)
    assert.truthy(object.missing_tiers.landlock:find("refused", 1, true))
  end)

  it("names the setting that is in the way", function()
    local remedies = {
      { "/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=" },
      { "/proc/sys/kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone=1" },
      { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor profile" },
      { "/proc/sys/user/max_mnt_namespaces", "0", "user.max_mnt_namespaces=" },
      { "/sys/kernel/security/lsm", "capability,yama", "lsm=landlock,capability,yama" },
    }
    for _, one in ipairs(remedies) do
      local got = program.run({ "-e", string.format([[
        local core = require("sbx.core")
        local read = core.fs_read
        core.fs_read = function(path, ...)
          if path == %q then return %q end
          if path:find("^/proc/sys/") then return nil end
          return read(path, ...)
        end
        local remedies, probe = require("sbx.cli.remedies"), { kernel = "6.1", mountns = "no" }
        for _, name in ipairs({ "userns", "mountns", "mounts", "landlock_abi" }) do
          print(remedies.of(name, "no", probe))
        end]], one[1], one[2]) })
      assert.truthy(got.stdout:find(one[3], 1, true), one[3] .. got.stdout .. got.stderr)
    end
  end)

  it("says nothing of the directory that it is called in", function()
    local place = program.directory()
    local function said(cwd)
      local object = program.object(program.run({ "doctor", "--json" }, { cwd = cwd }))
      assert.is_nil(object.workspace_write_error)
      return object.workspace_write
    end
    assert.same(said(place), said("/"))
    program.remove(place)
  end)

  it("says the same to a person", function()
    local got = program.run({ "doctor" })
    assert.truthy(got.stdout:find("landlock", 1, true))
    assert.truthy(got.stdout:find("tiers, strongest first: ", 1, true))
    assert.equal("", got.stderr)
  end)
end)

describe("sbxlua init", function()
  local home
  before_each(function() home = program.directory() end)
  after_each(function() program.remove(home) end)

  local NAMES = { "policy", "env", "denial" }

  local function at_home(...)
    return program.run({ ... }, { env = { HOME = home, XDG_CONFIG_HOME = "" } })
  end

  local function init(...) return at_home("init", ...) end

  local function file(name) return home .. "/.config/sbxlua/" .. name .. ".lua" end

  local function works()
    local got = at_home("run", "-q", "--", "echo", "works")
    assert.equal("works\n", got.stdout)
    assert.equal("", got.stderr)
  end

  it("writes edits that change nothing yet", function()
    assert.equal(0, init().status)
    for _, name in ipairs(NAMES) do
      assert.truthy(program.read(file(name)):find("local base = ...", 1, true))
    end
    works()
  end)

  it("never overwrites without --force", function()
    init()
    program.write(file("env"), "return ...\n")
    local got = init("--full")
    assert.equal(1, got.status)
    assert.truthy(got.stdout:find("kept", 1, true))
    assert.equal("return ...\n", program.read(file("env")))
    assert.equal(0, init("--force").status)
    assert.truthy(program.read(file("env")):find("local base = ...", 1, true))
  end)

  it("writes whole copies that work alone", function()
    assert.equal(0, init("--full").status)
    for _, name in ipairs(NAMES) do
      assert.is_true(#program.read(file(name)) > 500)
    end
    works()
  end)

  it("lets doctor tell a whole copy of an older edition", function()
    init("--full")
    local function states()
      local by_name = {}
      for _, script in ipairs(program.object(at_home("doctor", "--json")).scripts) do
        by_name[script.name] = script.state
      end
      return by_name
    end
    assert.same({ policy = "copy", env = "copy", denial = "copy" }, states())
    local older = program.read(file("env")):gsub("edition %x+", "edition 00000000", 1)
    program.write(file("env"), older)
    program.write(file("denial"), "return { keywords = {} }\n")
    assert.same({ policy = "copy", env = "outdated", denial = "replacement" }, states())
  end)

  it("answers in JSON, and honours XDG_CONFIG_HOME only where it is absolute", function()
    local got = program.run({ "init", "--json" },
      { env = { HOME = home, XDG_CONFIG_HOME = home .. "/xdg" } })
    local object = program.object(got)
    assert.equal(3, #object.written)
    assert.truthy(got.stdout:find('"kept":[]', 1, true))
    assert.truthy(program.read(home .. "/xdg/sbxlua/env.lua"))
    program.run({ "init" }, { env = { HOME = home, XDG_CONFIG_HOME = "relative" }, cwd = home })
    assert.truthy(program.read(file("env")))
    assert.is_nil(program.read(home .. "/relative/sbxlua/env.lua"))
  end)
end)

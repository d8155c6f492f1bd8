-- The filter of a watched run is one: what refuses by itself, and behind it what is handed over.
local sbx = require "sbx"
local support = require "tests.support"
local watch = require "tests.sandbox.watch"

local powers = support.program("powers")

local ATTEMPT = [[
import ctypes, errno, os, socket
def attempt(call):
    try: call(); print("OK")
    except OSError as e: print(errno.errorcode[e.errno])
]]

for _, tier in ipairs(watch.tiers()) do
  describe("the filter of a watched run in the " .. tier .. " tier", function()
    local scene
    setup(function() scene = watch.new() end)
    teardown(function() scene:close() end)

    it("refuses, hands over and lets pass, each as its rule says", function()
      local code = ATTEMPT .. ([[
libc = ctypes.CDLL(None, use_errno=True)
def raw(number):
    if libc.syscall(number, -1, 0, 0) < 0: raise OSError(ctypes.get_errno(), "")
attempt(lambda: raw(250))                            # keyctl: missing, by the filter alone
attempt(lambda: os.sched_yield())                    # the policy's own, handed over
attempt(lambda: open(%q, "w"))                       # handed over, refused by another layer
attempt(lambda: open("made", "w")); attempt(lambda: open("/dev/null", "r+"))]]):format(
        scene.out .. "/made")
      local r = scene:python(tier, code, { policy = { syscalls = { deny = { "sched_yield" } } } })
      assert.matches("^ENOSYS\nEPERM\nE%u+\nOK\nOK\n$", r.stdout)
      local told = {}
      for _, one in ipairs(r.denial.evidence) do told[#told + 1] = one.operation end
      table.sort(told)
      assert.same({ "create", "other" }, told)
    end)

    it("refuses foreign architectures", function()
      local answers = support.answers(scene:run(tier, { powers, "foreign" }).stdout)
      if next(answers) == nil then pending("only x86-64 has such calls") end
      for _, name in ipairs({ "x32_getpid", "x32_socket", "int80_getpid", "int80_socket" }) do
        assert.is_truthy(answers[name], name)
        assert.are_not.equal("ok", answers[name], name)
      end
    end)

    it("takes no option that is not there for evidence, and one that the policy denies", function()
      local code = ATTEMPT .. [[
attempt(lambda: socket.socket().setsockopt(6, 31, b"tls"))
attempt(lambda: socket.socket().setsockopt(6, 1, 1))]]
      local r = scene:python(tier, code)
      assert.equal("ENOPROTOOPT\nOK\n", r.stdout)
      assert.same({}, r.denial.evidence)
      r = scene:python(tier, code, { policy = { syscalls = { deny = { "setsockopt" } } } })
      assert.matches("^E%u+\nEPERM\n$", r.stdout)
      assert.equal("EPERM", r.denial.evidence[1].errno)
    end)

    it("watches also where the policy denies what a descriptor is sent by", function()
      local r = scene:python(tier, ATTEMPT .. ([[
a, b = socket.socketpair()
attempt(lambda: a.sendmsg([b"x"])); attempt(lambda: open(%q, "w"))]]):format(scene.out .. "/made"),
        { policy = { syscalls = { deny = { "sendmsg", "sendmmsg" } } } })
      assert.matches("^EPERM\nE%u+\n$", r.stdout)
      assert.is_nil(support.missing_reason(r.sandbox, "watch"))
      assert.is_truthy(watch.about(r, scene.out .. "/made"))
    end)

    it("starts and refuses also where the policy denies what a start itself calls", function()
      for _, call in ipairs({ "close", "prctl", "exit", 3, 46, 157, 60 }) do
        local r = scene:run(tier, { "true" }, { policy = { syscalls = { deny = { call } } },
                                                setup_timeout_ms = 4000 })
        assert.is_truthy(r.exit_code, tostring(call))
        assert.is_nil(support.missing_reason(r.sandbox, "watch"), tostring(call))
      end
    end)

    it("ends at once where a start fails and may not end itself", function()
      local began = os.time()
      local r, err = sbx.run({ "/no/such/program", tier = tier, watch = true, cwd = scene.work,
                               policy = watch.policy({ syscalls = { deny = {
                                 "exit", "exit_group", "close" } } }) })
      assert.is_nil(r)
      assert.equal("execve", err.step)
      assert.is_true(os.time() - began < 3)
    end)
  end)
end

describe("devices in a watched run", function()
  local tier, scene = watch.tiers()[1], nil
  if tier ~= "contained" then return end
  setup(function() scene = watch.new() end)
  teardown(function() scene:close() end)

  it("are opened without a word", function()
    local r = scene:run(tier, "echo x >/dev/null && echo x >>/dev/zero && : <>/dev/null && echo ok")
    assert.equal("ok\n", r.stdout)
    assert.same({}, r.denial.evidence)
  end)

  -- Who doesn't own them is refused by plain permissions, which is no evidence.
  it("are told where their mode or times are changed", function()
    for line, operation in pairs({
      ["chmod 600 /dev/null"] = "metadata", ["touch -c -d @0 /dev/null"] = "metadata",
    }) do
      local r = scene:run(tier, ": >/dev/null; " .. line)
      local one = watch.about(r, "/dev/null")
      assert.equal(support.is_root and operation or nil, one and one.operation, line)
    end
    assert.equal("666\n", support.output("stat -c %a /dev/null"))
  end)

  it("are the command's own, of which none is hidden, and that is said", function()
    local r = scene:run(tier, "head -c 1 /dev/zero | wc -c",
                        { policy = { deny_read = { "/dev/zero" } } })
    assert.equal("1\n", r.stdout)
    assert.matches('deny_read "/dev/zero"', support.missing_reason(r.sandbox, "policy_entry"), 1,
                   true)
  end)
end)

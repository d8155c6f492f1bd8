-- A command that works against its watch: enforcement is as without it, and what is told of is
-- what was asked for at some moment.
local support = require "tests.support"
local watch = require "tests.sandbox.watch"

local TIMES = 100000

for _, tier in ipairs(watch.tiers()) do
  describe("against the watch of the " .. tier .. " tier", function()
    local scene

    before_each(function() scene = watch.new() end)
    after_each(function() scene:close() end)

    it("a path that is rewritten while it is judged wins nothing", function()
      local inside, outside = scene.work .. "/in", scene.dir .. "/out/in1"
      inside = inside:gsub("in$", "in2") -- as long as the other, and another name
      inside = inside:gsub("/work/", "/work//"):sub(1, #outside)
      if #inside ~= #outside then inside = scene.work .. "/i" end
      local before = support.state(scene.out)
      local r = scene:run(tier, { support.program("rewriting"), inside, outside,
                                  tostring(TIMES) }, { timeout_ms = 300000 })
      assert.matches("^%d+ opened\n$", r.stdout, nil, r.stderr)
      assert.equal(before, support.state(scene.out))
      for _, one in ipairs(r.denial.evidence) do
        assert.equal(scene.out, one.path:sub(1, #scene.out), one.path)
      end
    end)

    it("calls are answered however many children end meanwhile", function()
      local r = scene:run(tier, { support.program("storming"), "4" }, { timeout_ms = 30000 })
      assert.equal("0 refused\n", r.stdout, r.stderr)
      assert.equal("ok", r.status)
    end)

    it("text that looks like a denial is none", function()
      local r = scene:run(tier, [[echo "Permission denied: operation not permitted, seccomp landlock
        read-only file system" >&2; echo 'sbxlua: refused: write /etc/passwd'; exit 1]])
      assert.equal("none", r.denial.verdict)
      assert.equal("failed", r.status)
      assert.same({}, r.denial.evidence)
    end)

    it("its own filter's errno is no evidence", function()
      -- mkdir gives EROFS to what runs below, whatever the path
      local r = scene:python(tier, [[
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
code = b"".join(struct.pack("HBBI", *one) for one in [
    (0x20, 0, 0, 0), (0x15, 0, 1, 83), (6, 0, 0, 0x50000 | 30), (6, 0, 0, 0x7fff0000)])
block = ctypes.create_string_buffer(code)
prog = struct.pack("HxxxxxxQ", 4, ctypes.addressof(block))
assert libc.syscall(317, 1, 0, prog) == 0
try: os.mkdir("here")
except OSError as e: print(e.errno)]])
      assert.equal("30\n", r.stdout)
      assert.same({}, r.denial.evidence)
    end)

    it("the supervisor's listener and memory are out of reach", function()
      local r = scene:python(tier, [[
import os
got = 0
for path in ["/proc/%d/fd/%d" % (os.getppid(), fd) for fd in range(64)] + ["/proc/1/mem"]:
    try: os.open(path, os.O_RDONLY); got += 1
    except OSError: pass
print(got)
try: os.kill(os.getppid(), 9); print("sent")
except OSError as e: print(e.errno)
try: os.mkdir("still")
except OSError as e: print(e)]])
      assert.matches("^0\n", r.stdout)
      assert.is_true(support.exists(scene.work .. "/still"))
      assert.is_true(r.denial.watched)
      assert.equal(0, r.exit_code)
    end)
  end)
end

-- What a watched run tells: every refused access, what it was, and nothing else.
local core = require "sbx.core"
local sbx = require "sbx"
local support = require "tests.support"
local watch = require "tests.sandbox.watch"

local SCRIPT = (os.getenv("SBX_SOURCE") or ".") .. "/tests/sandbox/watched.py"

-- Each with the operation that the interface calls it; the landlock tier leaves metadata open.
local REFUSED = {
  create = "create", fresh = "create", write = "write", append = "write", trunc = "write",
  again = "write", open2 = "write", make2 = "create", truncate = "write", mkdir = "create",
  fifo = "create", symlink = "create", link = "link", rename = "rename", unlink = "delete",
  rmdir = "delete", openat = "create", mkdirat = "create", unlinkat = "delete",
  renameat = "rename", chmod = "metadata", chown = "metadata", utime = "metadata",
  xattr = "metadata",
}
local METADATA = { chmod = true, chown = true, utime = true }
local NOTHING = {
  "read", "mkdir_there", "unlink_missing", "rmdir_full", "write_missing", "fresh_there",
  "open_directory", "unlink_directory", "asks", "rename_missing", "loop",
}

local function names_of(map)
  local list = {}
  for name in pairs(map) do list[#list + 1] = name end
  table.sort(list)
  return list
end

-- A rename or link is refused at the side that it makes.
local function subject(directory, name)
  local path = directory .. "/" .. name
  return (name == "rename" or name == "renameat" or name == "link") and path .. ".new" or path
end

for _, tier in ipairs(watch.tiers()) do
  describe("a watched run in the " .. tier .. " tier", function()
    local scene

    before_each(function() scene = watch.new() end)
    after_each(function() scene:close() end)

    local function operations(directory, names)
      local command = { "python3", SCRIPT, directory }
      for _, name in ipairs(names) do command[#command + 1] = name end
      local r = scene:run(tier, command)
      return r, support.answers(r.stdout)
    end

    it("tells nothing of calls that fail whatever the path", function()
      local code = ([[
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*words): libc.syscall(*[ctypes.c_long(w) if isinstance(w, int) else w for w in words])
os.chdir("OUT")
AT = -100
how = (ctypes.c_uint64 * 3)(os.O_WRONLY, 0, 8)  # RESOLVE_BENEATH
call(90, b"", 0o600)                        # chmod
call(268, AT, b"", 0o600)                   # fchmodat
call(76, b"OUT/write", -1)                # truncate
call(133, b"OUT/new/", 0o100600, 0)        # mknod
call(263, AT, b"OUT/write", 0x4000)       # unlinkat
call(316, AT, b"OUT/write", AT, b"OUT/x", 0x4000)  # renameat2
call(437, AT, b"OUT/write", how, 24)      # openat2, absolute
call(437, AT, b"OUT/write", how, 8)       # too small to be one
call(83, b"OUT/new/", 0o755)               # mkdir: the twin]]):gsub("OUT", scene.out)
      local r = scene:python(tier, code)
      if io.popen("uname -m"):read("l") ~= "x86_64" then return pending("numbers of x86-64") end
      local errno = tier == "landlock" and "EACCES" or "EROFS"
      assert.same({ "create " .. scene.out .. "/new " .. errno }, watch.lines(r))
    end)

    it("tells what has no name, is named by a descriptor, or lies on the other side", function()
      if io.popen("uname -m"):read("l") ~= "x86_64" then return pending("numbers of x86-64") end
      local code = ([[
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(call, *words):
    try: call(*words)
    except OSError: pass
attempt(os.open, "OUT", os.O_TMPFILE | os.O_WRONLY, 0o600)
fd = os.open("OUT/chmod", os.O_RDONLY)
libc.syscall(ctypes.c_long(452), fd, b"", 0o600, 0x1000)  # fchmodat2, AT_EMPTY_PATH
attempt(os.link, "OUT/link", "WORK/new")
libc.mount(b"none", b"OUT/rmdir", b"tmpfs", 0, None)]]):gsub("OUT", scene.out)
        :gsub("WORK", scene.work)
      local r = scene:python(tier, code)
      local errno = tier == "landlock" and "EACCES" or "EROFS"
      local wanted = { "create " .. scene.out .. " " .. errno,
                       "link " .. scene.out .. "/link EXDEV" }
      if tier == "contained" then
        wanted[#wanted + 1] = "metadata " .. scene.out .. "/chmod EROFS"
      end
      -- what an ordinary user may not do anyway is no evidence
      if core.uid() == 0 then wanted[#wanted + 1] = "mount " .. scene.out .. "/rmdir EPERM" end
      assert.same(wanted, watch.lines(r))
    end)

    it("tells every operation that is refused, with the errno that the command got", function()
      local before = support.state(scene.out)
      local r, answers = operations(scene.out, names_of(REFUSED))
      assert.is_true(r.denial.watched)
      local told = 0
      for name, operation in pairs(REFUSED) do
        local open = tier == "landlock" and METADATA[name]
        local one = watch.about(r, subject(scene.out, name))
        if open then
          assert.equal("OK", answers[name])
          assert.is_nil(one, name)
        else
          told = told + 1
          assert.is_truthy(one, name .. " " .. answers[name] .. " was not told")
          assert.equal(operation, one.operation, name)
          assert.equal(answers[name], one.errno, name)
          assert.equal(1, one.count)
          assert.matches(one.layer == "seccomp" and "refused system calls"
                         or 'workspace%-write.*mode = "workspace%-write"', one.rule)
          assert.equal("python3", one.program)
        end
      end
      assert.equal(told, #r.denial.evidence)
      assert.equal(scene.out .. "/rename", watch.about(r, scene.out .. "/rename.new").target)
      if tier == "contained" then assert.equal(before, support.state(scene.out)) end
    end)

    it("tells nothing of the same in its workspace", function()
      local names = names_of(REFUSED)
      local r, answers = operations(scene.work, names)
      for _, name in ipairs(names) do
        if not (name == "xattr" and tier == "landlock") then
          assert.equal("OK", answers[name], name)
          assert.is_nil(watch.about(r, subject(scene.work, name)), name)
        end
      end
      assert.same(tier == "landlock" and { "metadata " .. scene.work .. "/xattr EOPNOTSUPP" } or {},
                  watch.lines(r))
    end)

    it("tells nothing of what fails without a sandbox, too", function()
      local r, answers = operations(scene.out, NOTHING)
      assert.same({}, watch.lines(r))
      assert.equal("EEXIST", answers.mkdir_there)
      assert.equal("OK", answers.read)
    end)

    it("resolves a path as the process that gives it", function()
      local code = [[
import os, threading
out, work = %q, %q
def attempt(path, **how):
    try: os.close(os.open(path, os.O_WRONLY | os.O_CREAT, **how))
    except OSError: pass
os.symlink(out, "way"); os.symlink(out + "/by_link", "there"); os.symlink("way", "twice")
attempt("../out/relative"); attempt("way/through"); attempt("there"); attempt("twice/again/../deep")
attempt("way/../out/./up")
attempt("/proc/self/cwd/../out/proc")
def thread(): attempt("/proc/thread-self/cwd/../out/thread")
t = threading.Thread(target=thread); t.start(); t.join()
directory = os.open(out, os.O_RDONLY)
attempt("descriptor", dir_fd=directory)
attempt("/proc/self/fd/%%d/magic" %% directory)
attempt("/dev/fd/%%d/device" %% directory)
os.chdir(out); attempt("changed"); attempt("./again2"); attempt("../work/way/back")
os.chdir("/"); attempt((out + "/root")[1:])
attempt(out + "//doubled"); attempt(out + "/" + "x" * 255); attempt(out + "/" + "y" * 256)
attempt("/" + "z/" * 3000)
os.mkdir(work + "/gone"); os.chdir(work + "/gone"); os.rmdir(work + "/gone"); attempt("nowhere")
]]
      local r = scene:python(tier, code:format(scene.out, scene.work))
      assert.equal("", r.stderr)
      local told = {}
      for _, one in ipairs(r.denial.evidence) do told[#told + 1] = one.path end
      local expected = {}
      for i, name in ipairs({
        "relative", "through", "by_link", "up", "proc", "thread", "descriptor", "magic",
        "device", "changed", "again2", "back", "root", "doubled", ("x"):rep(255),
      }) do
        expected[i] = scene.out .. "/" .. name
      end
      table.sort(expected)
      table.sort(told)
      assert.same(expected, told)
    end)

    it("counts what is repeated, and who did it", function()
      local r = scene:run(tier, ("for i in 1 2 3 4 5 6 7 8 9 10; do mkdir %s/x; done; exit 7")
        :format(scene.out))
      assert.equal(1, #r.denial.evidence)
      local one = r.denial.evidence[1]
      assert.equal(10, one.count)
      assert.equal(8, #one.pids)
      assert.equal("mkdir", one.program)
      assert.equal("mkdir", one.syscall:sub(1, 5))
      assert.is_true(one.last > one.seq)
      -- each mkdir, and the shell at the end
      assert.equal(11, #r.denial.failures)
      assert.equal(7, r.denial.failures[11].code)
      assert.equal(r.denial.failures[11].pid, r.denial.failures[1].ppid)
      assert.equal(one.pid, r.denial.failures[1].pid)
      assert.is_true(one.seq < r.denial.failures[1].seq)
    end)

    it("lists what was refused to a command that ends well", function()
      local r, err = scene:run(tier, "mkdir " .. scene.out .. "/x 2>/dev/null; exit 0")
      assert.is_nil(err)
      assert.equal("none", r.denial.verdict)
      assert.equal(1, #r.denial.evidence)
    end)

    it("tells of each when it happens", function()
      local live, ended = {}, false
      local r = scene:run(tier, ("mkdir %s/x; mkdir %s/x; sleep 1; touch done"):format(
        scene.out, scene.out), {
        on_refused = function(one)
          live[#live + 1] = one
          ended = ended or support.exists(scene.work .. "/done")
        end,
      })
      assert.equal(1, #live)
      assert.is_false(ended)
      assert.equal(scene.out .. "/x", live[1].path)
      assert.equal(2, r.denial.evidence[1].count)
    end)

    it("ends with an error that on_refused throws", function()
      local began = os.time()
      local ok, err = pcall(scene.run, scene, tier, "mkdir " .. scene.out .. "/x; sleep 60", {
        on_refused = function() error("no more", 0) end,
      })
      assert.is_false(ok)
      assert.equal("no more", err)
      assert.is_true(os.time() - began < 30)
    end)

    it("reads what a command that is not dumpable asks for", function()
      local r = scene:python(tier, ([[
import ctypes, os
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
try: os.mkdir(%q)
except OSError: pass]]):format(scene.out .. "/x"))
      -- where the supervisor has no power over its memory it says so
      local read = #r.denial.evidence == 1
      assert.is_true(read or r.denial.unread > 0)
      if tier == "contained" then assert.is_true(read) end
    end)

    it("tells of programs that can't be read, or reads them", function()
      local directory = support.directory()
      support.shell("cp $(command -v mkdir) %s/run && chmod 711 %s/run && chmod 755 %s", directory,
                    directory, directory)
      local r = scene:run(tier, { directory .. "/run", scene.out .. "/x" })
      assert.is_true(#r.denial.evidence == 1 or r.denial.unread > 0)
      assert.is_false(support.exists(scene.out .. "/x"))
      support.remove(directory)
    end)

    it("keeps no more than so much, whatever the command does", function()
      local r = scene:python(tier, ([[
import os
for i in range(20000):
    try: os.mkdir(%q + "/" + str(i))
    except OSError: pass
for i in range(100): os.spawnlp(os.P_WAIT, "false", "false")]]):format(scene.out))
      assert.equal(256, #r.denial.evidence)
      assert.equal(20000 - 256, r.denial.dropped)
      assert.equal(scene.out .. "/0", r.denial.evidence[1].path)
      assert.equal(scene.out .. "/19999", r.denial.evidence[256].path)
      assert.equal(64, #r.denial.failures)
    end)

    it("goes on where nobody reads what it tells", function()
      local job = assert(sbx.spawn({ "python3", "-c", ([[
import os
for i in range(5000):
    try: os.mkdir(%q + "/" + "x" * 200 + str(i))
    except OSError: pass
open("over", "w").close()]]):format(scene.out), cwd = scene.work, policy = watch.policy(),
        tier = tier, watch = true }))
      assert.is_true(support.wait_until(function()
        return support.exists(scene.work .. "/over")
      end, 60))
      local r = assert(job:wait())
      assert.equal(256, #r.denial.evidence)
      assert.equal(5000 - 256, r.denial.dropped)
    end)

    it("keeps what it has seen for a host that looks late", function()
      local job = assert(sbx.spawn({ "sh", "-c", ([[
i=0; while [ $i -lt 60 ]; do mkdir %s/%s$i; i=$((i + 1)); done 2>/dev/null; exit 3]])
        :format(scene.out, ("x"):rep(200)), cwd = scene.work, policy = watch.policy(), tier = tier,
        watch = true }))
      support.sleep("2")
      local r = assert(job:wait())
      assert.equal(3, r.exit_code)
      assert.equal(60, #r.denial.evidence)
      assert.equal(61, #r.denial.failures)
    end)

    it("is ended by a time-out and a kill as any other", function()
      local loop = "while :; do mkdir " .. scene.out .. "/x 2>/dev/null; done"
      local r, err = scene:run(tier, loop, { timeout_ms = 700 })
      assert.equal("timeout", err.kind)
      assert.equal(1, #r.denial.evidence)
      local job = assert(sbx.spawn({ "sh", "-c", loop, cwd = scene.work, tier = tier, watch = true,
                                     policy = watch.policy() }))
      support.sleep("0.3")
      job:kill()
      local _, _, out = job:wait()
      assert.equal("cancelled", out.status)
      assert.equal(scene.out .. "/x", out.denial.evidence[1].path)
    end)

    it("watches many jobs at once, each for itself, with and without", function()
      local jobs = {}
      for i = 1, 50 do
        jobs[i] = assert(sbx.spawn({ "mkdir", scene.out .. "/" .. i, cwd = scene.work,
                                     policy = watch.policy(), tier = tier, watch = i % 2 == 1 }))
      end
      for i = 1, 50 do
        local _, _, out = jobs[i]:wait()
        assert.equal(i % 2 == 1, out.denial.watched)
        assert.equal(i % 2, #out.denial.evidence)
        if i % 2 == 1 then assert.equal(scene.out .. "/" .. i, out.denial.evidence[1].path) end
      end
    end)

    it("leaves a listener of its own to nobody", function()
      local r = scene:python(tier, [[
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
prog = struct.pack("HxxxxxxQ", 1, ctypes.addressof(code))
print(libc.syscall(317, 1, 8, prog), ctypes.get_errno())
print(libc.syscall(317, 1, 0, prog), ctypes.get_errno())]])
      assert.equal("-1 1\n0 1\n", r.stdout)
    end)

    it("says so where somebody else listens already", function()
      local code = ([[
local sbx = require "sbx"
local r, err, out = sbx.run({ "true", watch = true, policy = "read-only", sandbox = "auto",
  on_refused = print })
r = assert(r or out, err)
print(r.denial.watched, r.exit_code)
for _, one in ipairs(r.sandbox.missing) do
  if one.property == "watch" then print(one.property, one.reason) end
end]])
      support.write(scene.work .. "/inner.lua", code)
      local r = scene:run(tier, { "lua5.4", "inner.lua" }, {
        env = { LUA_PATH = package.path, LUA_CPATH = package.cpath },
      })
      assert.matches("^false%s+0\nwatch\t", r.stdout .. r.stderr)
    end)

    -- also where one that waits for its request is made for each, in vain
    it("says so each time anew", function()
      support.write(scene.work .. "/inner.lua", [[
local sbx = require "sbx"
for i = 1, 25 do
  sbx.reload()
  local r, err, out = sbx.run({ "true", watch = true, policy = "read-only", sandbox = "auto" })
  r = assert(r or out, err)
  assert(r.denial.watched == false and r.exit_code == 0)
end
print("fine")]])
      local r = scene:run(tier, { "lua5.4", "inner.lua" }, {
        env = { LUA_PATH = package.path, LUA_CPATH = package.cpath },
      })
      assert.equal("fine\n", r.stdout .. r.stderr)
    end)
  end)
end

describe("a run that isn't watched", function()
  it("has no evidence, and says that nobody looked", function()
    local scene = watch.new()
    local r = scene:run(nil, "mkdir " .. scene.out .. "/x", { watch = false })
    assert.is_false(r.denial.watched)
    assert.same({}, r.denial.evidence)
    assert.same({}, r.denial.failures)
    scene:close()
  end)
end)

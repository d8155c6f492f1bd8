-- What an attacker found in the contained tier, each with what it could do before.
local sbx = require "sbx"
local support = require "tests.support"

local SBXLUA = os.getenv("SBX_PREFIX") .. "/bin/sbxlua"

describe("an attack on the contained tier", function()
  if support.tier() ~= "contained" then
    pending("the contained tier can't be had here")
    return
  end

  local dir, work

  before_each(function()
    dir = support.directory()
    work = dir .. "/work"
    support.shell("cd %s; mkdir work out; echo secret > out/key; chmod 755 . out", dir)
  end)
  after_each(function()
    support.shell("chmod -R u+rwX %s", dir)
    support.remove(dir)
  end)

  local function policy(more)
    local table_ = { extends = "workspace-write", exclude_slash_tmp = true,
                     exclude_tmpdir_env_var = true }
    for name, value in pairs(more or {}) do table_[name] = value end
    return table_
  end

  local function run(script, more, opts)
    local all = { "sh", "-c", script, cwd = work, policy = policy(more), tier = "contained",
                  timeout_ms = 20000 }
    for name, value in pairs(opts or {}) do all[name] = value end
    local r, err, out = sbx.run(all)
    return r or out, err
  end

  local function mode(path) return support.output("stat -c %a " .. path) end

  it("by a directory as stdin isn't started, a file and a pair of sockets are taken", function()
    local line = "cd %s && %s run -q --tier contained -- sh -c 'touch ran; cat' < %s 2>&1; echo $?"
    local said = support.output(line:format(work, SBXLUA, dir .. "/out"))
    assert.matches("stdin: is no file, pipe, terminal or connected stream\n125\n$", said)
    assert.equal("secret\n", (support.output(("cd %s && %s run -q -- cat < %s"):format(work, SBXLUA,
                                             dir .. "/out/key"))))
    local pair = "import socket,subprocess,sys; a,b=socket.socketpair(); a.send(b'pair');"
      .. " a.shutdown(1); sys.stdout.buffer.write(subprocess.run(sys.argv[1:],stdin=b,"
      .. "capture_output=True).stdout)"
    assert.equal("pair", support.output(("python3 -c %s %s run -q -- cat"):format(
                 support.quote(pair), SBXLUA)))
    local datagram = pair:gsub("socketpair%(%)", "socketpair(type=socket.SOCK_DGRAM)")
    assert.equal("", support.output(("python3 -c %s %s run -q -- cat 2>&1"):format(
                 support.quote(datagram), SBXLUA)))
  end)

  it("on the host's device nodes changes nothing of them", function()
    local before = support.output("stat -c '%a %u %Y' /dev/null /dev/zero /dev/full")
    local r = run([[python3 - <<'end'
import os
def attempt(f):
    try: f(); print("done")
    except OSError as e: print(os.strerror(e.errno))
attempt(lambda: os.fchmod(0, 0o666))
for path in ("/dev/null", "/dev/zero", "/dev/full"):
    attempt(lambda: os.utime(path))
    attempt(lambda: os.chmod(path, 0o666))
own = os.open("own", os.O_CREAT | os.O_RDWR)
attempt(lambda: os.fchmod(own, 0o600)); attempt(lambda: os.utime("own"))
open("/dev/null", "w").write("x"); print(open("/dev/zero", "rb").read(2))
end]])
    -- the here-document is a file of the command's own, or a pipe
    assert.equal(6, select(2, r.stdout:gsub("Read%-only file system", "")), r.stdout .. r.stderr)
    assert.matches("done\ndone\nb'\\x00\\x00'\n$", r.stdout)
    assert.equal(before, support.output("stat -c '%a %u %Y' /dev/null /dev/zero /dev/full"))
  end)

  it("on its default stdin changes nothing of the host's /dev/null", function()
    local before = support.output("stat -c '%a %Y' /dev/null")
    local r = run("python3 -c 'import os; os.fchmod(0, 0o666)'")
    assert.matches("Read%-only file system", r.stderr)
    assert.equal(before, support.output("stat -c '%a %Y' /dev/null"))
  end)

  it("by shutting the directory of what is denied makes an error, not nothing", function()
    if support.is_root then pending("root looks into every directory") end
    support.shell("cd %s; mkdir conf; echo secret > conf/key; echo fixed > conf/ro", work)
    local more = { deny_read = { work .. "/conf/key" }, read_only = { work .. "/conf/ro" } }
    run("chmod 000 conf", more)
    local r, err = run("chmod 755 conf; cat conf/key; echo evil > conf/ro", more)
    assert.is_nil(r)
    assert.equal("policy", err.kind)
    assert.matches("EACCES", err.message)
    support.shell("chmod 755 %s/conf", work)
    assert.equal("fixed\n", support.read(work .. "/conf/ro"))
  end)

  it("waiting for an editor's save ends with it", function()
    support.shell("cd %s; echo old > .env; echo fixed > fixed", work)
    for _, name in ipairs({ ".env", "fixed" }) do
      local more = name == ".env" and { deny_read = { name } } or { read_only = { name } }
      local job = assert(sbx.spawn({ "sh", "-c", "touch up; sleep 10; cat " .. name, cwd = work,
                                     policy = policy(more), tier = "contained" }))
      assert.is_true(support.wait_until(function() return support.exists(work .. "/up") end, 5))
      support.shell("cd %s; rm up; echo new > saved; mv saved %s", work, name)
      local _, err, out = job:wait()
      assert.equal("protect", err and err.step, name)
      assert.equal("", out.stdout)
    end
  end)

  it("leaves no set-user-ID file, and keeps the group's bit of directories", function()
    local r = run("cp /bin/true t; chmod 4755 t; mkdir d; chmod 2775 d; chmod 711 t")
    assert.matches("chmod: changing permissions of 't': Operation not permitted", r.stderr)
    assert.equal("711\n", mode(work .. "/t"))
    assert.equal("2775\n", mode(work .. "/d"))
  end)

  it("on the journal finds nothing to lock or read", function()
    run("true") -- it is there by now
    local exec = assert(sbx.transform({ "true", cwd = work, policy = policy(), env = {} }))
    local journal
    for _, path in ipairs(exec.plan.alternatives[1].engine.journals) do
      if not journal and support.exists(path) then journal = path end
    end
    local r = run("ls " .. assert(journal) .. "; flock -n " .. journal .. "/lock echo locked")
    assert.equal("", r.stdout)
    -- the twin: who may look can
    assert.matches("lock", support.output("ls " .. journal))
  end)

  it("by what a repository's config names in git's own way is held", function()
    support.shell("cd %s; git init -q .; git config core.hooksPath 'x'", work)
    support.write(work .. "/.git/config", support.read(work .. "/.git/config")
                  :gsub("hooksPath = x", "hooksPath = tools # ours"))
    local r = run("mkdir -p tools && echo evil > tools/pre-commit; mkdir other && echo x > other/f")
    assert.matches("Read%-only file system", r.stderr)
    assert.is_false(support.exists(work .. "/tools/pre-commit"))
    assert.equal("x\n", support.read(work .. "/other/f"))
  end)

  it("can't make a repository below another's top", function()
    support.shell("cd %s; git init -q .", dir)
    local r = run("mkdir refs/x; echo e > commondir; git log HEAD; mkdir objects")
    assert.is_true(support.exists(work .. "/objects"))
    assert.is_false(support.exists(work .. "/refs"))
    assert.is_false(support.exists(work .. "/commondir"))
    -- git itself isn't disturbed: there is no commit, and no file of that name
    assert.not_matches("both revision and filename", r.stderr)
  end)

  it("by shutting its own directory leaves nothing there", function()
    run("chmod 000 .")
    support.shell("chmod 755 %s", work)
    assert.is_true(support.wait_until(function()
      return support.output("ls -A " .. work) == ""
    end, 3), support.output("ls -A " .. work))
  end)
end)

-- What is kept from one run to the next (plans, sandboxes, supervisors that stand ready) is used
-- again only while all that it rests on is the same (design.md, rule 5). Each change is made
-- between two runs of one host that has run often enough to have everything ready, and what came
-- of it is looked up on disk.
local scene = require "tests.sandbox.scene"
local support = require "tests.support"

local test = scene.test

-- `warm(opts)` runs until supervisors stand ready; `change(line)` is the host's; `run(line)` is
-- the command's.
local PRELUDE = [[
package.cpath = arg[1] .. ";" .. package.cpath
local host, sbx = require "sbxhost", require "sbx"
local policy = { extends = "workspace-write", exclude_slash_tmp = true,
                 exclude_tmpdir_env_var = true }
local function run(line, cwd)
  local r, err, out = sbx.run({ "sh", "-c", line, policy = policy, cwd = cwd })
  return r or out, err
end
local function change(line)
  assert(os.execute("exec 2>&1; set -e; " .. line))
end
local function warm(cwd)
  for _ = 1, 5 do assert(run("true", cwd)) end
  os.execute("sleep 0.05")
  assert(run("true", cwd))
end
]]

describe("what a kept sandbox rests on", function()
  local place

  before_each(function() place = scene.new() end)
  after_each(function() place:close() end)

  local function lua(code, env)
    return place:lua(PRELUDE .. code .. "\nprint('end.')", env, support.module("sbxhost"))
  end

  local function host(code, env)
    local text = lua(code, env)
    assert.matches("end%.\n$", text)
    return text
  end

  -- The same in a mount namespace of the host's own.
  local function mounting(code)
    if not support.is_root then pending("only root can mount") end
    support.write(place.dir .. "/inner.lua", PRELUDE .. code .. "\nprint('end.')")
    local text = support.output(("cd %s; LUA_PATH=%s LUA_CPATH=%s unshare -m --propagation private "
      .. "lua5.4 ../inner.lua %s 2>&1"):format(place.work, support.quote(package.path),
                                               support.quote(package.cpath),
                                               support.quote(support.module("sbxhost"))))
    assert.equal("end.\n", text)
  end

  local function read(path) return support.read(place.dir .. "/" .. path) end

  -- What the command was to write arrived, and what it wasn't to didn't.
  local function wrote(fine, wrong)
    for _, path in ipairs(fine) do assert.equal("x\n", read(path), path) end
    for _, path in ipairs(wrong) do assert.is_nil(read(path), path) end
  end

  test("a root that is replaced by another directory", function()
    host([[
      policy.writable_roots = { "../out" }
      warm()
      assert(run("echo x >../out/before"))
      change("mv ../out ../old; mkdir ../out")
      run("echo x >../out/new; echo x >../old/wrong; cd ../old && touch wrong")]])
    assert.equal("x\n", read("out/new"))
    assert.equal("before\n", scene.becomes(place.dir .. "/old", "before\n"))
  end)

  test("a cwd that is replaced by another directory", function()
    host([[
      local cwd = os.getenv("PWD")
      warm(cwd)
      change("mv ../work ../old; mkdir ../work")
      run("echo x >new; echo x >../old/wrong", cwd)]])
    assert.equal("x\n", read("work/new"))
    assert.equal("", scene.becomes(place.dir .. "/old", ""))
  end)

  test("a `.git` that is made", function()
    host([[
      warm()
      change("git init -q -b main .")
      run("echo x >>.git/config; touch .git/wrong; mv .git old; rm -rf .git; echo x >fine")]])
    assert.equal("x\n", read("work/fine"))
    assert.equal(".git\nfine\n", scene.becomes(place.work, ".git\nfine\n"))
    assert.is_nil(read("work/.git/wrong"))
    assert.equal("true\n", place:output("git rev-parse --is-inside-work-tree"))
  end)

  test("a `.git` that is removed", function()
    host([[
      change("git init -q -b main .")
      warm()
      change("rm -rf .git")
      run("mkdir .git; echo x >HEAD; git init -q .; echo x >fine")]])
    assert.equal("fine\n", scene.becomes(place.work, "fine\n"))
  end)

  test("a `.git` file that is pointed elsewhere", function()
    host([[
      change("mkdir -p one/sub two/sub; echo 'gitdir: one' >.git")
      warm()
      run("echo x >one/wrong; echo x >two/fine")
      change("echo 'gitdir: two' >.git")
      run("echo x >one/fine; echo x >two/wrong; mv two three; echo 'gitdir: one' >.git")]])
    wrote({ "work/two/fine", "work/one/fine" }, { "work/one/wrong", "work/two/wrong" })
    assert.equal("gitdir: two\n", read("work/.git"))
  end)

  test("a config that names other hooks", function()
    host([[
      change("git init -q .; mkdir one two; git config core.hooksPath one")
      warm()
      change("git config core.hooksPath two")
      run("echo x >one/fine; echo x >two/wrong")]])
    wrote({ "work/one/fine" }, { "work/two/wrong" })
  end)

  test("a link to a root that is swapped", function()
    host([[
      change("mkdir ../out/one ../out/two; ln -s out/one ../way")
      policy.writable_roots = { "../way" }
      warm()
      assert(run("echo x >../way/fine"))
      change("ln -sfn out/two ../way")
      run("echo x >../out/one/wrong; echo x >../out/two/fine")]])
    wrote({ "out/one/fine", "out/two/fine" }, { "out/one/wrong" })
  end)

  test("a protected link that is swapped", function()
    host([[
      change("mkdir one two; ln -s one .codex")
      warm()
      change("ln -sfn two .codex")
      run("echo x >one/fine; echo x >two/wrong; rm .codex")]])
    wrote({ "work/one/fine" }, { "work/two/wrong" })
    assert.equal("two\n", place:output("readlink .codex"))
  end)

  test("a root that was missing", function()
    host([[
      policy.writable_roots = { "../late" }
      warm()
      change("mkdir ../late")
      run("echo x >../late/fine; mkdir ../late/.git")]])
    assert.equal("x\n", read("late/fine"))
    assert.equal("fine\n", scene.becomes(place.dir .. "/late", "fine\n"))
  end)

  test("a denied file that is replaced by another", function()
    local text = host([[
      change("echo secret1 >../out/key")
      policy.deny_read = { "../out/key" }
      warm()
      change("echo secret2 >../out/new; mv ../out/new ../out/key")
      print(run("cat ../out/key").stdout)
      change("rm ../out/key; mkdir ../out/key; echo secret3 >../out/key/in")
      print(run("cat ../out/key/in; ls ../out/key").stdout)
      policy.deny_read = nil
      print(run("cat ../out/key/in; echo open").stdout)]])
    assert.is_nil(text:match("secret[12]"))
    assert.equal(1, select(2, text:gsub("secret3", "")))
    assert.matches("secret3\nopen", text)
  end)

  test("a denied file that was missing", function()
    local text = host([[
      policy.deny_read = { "../out/key" }
      warm()
      change("echo secret >../out/key")
      print(run("cat ../out/key").stdout)]])
    assert.is_nil(text:match("secret"))
  end)

  test("a protected directory that is replaced", function()
    host([[
      change("git init -q -b main .")
      warm()
      change("mv .git ../out/git; git init -q -b main .")
      run("echo x >.git/wrong; mv .git old; echo x >>.git/config; echo x >fine")]])
    wrote({ "work/fine" }, { "work/.git/wrong" })
    assert.equal(".git\nfine\n", scene.becomes(place.work, ".git\nfine\n"))
  end)

  test("a user's own empty directory where a placeholder stood", function()
    host([[
      warm()
      os.execute("sleep 1")
      change("mkdir .agents")
      run("rmdir .agents; touch .agents/x; echo x >fine")
      run("rmdir .agents")]])
    assert.equal(".agents\nfine\n", scene.becomes(place.work, ".agents\nfine\n"))
  end)

  test("a mount that is made over a root", function()
    mounting([[
      policy.writable_roots = { "../out" }
      warm()
      change("mount -t tmpfs none ../out")
      run("echo x >../out/inside; mkdir ../out/.git")
      change("test -e ../out/inside; cp ../out/inside ../seen; umount -l ../out")
      run("echo x >../out/below")]])
    assert.equal("x\n", read("seen"))
    assert.equal("below\n", scene.becomes(place.out, "below\n"))
  end)

  test("a mount that is made below a root, with what it covers", function()
    mounting([[
      policy.writable_roots = { "../out" }
      change("mkdir ../out/sub")
      warm()
      change("mount -t tmpfs none ../out/sub")
      run("echo x >../out/sub/inside")
      change("cp -r ../out/sub ../seen; umount -l ../out/sub")
      run("echo x >../out/sub/below")]])
    assert.is_nil(read("seen/inside")) -- a mount in a root is writable only where it is listed
    assert.equal("x\n", read("out/sub/below"))
  end)

  -- What is ready for a policy that has not been seen before has all of the tree read-only by then.
  test("mounts that the host has read-only, under another policy than the last", function()
    mounting([[
      change("mkdir ../ro ../fs ../rw; for d in ../ro ../fs ../rw; do mount -t tmpfs none $d; done")
      change("mount -o remount,bind,ro ../ro; mount -o remount,ro ../fs")
      warm()
      policy.writable_roots = { "../ro", "../fs", "../rw" }
      run("for d in ../ro ../fs ../rw; do echo x >$d/inside; done")
      change("cd ..; for d in ro fs rw; do test ! -e $d/inside || echo $d >>seen; done")]])
    assert.equal("rw\n", read("seen"))
  end)

  test("the policy of the last command, for another", function()
    host([[
      policy.writable_roots = { "../out" }
      warm()
      policy.writable_roots, policy.deny_read = {}, { "secret" }
      change("echo x >secret")
      run("echo x >../out/wrong; cat secret >copy; echo x >right")]])
    assert.is_nil(read("out/wrong"))
    assert.equal("", support.read(place.work .. "/copy"))
    assert.equal("x\n", support.read(place.work .. "/right"))
  end)

  -- A user namespace has a limit of its own (namespaces(7), /proc/sys/user).
  test("what is protected: nothing runs where inotify has nothing left to watch it", function()
    for limit, detail in pairs({ max_inotify_instances = "max_user_instances",
                                 max_inotify_watches = "fixed" }) do
      support.write(place.dir .. "/inner.lua", PRELUDE .. ([[
        change("echo old >fixed")
        policy.read_only = { "fixed" }
        local nothing, err = sbx.run({ "touch", "ran", policy = policy, tier = "contained" })
        print(err.kind, err.step, err.message)]]))
      local text = support.output(("cd %s; LUA_PATH=%s LUA_CPATH=%s unshare -U -r sh -c "
        .. "'echo 0 >/proc/sys/user/%s && exec \"$@\"' sh lua5.4 ../inner.lua %s 2>&1"):format(
        place.work, support.quote(package.path), support.quote(package.cpath), limit,
        support.quote(support.module("sbxhost"))))
      assert.matches("^sandbox\tprotect\t.*" .. detail, text)
      assert.is_false(support.exists(place.work .. "/ran"))
    end
  end)

  test("the host's umask, limits, groups and cwd", function()
    local text = host([[
      warm()
      print(run("umask; ulimit -n; ulimit -f; id -G; pwd").stdout)
      host.umask(tonumber("077", 8))
      host.limit(64)
      print(run("umask; ulimit -n; touch private; mkdir sub").stdout)
      host.chdir("sub")
      run("touch here; touch ../there")
      warm()
      print(run("pwd").stdout)]])
    assert.matches("0077\n64\n", text)
    assert.equal("600\n", place:output("stat -c %a private"))
    assert.is_true(support.exists(place.work .. "/sub/here"))
    assert.is_false(support.exists(place.work .. "/there"))
    assert.matches(place.work .. "/sub\n", text, 1, true)
  end)

  test("the host's groups", function()
    if not support.is_root then pending("only root can change its groups") end
    local text = host([[
      warm()
      print("first " .. run("id -G").stdout)
      host.groups(12345, 23456)
      print("second " .. run("id -G").stdout)
      warm()
      print("third " .. run("id -G").stdout)]])
    assert.matches("second 0 12345 23456\n", text)
    assert.matches("third 0 12345 23456\n", text)
    assert.is_nil(text:match("first [^\n]*12345"))
  end)

  test("a journal's directory that becomes a writable root", function()
    local text = host([[
      warm()
      policy.writable_roots = { os.getenv("XDG_RUNTIME_DIR") }
      print(run("ls -A; mkdir .git; echo x >fine").stdout)]],
      "XDG_RUNTIME_DIR=" .. place.out)
    assert.matches("%.git\n", text)
    assert.equal("x\n", read("work/fine"))
    assert.equal("fine\n", scene.becomes(place.work, "fine\n"))
  end)
end)

-- `fs`: nothing outside the writable roots is changed, and inside everything works. Judged by the
-- state of the trees before and after.
local sbx = require "sbx"
local support = require "tests.support"

local files = support.program("files")
local CHANGES = {}
for name in support.output(files .. " list"):gmatch("%S+") do CHANGES[#CHANGES + 1] = name end

-- one set of victims for each change, so that one run can try all
local function prepare(base)
  support.shell([[mkdir %s; cd %s; for name in $(%s list); do
    mkdir $name; cd $name
    mkdir empty; echo content >file; echo other >other; ln -s file link; cd ..
  done]], base, base, files)
end

local function states(base)
  local map = {}
  for _, name in ipairs(CHANGES) do map[name] = support.state(base .. "/" .. name) end
  return map
end

local function run(opts)
  local r, err = sbx.run(opts)
  return assert(r, tostring(err))
end

describe("writes", function()
  local dir, outside, inside

  before_each(function()
    dir = support.directory()
    outside, inside = dir .. "/outside", dir .. "/inside"
  end)
  after_each(function() support.remove(dir) end)

  it("below the writable root all work, each of them", function()
    prepare(inside)
    local before = states(inside)
    local r = run({ files, "change", inside, cwd = inside, policy = "workspace-write" })
    local answers, after = support.answers(r.stdout), states(inside)
    for _, name in ipairs(CHANGES) do
      -- through_descriptor: a path descriptor can be reopened; open_nothing asks for no access,
      -- which an ordinary file system takes for a truncation all the same
      assert.equal("ok", answers[name], name)
      assert.are_not.equal(before[name], after[name], name)
    end
  end)

  it("outside it all are refused, and nothing has changed", function()
    prepare(outside)
    support.shell("mkdir %s", inside)
    local before = support.state(outside)
    local r = run({ files, "change", outside, cwd = inside, policy = "workspace-write" })
    local answers = support.answers(r.stdout)
    assert.equal(before, support.state(outside))
    for _, name in ipairs(CHANGES) do
      assert.is_truthy(answers[name], name)
      assert.are_not.equal("ok", answers[name], name)
    end
  end)

  it("are refused in cwd too under read-only", function()
    prepare(inside)
    local before = support.state(inside)
    run({ files, "change", inside, cwd = inside, policy = "read-only" })
    assert.equal(before, support.state(inside))
  end)

  it("work outside where nothing is restricted", function()
    prepare(outside)
    local before = states(outside)
    run({ files, "change", outside, policy = "danger-full-access" })
    local after = states(outside)
    for _, name in ipairs(CHANGES) do assert.are_not.equal(before[name], after[name], name) end
  end)

  it("don't cross the border by links and renames", function()
    for _, side in ipairs({ outside, inside }) do
      support.shell("mkdir %s; cd %s; echo a >a; echo b >b; echo c >c; mkdir d", side, side)
    end
    local before = support.state(outside)
    local program = support.quote(files)
    for _, ways in ipairs({ { outside, inside }, { inside, outside } }) do
      run({ files, "cross", ways[1], ways[2], cwd = inside, policy = "workspace-write" })
    end
    assert.equal(before, support.state(outside))
    assert.is_nil(support.read(inside .. "/linked"))
    assert.is_nil(support.read(inside .. "/renamed"))
    -- the twin: between two directories inside all four work
    support.shell("cd %s; mkdir one two; echo 1 >one/a; echo 1 >one/b; echo 1 >one/c; mkdir one/d;"
                  .. " echo 2 >two/c", inside)
    run({ "sh", "-c", program .. " cross one two", cwd = inside, policy = "workspace-write" })
    assert.equal("1\n", support.read(inside .. "/two/linked"))
    assert.equal("1\n", support.read(inside .. "/two/renamed"))
    assert.equal("1\n", support.read(inside .. "/two/c"))
    assert.is_true(support.exists(inside .. "/two/directory"))
  end)

  it("don't follow links out of the root", function()
    support.shell("mkdir %s %s; echo safe >%s; ln -s %s %s; ln -s %s %s; ln -s %s %s",
                  outside, inside, outside .. "/file", outside .. "/file", inside .. "/to-file",
                  outside, inside .. "/to-directory", outside .. "/missing", inside .. "/to-new")
    local before = support.state(outside)
    sbx.run({ "sh", "-c", "echo x >to-file; echo x >to-directory/new; echo x >to-new;"
              .. " rm to-directory/file; mv to-directory/file .; cp /etc/hostname to-directory/",
              cwd = inside, policy = "workspace-write" })
    assert.equal(before, support.state(outside))
    run({ "sh", "-c", "echo x >own; ln -s own link; echo y >>link", cwd = inside,
          policy = "workspace-write" })
    assert.equal("x\ny\n", support.read(inside .. "/own"))
  end)

  it("are refused by name and by number to a sibling with the same beginning", function()
    support.shell("mkdir %s %s", inside, inside .. "b")
    sbx.run({ "touch", inside .. "b/new", cwd = inside, policy = "workspace-write" })
    assert.is_false(support.exists(inside .. "b/new"))
    run({ "touch", inside .. "/new", cwd = inside, policy = "workspace-write" })
    assert.is_true(support.exists(inside .. "/new"))
  end)

  it("reach /tmp and the engine's $TMPDIR, not the child's", function()
    support.shell("mkdir %s %s", inside, outside)
    local name = "sbx-spec-" .. support.marker()
    local tmpdir = os.getenv("TMPDIR") or "/tmp"
    local script = ("echo x >/tmp/%s; echo x >%s/%s-2; echo x >$TMPDIR/%s-3")
      :format(name, tmpdir, name, name)
    sbx.run({ script = script, cwd = inside, policy = "workspace-write",
              env = { TMPDIR = outside } })
    local seen = { support.read("/tmp/" .. name), support.read(tmpdir .. "/" .. name .. "-2") }
    support.shell("rm -f %s %s", "/tmp/" .. name, tmpdir .. "/" .. name .. "-2")
    assert.same({ "x\n", "x\n" }, seen)
    assert.is_false(support.exists(outside .. "/" .. name .. "-3"))
    sbx.run({ script = script, cwd = inside, env = { TMPDIR = outside }, policy = {
      extends = "workspace-write", exclude_slash_tmp = true, exclude_tmpdir_env_var = true,
    } })
    assert.is_false(support.exists("/tmp/" .. name))
    assert.is_false(support.exists(tmpdir .. "/" .. name .. "-2"))
  end)

  it("reach the roots that a policy names, and no others", function()
    support.shell("mkdir %s %s %s", inside, outside, dir .. "/more")
    local policy = { extends = "workspace-write", writable_roots = { dir .. "/more" } }
    run({ "touch", dir .. "/more/new", "own", cwd = inside, policy = policy })
    sbx.run({ "touch", outside .. "/new", cwd = inside, policy = policy })
    assert.is_true(support.exists(dir .. "/more/new"))
    assert.is_true(support.exists(inside .. "/own"))
    assert.is_false(support.exists(outside .. "/new"))
  end)

  it("reach exactly the named root under read-only", function()
    support.shell("mkdir %s %s", inside, outside)
    local policy = { extends = "read-only", writable_roots = { outside } }
    run({ "touch", outside .. "/new", cwd = inside, policy = policy })
    sbx.run({ "touch", "new", cwd = inside, policy = policy })
    assert.is_true(support.exists(outside .. "/new"))
    assert.is_false(support.exists(inside .. "/new"))
  end)

  it("follow a root that is a link to its target", function()
    support.shell("mkdir %s %s %s; ln -s %s %s", inside, outside, dir .. "/target",
                  dir .. "/target", dir .. "/link")
    local policy = { extends = "read-only", writable_roots = { dir .. "/link" } }
    run({ "touch", dir .. "/link/new", policy = policy, cwd = inside })
    assert.is_true(support.exists(dir .. "/target/new"))
    sbx.run({ "sh", "-c", ("rm %s/link; ln -s %s %s/link; touch %s/link/x")
              :format(dir, outside, dir, dir), policy = policy, cwd = inside })
    assert.is_false(support.exists(outside .. "/x"))
  end)

  it("of a root that is a file reach that file alone", function()
    support.shell("mkdir %s; echo a >%s; echo a >%s", inside, dir .. "/one", dir .. "/two")
    local policy = { extends = "read-only", writable_roots = { dir .. "/one" } }
    sbx.run({ "sh", "-c", "echo b >>one; echo b >>two; rm -f one; echo b >three", cwd = dir,
              policy = policy })
    assert.equal("a\nb\n", support.read(dir .. "/one"))
    assert.equal("a\n", support.read(dir .. "/two"))
    assert.is_nil(support.read(dir .. "/three"))
  end)

  it("skip a root that is missing, and say so", function()
    local policy = { extends = "workspace-write", writable_roots = { dir .. "/nowhere" } }
    local r = run({ "true", cwd = dir, policy = policy })
    local said
    for _, entry in ipairs(r.sandbox.missing) do
      if entry.property == "writable_root" then said = entry.reason end
    end
    assert.matches(dir .. "/nowhere", said, 1, true)
    sbx.run({ "mkdir", dir .. "/nowhere", cwd = "/", policy = {
      extends = "read-only", writable_roots = { dir .. "/nowhere" },
    } })
    assert.is_false(support.exists(dir .. "/nowhere"))
  end)

  it("leave the devices usable under every policy", function()
    for _, policy in ipairs({ "read-only", "workspace-write", "danger-full-access" }) do
      local r = run({ "sh", "-c", "echo x >/dev/null && head -c4 /dev/zero | wc -c"
                      .. " && head -c4 /dev/urandom | wc -c && head -c4 /dev/random | wc -c"
                      .. " && : 2>/dev/null >>/dev/null", policy = policy, cwd = dir })
      assert.equal("4\n4\n4\n", r.stdout, policy)
      local full = sbx.run({ "dd", "if=/dev/zero", "of=/dev/full", "count=1", policy = policy })
      assert.equal(1, full.exit_code, policy)
      assert.matches("No space left", full.stderr)
      -- no controlling terminal: ENXIO, not a refusal
      local tty = sbx.run({ "sh", "-c", ": </dev/tty", policy = policy })
      assert.matches("No such device", tty.stderr, 1, true, policy)
    end
  end)
end)

describe("extended attributes and flags", function()
  local dir, names

  before_each(function()
    dir, names = support.directory(), {}
    support.write(dir .. "/file", "x")
  end)
  after_each(function() support.remove(dir) end)

  local function try(policy, cwd)
    local r = run({ files, "attributes", dir, cwd = cwd or dir, policy = policy })
    return support.answers(r.stdout)
  end

  local function flags() return support.output("lsattr -d " .. dir .. "/file 2>&1") end

  it("are refused, high bits or not, and the file keeps its own", function()
    local before = flags()
    names = try("read-only", "/")
    assert.equal(before, flags())
    for _, name in ipairs({ "setxattr", "removexattr", "fsetxattr", "setxattrat", "setflags",
                            "setflags_high", "fssetxattr" }) do
      assert.equal(support.tier() == "contained" and "EROFS" or "EOPNOTSUPP", names[name], name)
    end
  end)

  it("leases too, on which an open of the host's would wait", function()
    names = try("read-only", "/")
    assert.equal("EAGAIN", names.setlease)
    assert.equal("EAGAIN", names.setlease_high)
    assert.equal("ok", names.getflags)
  end)

  it("work where nothing is restricted", function()
    names = try("danger-full-access")
    if names.setxattr == "EOPNOTSUPP" then pending("no attributes on this file system") end
    assert.equal("ok", names.setxattr)
    assert.equal("ok", names.setflags)
  end)

  it("don't break cp -a inside the root", function()
    support.shell("mkdir %s; echo x >%s", dir .. "/a", dir .. "/a/f")
    run({ "cp", "-a", "a", "b", cwd = dir, policy = "workspace-write" })
    assert.equal("x\n", support.read(dir .. "/b/f"))
  end)

  it("stand in the result: what the tier doesn't hold is said", function()
    local r = run({ "true", cwd = dir, policy = "workspace-write" })
    local missing = {}
    for _, entry in ipairs(r.sandbox.missing) do missing[entry.property] = entry.reason end
    local contained = support.tier() == "contained"
    assert.equal(contained, missing.metadata == nil)
    assert.equal(contained, missing.protect == nil)
    assert.is_truthy(missing.hard_links)
    assert.is_truthy(r.sandbox.enforced.fs)
    assert.is_truthy(r.sandbox.enforced.network)
    assert.is_truthy(r.sandbox.enforced.kill_tree)
    local _, err = sbx.run({ "touch", "ran", cwd = dir, policy = "workspace-write",
                             require = { "metadata" }, tier = "landlock" })
    assert.equal("policy", err.kind)
    assert.is_false(support.exists(dir .. "/ran"))
  end)
end)

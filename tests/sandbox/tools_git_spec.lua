-- git in workspace-write: reading a repository works wherever it lies; writing it is the host's
-- alone where the tier holds protected names, and said in the result where it doesn't.
local support = require "tests.support"
local tools = require "tests.tools"

tools.skip = function(why) pending(why) end

local REPOSITORY = [[
git init -q -b main %s && cd %s
git config user.name Tester && git config user.email tester@example.invalid
mkdir sub; echo one >file; echo two >sub/other
git add . && git commit -q -m first; echo changed >>file]]

-- A repository with one commit and one change.
local function repository(place, directory)
  place:host(REPOSITORY:gsub("%%s", directory), place.work)
end

-- `git add` must fail as a denial and leave the index; on the host the same line works.
local function add_is_denied(place, opts)
  local directory = opts.cwd or place.work
  local index = place:host_output("md5sum <$(git rev-parse --git-path index)", directory)
  local r, err, out = place:run({ "git", "add", "-A" }, opts)
  assert.is_nil(r)
  assert.equal("denied", err.kind)
  assert.equal(128, out.exit_code)
  assert.matches("index%.lock", out.stderr)
  assert.equal(index, place:host_output("md5sum <$(git rev-parse --git-path index)", directory))
  place:host("git add -A", directory)
  assert.are_not.equal(index,
                       place:host_output("md5sum <$(git rev-parse --git-path index)", directory))
end

local HELD = { "git", contained = "its missing says so of protect" }

tools.each_tier("git", function(test, tier)
  test("status, diff, log and rev-parse work in a repository and below", { "git" },
       function(place)
    repository(place, ".")
    for _, directory in ipairs({ place.work, place.work .. "/sub" }) do
      local text = place:output([[
        git status --porcelain; git diff --stat | head -1; git log --format=%s
        git rev-parse --show-toplevel; git show HEAD:file]], { cwd = directory })
      assert.matches(" M [^\n]*file\n", text)
      assert.matches("| 1 +\n", text, 1, true)
      assert.matches("\nfirst\n" .. place.work .. "\none\n", text, 1, true)
    end
    assert.equal(".git\n", place:protected_names())
  end)

  test("add fails on .git as a denial, or the result says that it isn't held", { "git" },
       function(place)
    repository(place, ".")
    if tier == "contained" then return add_is_denied(place, {}) end
    local _, r = place:output({ "git", "add", "-A" })
    assert.is_true(support.is_missing(r.sandbox, "protect"))
    assert.equal("M  file\n", place:host_output("git status --porcelain -uno"))
  end)

  test("can't change hooks, config or references of the repository", HELD, function(place)
    repository(place, ".")
    local before = support.state(place.work .. "/.git")
    for _, line in ipairs({
      "git config core.fsmonitor ./evil", "git commit -q --allow-empty -m x", "git branch other",
      "git stash", "echo x >.git/hooks/pre-commit", "mv .git old", "rm -rf .git/objects",
      "chmod 777 .git/config", "ln .git/config config",
    }) do
      local r, _, out = place:run(line)
      assert.are_not.equal(0, (r or out).exit_code, line)
    end
    assert.equal(before, support.state(place.work .. "/.git"))
  end)

  test("work in a worktree, whose .git is a file", { "git" }, function(place)
    repository(place, "../main")
    place:host("git -C ../main worktree add -q ../work/tree && echo more >>tree/file")
    local opts = { cwd = place.work .. "/tree" }
    local text = place:output("git status --porcelain; git diff --stat | head -1; git log"
      .. " --format=%s; git rev-parse --show-toplevel --git-common-dir", opts)
    assert.equal((" M file\n file | 1 +\nfirst\n%s\n%s\n")
      :format(opts.cwd, place.directory .. "/main/.git"), text)
    -- the repository lies outside: every tier holds it
    add_is_denied(place, opts)
  end)

  test("don't write a worktree's gitdir that lies in a writable root", HELD, function(place)
    repository(place, "main")
    place:host("git -C main worktree add -q ../tree && echo more >>tree/file")
    add_is_denied(place, {
      cwd = place.work .. "/tree",
      policy = { extends = "workspace-write", writable_roots = { place.work } },
    })
    local pointer = place:read("tree/.git")
    for _, line in ipairs({ "echo gitdir: /tmp >.git", "rm .git", "mv .git old" }) do
      local r, _, out = place:run(line, { cwd = place.work .. "/tree" })
      assert.are_not.equal(0, (r or out).exit_code, line)
    end
    assert.equal(pointer, place:read("tree/.git"))
  end)

  test("work in a submodule, whose .git is a file", { "git" }, function(place)
    repository(place, "../library")
    repository(place, ".")
    place:host("git -c protocol.file.allow=always submodule --quiet add ../library module"
               .. " && git add . && git commit -qm second && echo more >>module/file")
    local opts = { cwd = place.work .. "/module" }
    local text = place:output("git status --porcelain; git log --format=%s; git diff --stat"
      .. " | head -1; git rev-parse --show-superproject-working-tree", opts)
    assert.equal((" M file\nfirst\n file | 1 +\n%s\n"):format(place.work), text)
    assert.equal("second\n M module\n",
                 place:output("git log -1 --format=%s; git status --porcelain -uno"))
    add_is_denied(place, opts)
  end)

  test("find the parent's repository from a workspace that is none", { "git" }, function(place)
    repository(place, ".")
    local opts = { cwd = place.work .. "/sub" }
    local text = place:output("git rev-parse --show-toplevel --show-prefix;"
                              .. " git status --porcelain", opts)
    assert.equal(place.work .. "\nsub/\n M file\n", text)
    assert.is_nil(place:left(".git\n"))
    support.wait_until(function() return not place:exists("sub/.git") end, 1)
    -- a second later no placeholder is left
    assert.equal("other\n", place:host_output("ls -A sub"))
  end)

  test("take HEAD for a revision also in a workspace below the repository's top", { "git" },
       function(place)
    repository(place, ".")
    for _, directory in ipairs({ place.work, place.work .. "/sub" }) do
      assert.matches("1 file changed[^\n]*\nfirst\n", place:output(
        "git diff HEAD --stat; git log --format=%s HEAD", { cwd = directory }))
    end
  end)

  test("find .git held in every run, however soon the next one follows", HELD, function(place)
    -- placeholders are kept for the next run for a while: the pauses lie around that while's end
    for ms = 200, 400, 8 do
      local r, _, out = place:run("echo '[core] fsmonitor = evil' >.git/config")
      assert.are_not.equal(0, (r or out).exit_code, ("after %d ms"):format(ms - 8))
      support.sleep(ms / 1000)
    end
  end)

  test("don't make a repository of the workspace, which the host may", { "git" }, function(place)
    if tier == "contained" then
      local _, err = place:run("git init -q .")
      assert.equal("denied", err and err.kind)
      for _, line in ipairs({ "git init -q --bare . && git rev-parse --git-dir", "mkdir .git",
                              "mkdir x; mv x .git", "echo x >.git", "echo x >HEAD",
                              "ln -s home .git/x" }) do
        local r, _, out = place:run(line)
        assert.are_not.equal(0, (r or out).exit_code, line)
        assert.is_nil(place:left(""), line)
      end
      -- where no writable root has its top, it works
      assert.equal("true\n", place:output("git init -q home/new; git -C home/new rev-parse"
                                          .. " --is-inside-work-tree"))
    else
      local _, r = place:output({ "git", "init", "-q", "." })
      assert.is_true(support.is_missing(r.sandbox, "protect"))
    end
    place:host("rm -rf .git; git init -q . && git status --porcelain >status")
    assert.is_nil(place:left(".git\n"))
    assert.equal("true\n", place:host_output("git rev-parse --is-inside-work-tree"))
  end)
end)

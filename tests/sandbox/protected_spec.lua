-- Names that stay read-only at the top of each writable root, whether they are there or not. Each
-- attempt has its twin: under `protect = {replace = {}}` the same line does it.
local sbx = require "sbx"
local scene = require "tests.sandbox.scene"
local support = require "tests.support"

local names = support.program("names")
local OPEN = { replace = {} }

local test = scene.test

local function filled(line) return (line:gsub("NAMES", names)) end

-- What attempts put in a protected place.
local MATERIAL = [[mkdir -p free/empty free/d/hooks; echo x >free/f; echo x >free/d/config
ln -s /etc free/link]]

-- Refused: the state is as it was, and stays so; allowed: it changes.
local function try(make, line, opts)
  local place = scene.new()
  place:host(make)
  place:host(MATERIAL)
  opts = opts or {}
  local function run(more)
    local policy = scene.policy({ writable_roots = opts.roots and { "../out" } or nil })
    for name, value in pairs(more) do policy[name] = value end
    local cwd = opts.cwd and place.work .. "/" .. opts.cwd
    if cwd then policy.writable_roots = { place.work } end
    return place:run(filled(line), { policy = policy, cwd = cwd })
  end
  local before = scene.state(place.dir)
  local r, err = run({ protect = opts.protect })
  assert.is_truthy(r, tostring(err))
  local function same() return scene.state(place.dir) == before end
  local kept = support.wait_until(same, 1)
  local after = scene.state(place.dir)
  place:host("rm -rf free; " .. MATERIAL)
  local twin = run({ protect = OPEN })
  local changed = not same()
  local said = twin and twin.stderr
  place:close()
  assert.is_true(kept, line .. "\n" .. before .. "\nbecame\n" .. after)
  assert.is_true(changed, "the twin changed nothing: " .. line .. "\n" .. tostring(said))
end

local REPOSITORY = [[git init -q repo; cd repo; git config user.name a; git config user.email a@b
echo 1 >f; git add f; git commit -qm one; cd ..; git clone -q --bare repo bare.git]]

describe("a repository that is a writable root itself", function()
  local place

  before_each(function()
    place = scene.new()
    place:host(REPOSITORY)
  end)
  after_each(function() place:close() end)

  -- Git works, what it runs stays, and what can't be kept is said.
  local function check(r, directory)
    assert.equal("one\n", r.stdout, r.stderr)
    assert.equal(0, r.exit_code)
    local said = false
    for _, entry in ipairs(r.sandbox.missing) do
      said = said or entry.property == "protect" and entry.reason:find("commondir", 1, true)
    end
    assert.is_truthy(said)
    assert.is_true(support.wait_until(function()
      return not support.exists(directory .. "/commondir")
    end, 1))
  end

  test("is one for git, too: a bare one", function()
    local before = support.read(place.work .. "/bare.git/config")
    local r = place:run("echo x >>config; echo x >hooks/post-update; git log --format=%s",
                        { cwd = place.work .. "/bare.git" })
    check(r, place.work .. "/bare.git")
    assert.equal(before, support.read(place.work .. "/bare.git/config"))
    assert.is_false(support.exists(place.work .. "/bare.git/hooks/post-update"))
  end)

  test("is one for git, too: a .git under read-only", function()
    local directory = place.work .. "/repo"
    local before = support.read(directory .. "/.git/config")
    local policy = { extends = "read-only", writable_roots = { directory .. "/.git" } }
    local r = place:run("echo x >>.git/config; echo x >.git/hooks/pre-commit;"
                        .. "git commit -q --allow-empty -m two; git log --format=%s HEAD~1",
                        { cwd = directory, policy = policy })
    check(r, directory .. "/.git")
    assert.equal(before, support.read(directory .. "/.git/config"))
    assert.is_false(support.exists(directory .. "/.git/hooks/pre-commit"))
    assert.equal("two\n", place:output("git log -1 --format=%s", directory))
  end)
end)

local MISSING = {
  "mkdir .git", "mkdir -p .git/hooks && echo x >.git/hooks/post-checkout", "echo x >.git",
  "ln -s /etc .git", "ln -s nowhere .git", "mkfifo .git", "mv -T free/d .git",
  "mv -T free/empty .git", "mv -T free/f .git", "ln free/f .git", "cp -rT free/d .git",
  "git init -q .", "rmdir .git; mkdir .git && touch .git/config",
  "mv .git free/old; touch .git", "rm -rf .git; ln -s free/d .git", "NAMES mknod .git",
  "NAMES tmpfile . .git", "NAMES openat2 .git", "NAMES parent . .git",
  "NAMES exchange free/d .git || NAMES noreplace free/d .git", "NAMES race . .git; rmdir own*",
  "mkdir .git; chmod 700 .git", "touch .git/x || { mkdir .git && touch .git/x; }",
  "mkdir .codex", "mkdir .agents",
}

local EXISTING = {
  "echo x >>.git/config", "echo x >.git/hooks/pre-commit", "rm .git/config", "rm -rf .git",
  "mv .git old", "mv .git/config .git/other", "chmod 777 .git", "chmod 600 .git/config",
  "touch -d 1970-01-02 .git/config", "ln .git/config free/mine && echo x >>free/mine",
  "NAMES truncate .git/config", "NAMES times .git/config", "NAMES exchange free/d .git",
  "mv .git free/old; mv free/d .git",
  "ln -s ../.git/hooks .git/link",
  "mkdir .git/sub", "cp /etc/passwd .git/config", "cd .git && echo x >>config",
  "NAMES keep .git/config free/f", "exec 3<.git/config; echo x >>/proc/self/fd/3",
  "echo x >>/proc/self/root$PWD/.git/config", "echo x >>/proc/self/cwd/.git/config",
  "echo x >.codex/config.toml", "rm -r .agents", "mv .codex .git/../old",
}

local MAKE = [[mkdir .git .git/hooks .codex .agents; echo '[core]' >.git/config
echo x >.codex/a; echo x >.agents/a]]

describe("a protected name that is missing", function()
  for _, line in ipairs(MISSING) do
    test("stays so: " .. line, function() try("touch readme", line) end)
  end

  test("in another writable root too", function()
    for _, line in ipairs({ "mkdir ../out/.git", "echo x >../out/.codex",
                            "git init -q ../out" }) do
      try("touch readme", line, { roots = true })
    end
  end)

  test("in a cwd that lies in a root, and its parents can't be moved", function()
    for _, line in ipairs({ "mkdir .git", "mkdir ../../.git", "mkdir ../../.agents",
                            "cd ../..; mv a old; mkdir -p a/b/.git" }) do
      try("mkdir -p a/b; touch a/b/readme", line, { cwd = "a/b" })
    end
  end)

  test("for what a policy lists", function()
    local list = { ".vscode", ".envrc" }
    for _, line in ipairs({ "mkdir .vscode", "echo x >.envrc", "mv free/f .envrc",
                            "mkdir .git" }) do
      try("touch readme", line, { protect = list })
    end
  end)

end)

describe("a protected name that is there", function()
  for _, line in ipairs(EXISTING) do
    test("stays as it is: " .. line, function() try(MAKE, line) end)
  end

  test("in another writable root too", function()
    for _, line in ipairs({ "echo x >>../out/.git/config", "mv ../out/.git ../out/old",
                            "rm -rf ../out/.git" }) do
      try("cd ../out; " .. MAKE, line, { roots = true })
    end
  end)

  test("in a cwd that lies in a root, and its parents can't be moved", function()
    for _, line in ipairs({ "echo x >>.git/config", "echo x >>../../.git/config",
                            "cd ../..; mv a/b a/c", "cd ../..; mv a c" }) do
      try("mkdir -p a/b .git .git/x; echo x >.git/config; cp -r .git a/b", line, { cwd = "a/b" })
    end
  end)

  test("as a file", function()
    for _, line in ipairs({ "echo x >>.codex", "rm .codex", "mv .codex old", "chmod 777 .codex",
                            "echo y >free/f; mv free/f .codex", "NAMES exchange free/d .codex" }) do
      try("echo x >.codex", line)
    end
  end)

  test("as an empty directory", function()
    for _, line in ipairs({ "touch .agents/x", "rmdir .agents", "chmod 700 .agents",
                            "mv -T free/d .agents" }) do
      try("mkdir .agents; touch readme", line)
    end
  end)
end)

describe("a protected name that is a link", function()
  test("is held with its target", function()
    for _, line in ipairs({
      "rm .git; mkdir .git", "rm .git", "mv .git old", "ln -sfn /etc .git", "echo x >>.git/config",
      "echo x >>store/config", "mv store old", "rm -rf store", "touch store/x",
      "NAMES exchange free/link .git",
    }) do
      try("mkdir store store/hooks; echo x >store/config; ln -s store .git", line)
    end
  end)

  test("is held with a target in another root", function()
    for _, line in ipairs({ "echo x >>../out/store/config", "mv ../out/store ../out/old",
                            "rm .git" }) do
      try("mkdir ../out/store; echo x >../out/store/config; ln -s ../out/store .git", line,
          { roots = true })
    end
  end)

  test("that leads nowhere is held, and what it would lead to can't be made", function()
    for _, line in ipairs({ "rm .git", "mkdir store", "mkdir -p store/x", "mv .git old",
                            "mv -T free/d store", "echo x >store", "ln -s free store",
                            "ln -sfn /etc .git" }) do
      try("ln -s store .git; touch readme", line)
    end
  end)
end)

---------------------------------------------------------------------------------------------------
-- Repositories

local GIT = "git -c init.defaultBranch=main -c user.name=t -c user.email=t@example.invalid "

describe("a `.git` file", function()
  test("of a worktree is held with the repository that it names, inside the root", function()
    for _, line in ipairs({
      "echo x >>.git", "rm .git", "echo 'gitdir: /tmp' >.git", "mv free/f .git",
      "echo x >>deep/repo/worktrees/w/HEAD", "mv deep old", "mv deep/repo deep/old",
      "echo x >>deep/repo/config", "echo x >deep/repo/hooks/post-checkout",
      "mv deep/repo/worktrees/w deep/repo/worktrees/v", "echo x >>deep/repo/worktrees/w/commondir",
    }) do
      try([[mkdir -p deep/repo/worktrees/w deep/repo/hooks; echo ref >deep/repo/worktrees/w/HEAD
        echo ../.. >deep/repo/worktrees/w/commondir; echo '[core]' >deep/repo/config
        echo "gitdir: $PWD/deep/repo/worktrees/w" >.git]], line)
    end
  end)

  test("is held with a repository in another root, and by a relative path", function()
    for _, line in ipairs({ "echo x >>../out/repo/config", "mv ../out/repo ../out/old" }) do
      try("mkdir ../out/repo; echo x >../out/repo/config; echo 'gitdir: ../out/repo' >.git", line,
          { roots = true })
    end
  end)

  test("that names what is missing keeps it missing", function()
    for _, line in ipairs({ "mkdir repo", "mkdir -p repo/hooks", "echo x >>.git" }) do
      try("echo 'gitdir: repo' >.git; touch readme", line)
    end
  end)

  test("that names no repository is held itself, and that is said", function()
    for _, text in ipairs({ "nonsense", "", "gitdir:", "gitdir: a\\0b" }) do
      local make = ("printf '%s' >.git; touch readme"):format(text)
      try(make, "echo x >>.git")
      local place = scene.new()
      place:host(make)
      local said = false
      for _, entry in ipairs(place:run("true").sandbox.missing) do
        said = said or entry.property == "policy_entry"
          and entry.reason:find(place.work .. "/.git", 1, true) ~= nil
      end
      place:close()
      assert.is_true(said, text)
    end
  end)

  test("of git's own worktree and submodule: reading works, and hooks stay", function()
    local place = scene.new()
    place:host(GIT .. "init -q main && cd main && echo a >a && git add a && " .. GIT
      .. "commit -qm first && " .. GIT .. "worktree add -q ../tree", place.out)
    local hook = place.out .. "/main/.git/hooks/post-checkout"
    local opts = { cwd = place.out .. "/tree", more = { writable_roots = { place.out } } }
    local r = place:run("git status --short && git log --format=%s && "
                        .. "git rev-parse --show-toplevel", opts)
    assert.equal("first\n" .. place.out .. "/tree\n", r.stdout, r.stderr)
    place:run("echo x >" .. hook, opts)
    assert.is_false(support.exists(hook))
    place:run("echo x >" .. hook, { cwd = opts.cwd, more = { writable_roots = { place.out },
                                                             protect = OPEN } })
    assert.is_true(support.exists(hook))
    place:close()
  end)
end)

describe("what a repository's config names", function()
  test("is held where it lies in the root", function()
    for _, one in ipairs({
      { "hooksPath = .husky", "mkdir .husky; echo x >.husky/pre-commit",
        { "echo x >>.husky/pre-commit", "echo x >.husky/post-checkout", "mv .husky old" } },
      { "hooksPath = .husky", "true", { "mkdir .husky", "mv -T free/d .husky" } },
      { "attributesFile = attributes", "echo x >attributes", { "echo x >>attributes" } },
      { "fsmonitor = ./tools/watch --fast", "mkdir tools; echo x >tools/watch",
        { "echo x >>tools/watch", "mv tools old" } },
    }) do
      for _, line in ipairs(one[3]) do
        try("mkdir .git; printf '[core]\\n\\t" .. one[1] .. "\\n' >.git/config; " .. one[2], line)
      end
    end
  end)

  test("through what it includes, and in a worktree's own config", function()
    for _, line in ipairs({ "echo x >hooks/pre-commit", "echo x >>more.config",
                            "echo x >other/pre-commit" }) do
      try([[mkdir .git hooks other; printf '[include]\n\tpath = ../shared.config\n' >.git/config
        printf '[include]\n\tpath = more.config\n' >shared.config
        printf '[core]\n\thooksPath = hooks\n' >more.config
        printf '[core]\n\thooksPath = other\n' >.git/config.worktree]], line)
    end
  end)

  test("by include.path, relative to the config", function()
    for _, line in ipairs({ "echo x >>shared.config", "rm shared.config",
                            "mv free/f shared.config" }) do
      try([[mkdir .git; printf '[include]\n\tpath = ../shared.config\n' >.git/config
        echo x >shared.config]], line)
    end
  end)
end)

describe("a root that is no repository", function()
  test("can't be made a bare one", function()
    for _, line in ipairs({ "git init -q --bare .", "echo 'ref: refs/heads/main' >HEAD",
                            "mv -T free/f HEAD",
                            "git init -q --bare . ; git config core.fsmonitor ./evil" }) do
      local place = scene.new()
      place:host("touch readme; " .. MATERIAL)
      place:run(line)
      support.wait_until(function() return not support.exists(place.work .. "/HEAD") end, 1)
      local head = support.exists(place.work .. "/HEAD")
      local inside = place:output("git rev-parse --is-bare-repository 2>/dev/null")
      place:host("rm -rf ./*; " .. MATERIAL)
      place:run(line, { more = { protect = OPEN } })
      local twin = support.exists(place.work .. "/HEAD")
      place:close()
      assert.is_false(head, line)
      assert.equal("", inside)
      assert.is_true(twin, line)
    end
  end)

  test("that is a bare one keeps config and hooks", function()
    for _, line in ipairs({ "echo x >>config", "echo x >hooks/post-update", "echo x >HEAD",
                            "mv hooks old", "rm config" }) do
      try("git init -q --bare . && mkdir -p hooks && touch hooks/a", line)
    end
  end)
end)

describe("git in a workspace", function()
  local place

  before_each(function() place = scene.new() end)
  after_each(function() place:close() end)

  local READ = "git rev-parse --show-toplevel && git status --short && git log --format=%s"

  local function repository(directory)
    place:host(GIT .. "init -q . && echo a >a && git add a && " .. GIT .. "commit -qm first",
               directory)
  end

  test("reads the repository, from its top and a directory below", function()
    repository()
    place:host("mkdir -p sub/deep; echo b >b")
    for _, cwd in ipairs({ "", "/sub", "/sub/deep" }) do
      local r = place:run(READ, { cwd = place.work .. cwd })
      assert.equal(0, r.exit_code, r.stderr)
      local up = ("../"):rep(select(2, cwd:gsub("/", "")))
      assert.equal(place.work .. "\n?? " .. up .. "b\nfirst\n", r.stdout)
      assert.matches("^%.git\na\nb\nsub\n$", scene.becomes(place.work, ".git\na\nb\nsub\n"))
    end
  end)

  test("finds the parent's repository where its own root has none", function()
    repository(place.dir)
    local r = place:run("git rev-parse --show-toplevel && git log --format=%s")
    assert.equal(place.dir .. "\nfirst\n", r.stdout, r.stderr)
    r = place:run("git rev-parse --show-toplevel", { more = { writable_roots = { "../out" } },
                                                     cwd = place.out })
    assert.equal(place.dir .. "\n", r.stdout, r.stderr)
    assert.equal("", scene.becomes(place.work, ""))
    assert.equal("", scene.becomes(place.out, ""))
  end)

  test("refuses to commit, and the repository is as it was", function()
    repository()
    place:host("echo b >b")
    local before = scene.state(place.work .. "/.git")
    assert.are_not.equal(0, place:run("git add b").exit_code)
    assert.equal(before, scene.state(place.work .. "/.git"))
    assert.equal(0, place:run("git add b", { more = { protect = OPEN } }).exit_code)
    assert.are_not.equal(before, scene.state(place.work .. "/.git"))
  end)
end)

---------------------------------------------------------------------------------------------------

describe("a protected path through a link that the command could change", function()
  local place

  before_each(function() place = scene.new() end)
  after_each(function() place:close() end)

  local function refused(make, link, more)
    place:host(make)
    local r, err = place:run("touch ran", { more = more })
    assert.is_nil(r)
    assert.equal("policy", err.kind)
    assert.matches(place.work .. "/" .. link, err.message, 1, true)
    assert.is_false(support.exists(place.work .. "/ran"))
  end

  test("is refused before it runs: a gitdir", function()
    refused("mkdir -p real/repo; ln -s real way; echo 'gitdir: way/repo' >.git", "way")
    -- as what it means it is none
    place:host("echo 'gitdir: real/repo' >.git")
    assert.equal(0, place:run("touch ran").exit_code)
  end)

  test("is refused before it runs: a chain of links", function()
    refused("mkdir -p real/repo; ln -s real way; ln -s way/repo .git", "way")
  end)

  test("is refused before it runs: links that lead nowhere yet", function()
    refused("ln -s way .git; ln -s nowhere way", "way")
    refused("rm .git way; ln -s nowhere way; echo 'gitdir: way' >.git", "way")
    refused("echo 'gitdir: way/repo' >.git", "way")
    refused("rm .git; ln -s way/repo .git", "way")
  end)

  test("is refused before it runs: hooks", function()
    refused([[mkdir -p .git real/hooks; ln -s real way
      printf '[core]\nhooksPath = way/hooks\n' >.git/config]], "way")
  end)

  test("is refused before it runs: what a policy lists or denies", function()
    refused("mkdir -p real; echo x >real/file; ln -s real way", "way",
            { deny_read = { "way/file" } })
    refused("ln -s way/file .vscode", "way", { protect = { ".vscode" } })
    refused("true", "way", { read_only = { "way/file" } })
    assert.equal(0, place:run("touch ran", { more = { deny_read = { "real/file" } } }).exit_code)
  end)

  test("is none where the link lies outside", function()
    place:host("mkdir -p ../out/real/repo; ln -s real ../out/way")
    place:host("echo 'gitdir: ../out/way/repo' >.git")
    assert.equal(0, place:run("touch ran").exit_code)
    assert.is_true(support.exists(place.work .. "/ran"))
  end)
end)

describe("sbxlua's own configuration inside a writable root", function()
  local place

  before_each(function() place = scene.new() end)
  after_each(function() place:close() end)

  local HOST = [[
local sbx = require "sbx"
local policy = { extends = "workspace-write", exclude_slash_tmp = true,
                 exclude_tmpdir_env_var = true }
if arg[2] == "full" then policy = "danger-full-access" end
local r, err, out = sbx.run({ "sh", "-c", "touch ran; " .. arg[1], policy = policy })
if not (r or out) then print(err) end]]

  -- By a host whose home is the workspace.
  local function run(line, policy)
    place:host("rm -f ran")
    local env = "HOME=" .. support.quote(place.work) .. " XDG_CONFIG_HOME="
    local text = place:lua(HOST, env, line, policy or "write")
    assert.is_true(support.exists(place.work .. "/ran"), text)
  end

  local LINES = {
    ["mkdir -p .config/sbxlua/policies; echo x >.config/sbxlua/policies/read-only.lua"] = 1,
    ["mkdir -p .config/sbxlua; echo x >.config/sbxlua/policy.lua"] = 1,
    ["mv .config old; mkdir -p .config/sbxlua; echo x >.config/sbxlua/env.lua"] = 1,
    ["rmdir .config; mkdir -p d/sbxlua; touch d/sbxlua/denial.lua; mv -T d .config"] = 1,
  }

  for line in pairs(LINES) do
    test("can't be made: " .. line, function()
      run(line)
      assert.is_true(support.wait_until(function()
        return not support.exists(place.work .. "/.config")
      end, 1))
      run(line, "full")
      assert.is_true(support.exists(place.work .. "/.config/sbxlua"))
    end)

    test("can't be changed: " .. line, function()
      place:host([[mkdir -p .config/sbxlua/policies; echo x >.config/other
        echo 'local base = ... return base' >.config/sbxlua/env.lua]])
      local before = scene.state(place.work .. "/.config")
      run(line)
      assert.equal(before, scene.state(place.work .. "/.config"))
    end)
  end

  test("while the rest of .config is the command's", function()
    place:host("mkdir -p .config/sbxlua; touch .config/sbxlua/env.lua")
    place:host("echo 'local base = ... return base' >.config/sbxlua/env.lua")
    run("echo x >.config/other; mkdir .config/tool")
    assert.equal("x\n", support.read(place.work .. "/.config/other"))
  end)
end)

describe("without anything protected", function()
  test("nothing is held", function()
    local place = scene.new()
    assert.equal(0, place:run("git init -q . && test -d .git/objects",
                              { more = { protect = OPEN } }).exit_code)
    assert.is_true(support.exists(place.work .. "/.git/HEAD"))
    place:close()
    assert.is_table(sbx.probe().tiers)
  end)
end)

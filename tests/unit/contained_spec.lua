-- Policy to plan in the contained tier, without a kernel.
local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
local fake = dofile(HERE .. "/fake.lua")
local policy = require "sbx.policy"

local TREE = {
  ["/tmp"] = "directory", ["/w"] = "directory", ["/w/.git"] = { type = "directory", nlink = 8 },
  ["/w/.git/HEAD"] = { text = "ref: refs/heads/main\n" },
  ["/w/a"] = "directory", ["/w/a/b"] = "directory", ["/w/a/b/c"] = "directory",
  ["/w/a/b/c/file"] = { text = "x" }, ["/home"] = "directory", ["/home/u"] = "directory",
  ["/home/u/keys"] = "directory", ["/home/u/keys/open"] = "directory", ["/usr"] = "directory",
  ["/dev"] = "directory", ["/dev/null"] = { type = "char" }, ["/dev/shm"] = "directory",
  ["/proc"] = "directory", ["/bare"] = "directory", ["/own"] = "directory",
}

local function context(more)
  local ctx = {
    cwd = "/w", env = {}, home = "/home/u", uid = 1000, probe = { landlock_abi = 7 },
    fs = fake.fs(TREE),
  }
  for name, value in pairs(more or {}) do ctx[name] = value end
  return ctx
end

local function plan_of(table_, more) return assert(policy.plan(table_, context(more))) end

-- "bind /w write", in order, without what every plan has.
local function mounts_of(table_, more)
  local list, behind = {}, false
  for _, one in ipairs(plan_of(table_, more).alternatives[1].engine.mounts) do
    if behind then
      list[#list + 1] = one.op .. " " .. one.path .. (one.write and " write" or "")
        .. (one.placeholder and " placeholder" or "") .. (one.onto and " onto" or "")
    end
    behind = behind or (one.op == "seal" and one.path == "/dev")
  end
  return list
end

local NO_NAMES = { replace = {} }

local function workspace(more)
  local table_ = { mode = "workspace-write", protect = NO_NAMES, exclude_slash_tmp = true }
  for name, value in pairs(more or {}) do table_[name] = value end
  return table_
end

describe("the contained tier's alternatives", function()
  local function ways(table_, more)
    local list = {}
    for i, one in ipairs(plan_of(table_, more).alternatives) do
      list[i] = one.tier .. " " .. one.engine.kill .. (one.engine.namespaces.user and "+user" or "")
    end
    return list
  end

  it("come before the landlock tier's", function()
    assert.same({ "contained pidns+user", "contained subreaper+user", "landlock pidns+user",
                  "landlock subreaper" }, ways({ mode = "read-only" }))
    assert.same({ "contained pidns", "contained pidns+user", "contained subreaper",
                  "contained subreaper+user", "landlock pidns", "landlock pidns+user",
                  "landlock subreaper" }, ways({ mode = "read-only" }, { uid = 0 }))
  end)

  it("stand alone where they are asked for, or where only they hold an entry", function()
    for _, table_ in ipairs({
      { mode = "read-only", tier = "contained" },
      { mode = "read-only", deny_read = { "/home/u/keys" } },
      { mode = "workspace-write", read_only = { "/w/a" } },
      { mode = "workspace-write", protect = { ".vscode" } },
    }) do
      for _, one in ipairs(plan_of(table_).alternatives) do assert.equal("contained", one.tier) end
    end
    local plan = plan_of({ mode = "read-only", deny_read = { "/home/u/keys" } })
    assert.equal("policy", plan.refusal.kind)
    assert.matches("/home/u/keys", plan.refusal.message, 1, true)
  end)

  it("hold all but hard links, without Landlock too", function()
    for _, abi in ipairs({ 0, 7 }) do
      local one = plan_of({ mode = "workspace-write" }, { probe = { landlock_abi = abi },
                                                          tier = "contained" }).alternatives[1]
      for _, property in ipairs({ "fs", "metadata", "protect", "network", "unix_sockets",
                                  "kill_tree" }) do
        assert.is_string(one.enforced[property], property)
      end
      assert.equal("hard_links", one.missing[1].property)
      assert.is_nil(one.missing[2])
    end
  end)
end)

describe("the contained tier's mounts", function()
  it("begin with the whole tree read-only and a /dev of its own", function()
    local list = plan_of({ mode = "read-only" }).alternatives[1].engine.mounts
    assert.same({ op = "seal", path = "/", recursive = true, ahead = true }, list[1])
    assert.equal("tmpfs /dev", list[2].op .. " " .. list[2].path)
    assert.equal("seal /dev", list[#list].op .. " " .. list[#list].path)
  end)

  it("have one mount for nested roots of one file system", function()
    assert.same({ "bind /w write" }, mounts_of(workspace({ writable_roots = { "/w/a" } })))
  end)

  it("take from a root, and pin what a path lies in", function()
    assert.same({ "bind /w write", "bind /w/a write", "bind /w/a/b" },
                mounts_of(workspace({ read_only = { "/w/a/b" } })))
  end)

  it("nest as they are written, the most specific last", function()
    assert.same({ "bind /w write", "bind /w/a", "bind /w/a/b write", "bind /w/a/b/c write",
                  "hide /w/a/b/c/file" },
                mounts_of(workspace({ read_only = { "/w/a" }, writable_roots = { "/w/a/b" },
                                      deny_read = { "/w/a/b/c/file" } })))
  end)

  it("show in a hidden tree only what is named there", function()
    assert.same({ "tmpfs /home/u/keys", "directory /home/u/keys/open", "seal /home/u/keys",
                  "bind /home/u/keys/open write onto" },
                mounts_of({ mode = "read-only", deny_read = { "/home/u/keys" },
                            writable_roots = { "/home/u/keys/open" }, protect = NO_NAMES }))
  end)

  it("take nothing away where nothing may be written", function()
    assert.same({}, mounts_of({ mode = "read-only", read_only = { "/w/a" } }))
  end)

  it("hold names that are missing by placeholders, and no repository can be made", function()
    local list = mounts_of({ mode = "read-only", writable_roots = { "/bare" },
                             protect = { replace = { ".git", ".codex" } } })
    assert.same({ "bind /bare write", "bind /bare/.codex placeholder",
                  "bind /bare/.git placeholder", "bind /bare/HEAD placeholder" }, list)
    assert.same({ "bind /w write", "bind /w/.git" },
                mounts_of(workspace({ protect = { replace = { ".git" } } })))
  end)

  it("keep sbxlua's own places inside a root", function()
    assert.same({ "bind /w write", "bind /w/a write", "bind /w/a/b" },
                mounts_of(workspace(), { own = { "/w/a/b", "/usr" } }))
  end)

  it("have a journal that no command may write", function()
    local function journals(table_, more)
      return plan_of(table_, more).alternatives[1].engine.journals
    end
    assert.same({ "/dev/shm/sbxlua-1000" }, journals({ mode = "workspace-write" }))
    assert.same({}, journals({ mode = "read-only", writable_roots = { "/dev/shm" } }))
    assert.same({ "/home/sbxlua", "/dev/shm/sbxlua-1000" },
                journals({ mode = "workspace-write" }, { env = { XDG_RUNTIME_DIR = "/home" } }))
  end)
end)

describe("a repository", function()
  local gitfiles = require "sbx.gitfiles"

  it("names what it includes and runs", function()
    local list = gitfiles.named_in(table.concat({
      "[core]", "\tbare = false", "\thooksPath = .husky", "  fsmonitor = true",
      "[includeIf \"gitdir:~/x/\"]", "path = \"../more\"", "[alias] path = no",
      "[Core] AttributesFile=~/attributes ",
    }, "\n"))
    assert.same({ { key = "hookspath", value = ".husky" },
                  { key = "fsmonitor", value = "true", guess = true },
                  { key = "path", value = "../more" },
                  { key = "attributesfile", value = "~/attributes" } }, list)
    table.remove(list, 2)
    -- as git reads them: comments, quotes, joined lines, a bracket in a name, settings in front
    list = gitfiles.named_in(table.concat({
      "[include] path = ../a.cfg # note", "path = \"b # c\" ; note", "path = d\\", "e",
      "[includeIf \"onbranch:[m]ain\"] path = f", "[core] hooksPath = tools # ours",
      "fsmonitor = A=1 \\\"tools/f\\\" -x", "; [core] hooksPath = no",
    }, "\n"))
    local values = {}
    for i, one in ipairs(list) do values[i] = one.value end
    assert.same({ "../a.cfg", "b # c", "de", "f", "tools", "1", "tools/f", "-x" }, values)
    list = gitfiles.named_in("[core] hooksPath=.husky\n[include]path=../more\n"
                             .. "[core] attributesFile=~/attributes")
    assert.equal("/w/.husky", gitfiles.place(list[1], "/w/.git", "/w", "/home/u"))
    assert.equal("/w/.git/../more", gitfiles.place(list[2], "/w/.git", "/w", "/home/u"))
    assert.equal("/home/u/attributes", gitfiles.place(list[3], "/w/.git", "/w", "/home/u"))
  end)

  -- each was found by tests/fuzz/gitfiles_spec.lua
  it("of a damaged config are what git reads of it", function()
    assert.same({}, gitfiles.named_in("[core \""))
    assert.same({}, gitfiles.named_in("[core \"a\\"))
    local list = gitfiles.named_in("[include]\npath=\r\"a\"\npath = \\\n  b\npath=c\\\r\nd\r\n"
                                   .. "path=e\f\npath=f \\\n\n")
    local values = {}
    for i, one in ipairs(list) do values[i] = one.value end
    assert.same({ "a", "b", "cd", "e\f", "f " }, values)
  end)
end)

-- What can be read: `readable` lists it, `deny_read` takes away, the most specific path wins; and
-- none of it costs more where there are more files.
local scene = require "tests.sandbox.scene"
local support = require "tests.support"

local prefix = os.getenv("SBX_PREFIX") or "build"
local tier = support.tier()

local test = scene.test

local TREE = [[
mkdir -p ../out/a/b/c/d ../out/side
for d in .. ../out ../out/a ../out/a/b ../out/a/b/c ../out/a/b/c/d ../out/side; do
  echo "text of $(realpath $d)" >$d/file
done
ln -s ../a/b/file ../out/side/link; ln -s /etc/hostname ../out/side/away]]

local place

before_each(function()
  place = scene.new()
  place:host(TREE)
end)
after_each(function() place:close() end)

describe("deny_read", function()
  -- Whether the text of a file came out, by a line that prints it.
  local function leaks(line, more)
    local r = place:run(line, { more = more })
    return ((r.stdout or "") .. (r.stderr or "")):find("text of", 1, true) ~= nil
  end

  local function refused(deny, lines, more)
    for _, line in ipairs(lines) do
      local policy = { deny_read = deny }
      for name, value in pairs(more or {}) do policy[name] = value end
      assert.is_false(leaks(line, policy), line)
      policy.deny_read = nil
      assert.is_true(leaks(line, policy), "the twin: " .. line)
    end
  end

  test("hides a file, whatever way it is read", function()
    refused({ "../out/file" }, {
      "cat ../out/file", "cat <../out/file", "cp ../out/file mine; cat mine",
      "cat /proc/self/root$(realpath ../out)/file", "cd ../out; cat /proc/self/cwd/file",
      "tar cf - ../out/file | tar xOf -", "dd if=../out/file", "grep -r text ../out/file",
      "ln -sf ../out/file link; cat link", "python3 -c 'print(open(\"../out/file\").read())'",
      "find ../out -maxdepth 1 -name file | xargs head -c 99", "sh ../out/file; cat ../out/./file",
    })
  end)

  test("hides a tree, its names and what is deeper", function()
    refused({ "../out/a" }, {
      "cat ../out/a/file", "cat ../out/a/b/c/file", "cd ../out/a/b && cat file",
      "cat ../out/side/link", "ls ../out/a | grep -q file && echo text of names",
      "rm -rf mine; cp -r ../out/a mine; cat mine/file", "tar cf - ../out/a | tar xOf -",
      "cat /proc/self/root$(realpath ../out)/a/file",
    })
  end)

  test("of a file in a writable root: contents, and every way to give it another name", function()
    place:host("mkdir sub; echo 'text of mine' >sub/key")
    local before = scene.state(place.work)
    for _, line in ipairs({
      "cat sub/key", "mv sub other; cat other/key", "ln sub/key free; cat free",
      "cp sub/key free; cat free", "mv sub/key free; cat free", "cat /proc/self/root$PWD/sub/key",
      "chmod 777 sub/key; cat sub/key",
      "echo x >>sub/key; cat sub/key", "rm sub/key", "cd sub; cat key", "truncate -s 4 sub/key",
      "mv -T sub/../sub other2; cat other2/key",
    }) do
      assert.is_false(leaks(line, { deny_read = { "sub/key" } }), line)
      place:host("rm -f free")
      support.wait_until(function() return scene.state(place.work) == before end, 1)
      assert.equal(before, scene.state(place.work), line)
    end
    for _, line in ipairs({ "cat sub/key", "ln sub/key free; cat free",
                            "mv sub other; cat other/key" }) do
      assert.is_true(leaks(line, {}), line)
    end
  end)

  test("of a tree in a writable root", function()
    place:host("mkdir -p sub/keys/more; echo 'text of mine' >sub/keys/key; mkdir sub/open")
    for _, line in ipairs({ "cat sub/keys/key", "mv sub other; cat other/keys/key",
                            "mv sub/keys free; cat free/key", "ls sub/keys | grep text",
                            "rm -rf sub; ls sub/keys", "touch sub/keys/x" }) do
      assert.is_false(leaks(line, { deny_read = { "sub/keys" } }), line)
      assert.equal("key\nmore\n", scene.names(place.work .. "/sub/keys"))
    end
    local r = place:run("touch sub/fine", { more = { deny_read = { "sub/keys" } } })
    assert.equal("ok", r.status)
    assert.is_true(leaks("mv sub other; cat other/keys/key", {}))
  end)

  test("says EACCES, and is told among what is enforced", function()
    local r = place:run("cat ../out/a/file; ls ../out/a; cat ../out/file",
                        { more = { deny_read = { "../out/a", "../out/file" } } })
    assert.equal(3, select(2, r.stderr:gsub("Permission denied", "")), r.stderr)
    assert.is_string(r.sandbox.enforced.read_deny)
  end)

  test("by a link means its target too", function()
    place:host("ln -s out/a ../way")
    refused({ "../way" }, { "cat ../out/a/file", "cat ../way/b/file" })
  end)

  test("under every mode", function()
    for _, mode in ipairs({ "read-only", "danger-full-access" }) do
      local r = place:run("cat ../out/file; cat ../out/a/file; echo over",
                          { policy = { extends = mode, deny_read = { place.out .. "/file" } } })
      assert.equal("text of " .. place.out .. "/a\nover\n", r.stdout, mode .. r.stderr)
    end
  end)
end)

describe("nested entries", function()
  local LEVELS = { "a", "a/b", "a/b/c", "a/b/c/d" }
  local FIELD = { write = "writable_roots", read = "read_only", deny = "deny_read",
                  readable = "readable" }

  -- What holds at each level: "deny", "read" or "write".
  local function expected(kinds)
    local now, list = "read", {}
    for i = 1, #LEVELS do
      local kind = kinds[i]
      if kind == "readable" then kind = now == "deny" and "read" or now end
      now = kind or now
      list[i] = now
    end
    return list
  end

  local function observed(kinds)
    local more, lines = { protect = { replace = {} }, exclude_slash_tmp = true }, {}
    for i, level in ipairs(LEVELS) do
      local field = kinds[i] and FIELD[kinds[i]]
      if field then
        more[field] = more[field] or {}
        table.insert(more[field], place.out .. "/" .. level)
      end
    end
    -- readable lists all that can be read: the rest too, where only nesting is to count
    if more.readable then table.insert(more.readable, "/") end
    for i, level in ipairs(LEVELS) do
      local path = place.out .. "/" .. level
      lines[i] = ("cat %s/file >/dev/null && echo r%d; touch %s/new && echo w%d"):format(path, i,
                                                                                       path, i)
    end
    local r, err = place:run(table.concat(lines, "\n"), { more = more })
    assert.is_truthy(r, tostring(err))
    local list = {}
    for i, level in ipairs(LEVELS) do
      local wrote = support.exists(place.out .. "/" .. level .. "/new")
      local said = r.stdout:find("r" .. i .. "\n", 1, true)
      assert.equal(wrote, r.stdout:find("w" .. i .. "\n", 1, true) ~= nil)
      list[i] = wrote and "write" or said and "read" or "deny"
      if wrote and not said then list[i] = "write only" end
      os.remove(place.out .. "/" .. level .. "/new")
    end
    return list, r
  end

  local CASES = {
    { "write" }, { "deny" }, { "write", "deny" }, { "write", "read" }, { "deny", "write" },
    { "write", "read", "write" }, { "write", "deny", "write" }, { "deny", "read", "write" },
    { "write", "read", "deny", "write" }, { "deny", "write", "deny", "write" },
    { "write", "deny", "read", "write" }, { "write", "read", "write", "deny" },
    { "deny", "write", "read", "deny" }, { false, "deny", false, "write" },
    { "write", false, "deny", "read" }, { "deny", "readable" }, { "deny", "readable", "write" },
    { "write", "deny", "readable" }, { "deny", "readable", "deny" },
    { "deny", "write", "deny", "readable" }, { "write", "readable", "deny" },
  }

  for _, kinds in ipairs(CASES) do
    local words = {}
    for i = 1, #kinds do words[i] = kinds[i] or "-" end
    test("the most specific wins: " .. table.concat(words, " > "), function()
      assert.same(expected(kinds), (observed(kinds)))
    end)
  end

  test("at one path deny beats read-only beats writable", function()
    local path = place.out .. "/a"
    local function try(more)
      more.protect = { replace = {} }
      local r = place:run(("cat %s/file && touch %s/new"):format(path, path), { more = more })
      local wrote = support.exists(path .. "/new")
      os.remove(path .. "/new")
      return wrote and "write" or r.stdout ~= "" and "read" or "deny"
    end
    assert.equal("write", try({ writable_roots = { path } }))
    assert.equal("read", try({ writable_roots = { path }, read_only = { path } }))
    assert.equal("deny", try({ writable_roots = { path }, deny_read = { path } }))
    assert.equal("deny", try({ writable_roots = { path }, read_only = { path },
                               deny_read = { path } }))
  end)

  test("of components, not of characters", function()
    place:host("mkdir ../out/ab; echo 'text of ab' >../out/ab/file")
    local r = place:run("cat ../out/ab/file; cat ../out/a/file",
                        { more = { deny_read = { "../out/a" } } })
    assert.equal("text of ab\n", r.stdout)
  end)

  test("what is named in a hidden tree is there, its neighbours are not", function()
    local r = place:run("cat ../out/a/b/file; ls ../out/a; cat ../out/a/file; ls ../out/a/b",
                        { more = { deny_read = { "../out/a" }, readable = { "/", "../out/a/b" } } })
    assert.equal("text of " .. place.out .. "/a/b\nc\nfile\n", r.stdout, r.stderr)
  end)
end)

describe("readable", function()
  local function run(line, more)
    more.tier = tier
    return place:run(line, { more = more })
  end

  it("lists all that can be read, and writable roots can be anyway", function()
    local r, err = run("echo mine >mine; cat mine ../out/a/b/file; cat ../out/file; cat ../file; "
                       .. "cat ../out/a/b/c/file; ls ../out; cat /etc/shadow",
                       { readable = { "${platform}", "../out/a/b" } })
    assert.is_truthy(r, tostring(err))
    assert.equal("mine\ntext of " .. place.out .. "/a/b\ntext of " .. place.out .. "/a/b/c\n",
                 r.stdout, r.stderr)
    assert.is_string(r.sandbox.enforced.read_deny)
    r = run("cat ../out/file ../file", {})
    assert.equal("text of " .. place.out .. "\ntext of " .. place.dir .. "\n", r.stdout)
  end)

  it("may be single files", function()
    local r, err = run("cat ../out/a/file; cat ../out/a/b/file; ls ../out/a; echo x >../out/a/file",
                       { readable = { "${platform}", "../out/a/file" } })
    assert.is_truthy(r, tostring(err))
    assert.equal("text of " .. place.out .. "/a\n", r.stdout, r.stderr)
    assert.equal("text of " .. place.out .. "/a\n", support.read(place.out .. "/a/file"))
  end)

  it("with a denied tree outside of all that is listed", function()
    local r, err = run("cat ../out/a/b/file; cat ../out/side/file",
                       { readable = { "${platform}", "../out/a/b" },
                         deny_read = { "../out/side" } })
    assert.is_truthy(r, tostring(err))
    assert.equal("text of " .. place.out .. "/a/b\n", r.stdout, r.stderr)
  end)

  it("with a denied tree inside: held, or refused as a policy error", function()
    local r, err = run("cat ../out/a/file; cat ../out/a/b/file; cat ../out/a/b/c/file",
                       { readable = { "${platform}", "../out/a", "../out/a/b/c" },
                         deny_read = { "../out/a/b" } })
    if tier == "contained" then
      assert.equal("text of " .. place.out .. "/a\ntext of " .. place.out .. "/a/b/c\n", r.stdout,
                   r.stderr)
    else
      assert.is_nil(r)
      assert.equal("policy", err.kind)
    end
  end)

  it("leads through links to what is listed alone", function()
    local r = run("cat ../out/side/link; cat ../out/side/file",
                  { readable = { "${platform}", "../out/side" } })
    assert.equal("text of " .. place.out .. "/side\n", r.stdout, r.stderr)
  end)

  it("that matches nothing is said", function()
    local r = run("true", { readable = { "${platform}", "../nothing" } })
    local said = false
    for _, entry in ipairs(r.sandbox.missing) do
      said = said or entry.reason:find("../nothing", 1, true) ~= nil
    end
    assert.is_true(said)
  end)
end)

describe("the cost of entries", function()
  -- System calls of a whole `sbxlua run`, its supervisor and the command included.
  local function count(arguments)
    local log = place.dir .. "/log"
    local line = ("cd %s; strace -f -c -o %s %s/bin/sbxlua run -q -p workspace-write%s -C %s -- "
      .. "/bin/true 2>&1; echo $?"):format(place.work, log, prefix, arguments, place.work)
    local said = support.output(line)
    local calls = (support.read(log) or ""):match("%s(%d+)%s+%d*%s*total")
    assert.equal("0\n", said)
    assert.is_truthy(calls, support.read(log))
    return tonumber(calls)
  end

  local LINE = " --deny-read ../out/tree/deny --read-only tree/keep --readable /"

  it("doesn't grow with the number of files", function()
    if support.output("command -v strace") == "" then pending("strace is not installed") end
    if os.getenv("SBX_SANITIZED") then pending("LeakSanitizer doesn't work under strace") end
    local arguments = scene.contained and LINE or ""
    place:host("mkdir -p ../out/tree/deny tree/keep .git/objects .codex")
    local function fill(number)
      place:host(([[for d in ../out/tree/deny tree/keep tree .git/objects .codex .; do
        (cd $d; seq -f f%%.0f %d | xargs touch); done]]):format(number))
    end
    fill(10)
    local few = count(arguments)
    fill(4000)
    local many = count(arguments)
    assert.is_true(many < few * 1.2, few .. " -> " .. many)
  end)
end)

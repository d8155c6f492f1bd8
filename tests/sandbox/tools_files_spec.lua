-- Programs that keep what a file has (modes, times, links, attributes) in workspace-write, and
-- databases.
local support = require "tests.support"
local tools = require "tests.tools"

tools.skip = function(why) pending(why) end

-- A tree with what there is to keep.
local TREE = [[
mkdir -p tree/sub/deep tree/locked
echo one >tree/one; echo two >tree/sub/two; ln -s one tree/link; ln tree/one tree/again
ln -s /no/such/place tree/dangling; mkfifo tree/fifo; head -c 100000 /dev/urandom >tree/random
truncate -s 5M tree/sparse; touch -d 2001-02-03T04:05:06.789 tree/one tree/sub/two
chmod 640 tree/one; chmod 755 tree/sub/two; chmod 2750 tree/sub/deep; chmod 500 tree/locked
touch -h -d 2002-02-03 tree/link tree/dangling tree/fifo; touch -d 2003-01-01 tree/sub]]

-- All of it but the change times, which nothing keeps, and the directories' sizes and times.
local function state(place, name)
  return place:host_output(([[cd %s && find . ! -name . -printf '%%P %%y %%m %%n %%l ' \
    \( -type d -printf '\n' -o -printf '%%s %%T@ %%u\n' \) | sort
    find . -type f -exec md5sum {} + | sort]]):format(name))
end

local SET = [[import os, sys; os.setxattr(sys.argv[1], "user.sbx", b"kept")]]
local GET = [[import os, sys; print(os.getxattr(sys.argv[1], "user.sbx").decode())]]
local ATTRIBUTES = "the filter refuses every setxattr, as it can't see the path"

-- Whether the host's file system has attributes of the user's at all.
local function needs_attributes(place)
  local made = place:host_output("touch probe; python3 -c '" .. SET .. "' probe 2>&1; rm probe")
  if made ~= "" then tools.skip("no extended attributes on this file system") end
end

-- What lies outside; the landlock tier says in missing that it doesn't hold modes and times.
local function outside(place, tier)
  if tier == "contained" then return support.state(place.directory .. "/outside") end
  return place:host_output("cd ../outside && find . | sort && cat one")
end

tools.each_tier("files", function(test, tier)
  test("tar keeps modes, times, links and devices' kinds", { "tar" }, function(place)
    place:host(TREE)
    place:output("mkdir out; tar --format=posix -cpf all.tar -C tree . && tar -xpf all.tar -C out")
    assert.equal(state(place, "tree"), state(place, "out"))
    place:output("tar --format=posix -czf all.tar.gz tree && mkdir z && tar -xpzf all.tar.gz -C z"
                 .. " && tar -df all.tar -C out")
    assert.equal(state(place, "tree"), state(place, "z/tree"))
  end)

  test("tar and cp -a keep extended attributes",
       { "tar", "python3", contained = ATTRIBUTES }, function(place)
    needs_attributes(place)
    place:output("mkdir tree && echo x >tree/file && python3 -c '" .. SET .. "' tree/file")
    place:output("tar --xattrs -cf all.tar tree && mkdir out && tar --xattrs -xf all.tar -C out"
                 .. " && cp -a tree copy")
    for _, name in ipairs({ "tree/file", "out/tree/file", "copy/file" }) do
      assert.equal("kept\n", place:host_output("python3 -c '" .. GET .. "' " .. name), name)
    end
  end)

  test("tar --xattrs and cp -a work also where attributes are refused", { "tar", "python3" },
       function(place)
    needs_attributes(place)
    place:host("mkdir tree && echo x >tree/file && python3 -c '" .. SET .. "' tree/file")
    place:output("tar --xattrs -cf all.tar tree && mkdir out && tar --xattrs -xf all.tar -C out"
                 .. " && cp -a tree copy && cp -p tree/file file && mv file moved"
                 .. " && install -m 600 moved installed")
    for _, name in ipairs({ "out/tree/file", "copy/file", "moved", "installed" }) do
      assert.equal("x\n", place:read(name), name)
    end
  end)

  test("cp -a keeps all but the hard links' other places", {}, function(place)
    place:host(TREE)
    place:output("cp -a tree copy")
    assert.equal(state(place, "tree"), state(place, "copy"))
  end)

  test("rsync keeps them too, and deletes", { "rsync" }, function(place)
    place:host(TREE)
    place:output("mkdir copy && touch copy/stray && rsync -aH --delete tree/ copy/")
    assert.equal(state(place, "tree"), state(place, "copy"))
  end)

  test("none of them changes what lies outside", { "tar" }, function(place)
    place:host(TREE .. "; mkdir ../outside; echo safe >../outside/one; tar -cpf all.tar -C tree .")
    local before = outside(place, tier)
    for _, line in ipairs({ "tar -xpf all.tar -C ../outside", "cp -a tree ../outside",
                            "cp tree/one ../outside/one", "mv tree ../outside/",
                            "rm -rf ../outside/one", "ln tree/one ../outside/two" }) do
      local r, _, out = place:run(line)
      assert.are_not.equal(0, (r or out).exit_code, line)
    end
    assert.equal(before, outside(place, tier))
  end)

  test("find, xargs, sed -i, patch and diff", { "find", "sed", "diff" }, function(place)
    local text = place:output([[
      mkdir a; for i in 1 2 3; do echo line $i >a/$i; done; cp -r a b
      find b -type f -print0 | xargs -0 -P3 -n1 sed -i s/line/word/
      cat b/*; diff -ru a b >difference || true; grep -c '^+word' difference
      if command -v patch >/dev/null; then patch -sp0 -d . <difference; cmp a/1 b/1; fi
      sort -R a/* b/* -T . | sort | uniq | tail -1; mktemp -p . x.XXXX | wc -l]])
    assert.equal("word 1\nword 2\nword 3\n3\nword 3\n1\n", text)
  end)

  test("sqlite3 in WAL mode, with two at once", { "sqlite3" }, function(place)
    local text = place:output([[
      sqlite3 data.db 'pragma journal_mode = wal; create table t (x);'
      for name in a b; do
        for i in 1 2 3 4 5 6 7 8; do
          sqlite3 -cmd '.timeout 20000' data.db "insert into t values ('$name$i');"
        done &
      done; wait
      sqlite3 data.db 'select count(distinct x) from t; pragma integrity_check; vacuum;']])
    assert.equal("wal\n16\nok\n", text)
    assert.equal("16\n", place:host_output("sqlite3 data.db 'select count(*) from t'"))
  end)
end)

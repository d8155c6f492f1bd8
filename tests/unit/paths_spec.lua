-- Paths as text: no file system is asked.
local paths = require "sbx.paths"

local ctx = {
  cwd = "/work/a[1]", home = "/home/u", tmpdir = "/var/tmp/u", env = { GOPATH = "/go", EMPTY = "" },
}

describe("paths", function()
  it("compares by components", function()
    assert.is_true(paths.covers("/a", "/a"))
    assert.is_true(paths.covers("/a", "/a/b"))
    assert.is_true(paths.covers("/", "/a"))
    assert.is_false(paths.covers("/a", "/ab"))
    assert.is_false(paths.inside("/a", "/a"))
  end)

  it("cleans, splits and counts", function()
    assert.equal("/a/b", paths.clean("//a/./b/"))
    assert.equal("/", paths.clean("/"))
    assert.equal("/a/../b", paths.clean("/a/../b"))
    assert.same({ "/a", "b" }, { paths.split("/a/b") })
    assert.same({ "/", "a" }, { paths.split("/a") })
    assert.is_nil(paths.split("/"))
    assert.equal(3, paths.depth("/a/b/c"))
  end)

  it("puts values in", function()
    for entry, path in pairs({
      ["~/x"] = "/home/u/x", ["~"] = "/home/u", ["${cwd}"] = "/work/a[1]",
      ["${HOME}/y"] = "/home/u/y", ["${TMPDIR}"] = "/var/tmp/u", ["${env:GOPATH}/src"] = "/go/src",
      ["sub/dir"] = "/work/a[1]/sub/dir", ["./z"] = "/work/a[1]/z", ["/abs//p/"] = "/abs/p",
      ["$HOME"] = "/work/a[1]/$HOME",
    }) do
      assert.equal(path, (paths.expand(entry, ctx)))
    end
  end)

  it("names what is unset", function()
    assert.same({ nil, "env:NOPE" }, { paths.expand("${env:NOPE}/x", ctx) })
    assert.same({ nil, "env:EMPTY" }, { paths.expand("${env:EMPTY}/x", ctx) })
    assert.same({ nil, "HOME" }, { paths.expand("~/x", { cwd = "/", env = {} }) })
  end)

  it("refuses globs, NUL, nothing and unknown words", function()
    for _, entry in ipairs({ "/a/*", "/a?", "/[ab]", "", "/a\0b", "${nope}/x", "${env:}" }) do
      local path, unset, problem = paths.expand(entry, ctx)
      assert.is_nil(path)
      assert.is_nil(unset)
      assert.is_string(problem)
    end
  end)
end)

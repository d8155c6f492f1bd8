-- What one run leaves behind widens no later one: a directory that is swapped for a link is no
-- root.
local core = require "sbx.core"
local sbx = require "sbx"
local support = require "tests.support"

-- In the contained tier what has protected names at its top can't be moved away to begin with.
local contained = support.tier() == "contained"

describe("a link that a command made", function()
  local dir

  before_each(function()
    dir = support.directory()
    support.shell("cd %s; mkdir home work work/out; ln -s work/out fine", dir)
  end)
  after_each(function() support.remove(dir) end)

  local function policy(roots)
    return { extends = "workspace-write", exclude_slash_tmp = true, exclude_tmpdir_env_var = true,
             writable_roots = roots }
  end

  local function run(script, opts)
    local r, err, out = sbx.run({ "sh", "-c", script, cwd = opts.cwd or dir .. "/work",
                                  policy = opts.policy })
    return r or out, err
  end

  -- The host does what the command could not.
  local function swap_for_it()
    assert.equal("directory\n", support.output("stat -c %F " .. dir .. "/work/out"))
    support.shell("cd %s/work; rm -r out; ln -s ../home out", dir)
  end

  local function swap(remove, link, opts)
    if contained then
      run(remove .. "; " .. link, opts)
      swap_for_it()
    else
      assert.equal("ok", run(remove .. " && " .. link, opts).status)
    end
  end

  local function refused(opts, link)
    local r, err = run("echo x > " .. dir .. "/home/escaped", opts)
    assert.is_nil(r)
    assert.equal("policy", err.kind)
    assert.matches(link, err.message, 1, true)
    assert.matches(dir .. "/home", err.message, 1, true)
    assert.equal("", support.output("ls -A " .. dir .. "/home"))
  end

  it("is no writable root", function()
    local opts = { policy = policy({ "out" }) }
    assert.equal("ok", run("echo x > out/before", opts).status)
    swap("rm -r out", "ln -s ../home out", opts)
    refused(opts, dir .. "/work/out")
    -- written as what it means it is one
    opts.policy = policy({ dir .. "/home" })
    assert.equal("ok", run("echo x > ../home/wanted", opts).status)
  end)

  it("is no cwd", function()
    local opts = { policy = policy({ dir .. "/work" }), cwd = dir .. "/work/out" }
    swap("rmdir ../out", "ln -s ../home ../out", opts)
    refused(opts, dir .. "/work/out")
  end)

  it("is no matter outside of the roots", function()
    local opts = { policy = policy(), cwd = dir .. "/fine" }
    assert.equal("ok", run("echo x > inside", opts).status)
    assert.equal("x\n", support.read(dir .. "/work/out/inside"))
  end)

  it("is none behind a link outside either", function()
    if not core.world().readlink then pending("this core tells no link's target") end
    local opts = { policy = policy({ dir .. "/work" }), cwd = dir .. "/fine" }
    run("rmdir ../out; cd ..; rm -rf out; ln -s ../home out", opts)
    if contained then swap_for_it() end
    refused(opts, dir .. "/work/out")
  end)
end)

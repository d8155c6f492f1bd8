-- A host in C with 64 threads: the end of the one that started a job changes nothing.
local support = require "tests.support"

local prefix = os.getenv("SBX_PREFIX")

describe("a host in C with 64 threads", function()
  if os.getenv("SBX_SANITIZED") then
    pending("the host is built without the sanitizers")
    return
  end

  local dir, marker, host

  before_each(function()
    dir, marker = support.directory(), support.marker()
    local flags = ("-pthread -I%s/include -L%s/lib -lsbx -Wl,-rpath,%s/lib")
      :format(prefix, prefix, prefix)
    local program, stay = support.program("threads", flags), support.program("stay")
    support.write(dir .. "/host.sh", ([[
      mkfifo %s/line
      %s %s/bin/sbx-exec sh -c '%s daemon %s; %s group %s; exec %s stubborn %s' \
        <>%s/line >%s/out 2>&1 &
      echo $! >%s/pid.new && mv %s/pid.new %s/pid
      wait $!]]):format(dir, program, prefix, stay, marker, stay, marker, stay, marker, dir, dir,
                        dir, dir, dir))
    os.execute("sh " .. dir .. "/host.sh >/dev/null 2>&1 &")
    host = support.wait_until(function() return tonumber(support.read(dir .. "/pid") or "") end)
  end)
  after_each(function()
    if host then support.kill(host) end
    support.sweep(marker)
    support.remove(dir)
  end)

  local function says(pattern)
    return support.wait_until(function()
      return (support.read(dir .. "/out") or ""):match(pattern)
    end, 30)
  end

  it("gets every result in each, and ends what another thread started", function()
    assert.is_truthy(says("right 40 of 40, ended 0%."), support.read(dir .. "/out"))
    assert.is_true(support.count(marker) > 10)
    support.shell("echo kill >%s/line", dir)
    assert.is_truthy(says("killed 1%."), support.read(dir .. "/out"))
    assert.is_true(support.gone(marker, 1))
  end)

  it("leaves nothing when it is killed", function()
    assert.is_truthy(says("right 40 of 40, ended 0%."), support.read(dir .. "/out"))
    assert.is_true(support.count(marker) > 10)
    support.kill(host)
    assert.is_true(support.gone(marker, 1))
  end)
end)

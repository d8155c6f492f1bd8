-- Capture: every byte is counted, order is kept, memory is bounded, input never hurts the host.
local sbx = require "sbx"
local support = require "tests.support"

local function run(opts)
  local r, err = sbx.run(opts)
  return assert(r, tostring(err))
end

-- Exactly `size` bytes in which every place can be told: "0000001 0000002 …".
local function numbered(size)
  local parts = {}
  for i = 1, math.ceil(size / 8) do parts[i] = ("%07d "):format(i) end
  return table.concat(parts):sub(1, size)
end

local function check_cut(whole, kept, left_out, cap)
  if #whole <= cap then
    assert.equal(whole, kept)
    assert.equal(0, left_out)
    return
  end
  -- an odd cap has the odd byte on one side or the other
  assert.equal(cap, #kept)
  assert.equal(#whole - cap, left_out)
  local head = math.floor(cap / 2)
  local ok = kept == whole:sub(1, head) .. whole:sub(#whole - (cap - head) + 1)
    or kept == whole:sub(1, cap - head) .. (head > 0 and whole:sub(-head) or "")
  assert.is_true(ok, "head or tail is wrong at cap " .. cap)
end

describe("a cap", function()
  local dir, whole

  setup(function()
    dir = support.directory()
    whole = numbered(100003)
    support.write(dir .. "/numbers", whole)
  end)
  teardown(function() support.remove(dir) end)

  for _, cap in ipairs({ 1, 2, 3, 7, 8191, 8192, 8193, 16385, 65535, 65536, 65537, 100002, 100003,
                         100004, 1000000 }) do
    it("of " .. cap .. " keeps head and tail, and counts the rest", function()
      local r = run({ "cat", "numbers", cwd = dir, max_output_bytes = cap })
      check_cut(whole, r.stdout, r.truncated.stdout, cap)
      check_cut(whole, r.aggregated_output, r.truncated.aggregated_output, cap)
      assert.equal("", r.stderr)
      assert.equal(0, r.truncated.stderr)
    end)
  end

  it("holds for each stream and for both together", function()
    local r = run({ "sh", "-c", "cat numbers; cat numbers >&2", cwd = dir,
                    max_output_bytes = 9999 })
    check_cut(whole, r.stdout, r.truncated.stdout, 9999)
    check_cut(whole, r.stderr, r.truncated.stderr, 9999)
    assert.equal(9999, #r.aggregated_output)
    assert.equal(2 * #whole - 9999, r.truncated.aggregated_output)
  end)

  it("holds when bytes come one by one, and when they come slowly", function()
    local r = run({ "sh", "-c", "i=0; while [ $i -lt 200 ]; do printf x; i=$((i+1)); done;"
                    .. " sleep 0.1; printf end", max_output_bytes = 11 })
    assert.equal("xxxxx" .. "xxxend", r.stdout)
    assert.equal(203 - 11, r.truncated.stdout)
  end)

  it("holds under merge_stderr, for all of it", function()
    local r = run({ "sh", "-c", "cat numbers; cat numbers >&2", cwd = dir, merge_stderr = true,
                    max_output_bytes = 501 })
    check_cut(whole .. whole, r.stdout, r.truncated.stdout, 501)
    assert.equal("", r.stderr)
  end)

  it("is none with false: every byte is kept", function()
    local r = run({ "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do cat numbers; done", cwd = dir,
                    max_output_bytes = false })
    assert.equal(whole:rep(10), r.stdout)
    assert.equal(whole:rep(10), r.aggregated_output)
  end)

  it("is 10 MiB for each stream when nothing is said", function()
    local r = run({ "head", "-c", "12000000", "/dev/zero", timeout_ms = 30000 })
    assert.equal(10485760, #r.stdout)
    assert.equal(12000000 - 10485760, r.truncated.stdout)
  end)

  it("never stops the writer: it ends by itself past every limit", function()
    local r = run({ "sh", "-c", "head -c 50000000 /dev/zero && echo done >&2",
                    max_output_bytes = 10, timeout_ms = 60000 })
    assert.equal("done\n", r.stderr)
    assert.equal(50000000 - 10, r.truncated.stdout)
  end)

  it("keeps what a command printed before its time-out", function()
    local _, err, out = sbx.run({ "sh", "-c", "cat numbers; sleep 60", cwd = dir,
                                  timeout_ms = 1000, max_output_bytes = 101 })
    assert.equal("timeout", err.kind)
    check_cut(whole, out.stdout, out.truncated.stdout, 101)
  end)
end)

describe("bytes", function()
  it("are those that were written, each of them", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    all = table.concat(all):rep(3)
    local r = run({ "cat", stdin = all })
    assert.equal(all, r.stdout)
    assert.equal(all, r.aggregated_output)
    r = run({ "sh", "-c", "cat >&2", stdin = all })
    assert.equal(all, r.stderr)
  end)

  it("of both streams at once all arrive", function()
    local r = run({ "sh", "-c", "seq 1 50000 & seq 1 50000 >&2; wait" })
    local expected = support.output("seq 1 50000")
    assert.equal(expected, r.stdout)
    assert.equal(expected, r.stderr)
    assert.equal(2 * #expected, #r.aggregated_output)
  end)

  it("of the last moment arrive, also from a process in between", function()
    for _ = 1, 20 do
      local r = run({ "bash", "-c", "exec > >(cat) 2>&1; echo first; echo last" })
      assert.equal("first\nlast\n", r.stdout)
    end
  end)
end)

describe("the order", function()
  it("is that of writing where the writer waits", function()
    local script = "for i in 1 2 3 4 5; do echo o$i; sleep 0.05; echo e$i >&2; sleep 0.05; done"
    local r = run({ "sh", "-c", script })
    assert.equal("o1\ne1\no2\ne2\no3\ne3\no4\ne4\no5\ne5\n", r.aggregated_output)
    assert.equal("o1\no2\no3\no4\no5\n", r.stdout)
  end)

  it("is the same for callbacks as for the result", function()
    local pieces = {}
    local r = run({ "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done",
                    on_output = function(_, text) pieces[#pieces + 1] = text end })
    assert.equal(r.aggregated_output, table.concat(pieces))
  end)

  it("is exact with merge_stderr", function()
    local expected = {}
    for i = 1, 200 do expected[#expected + 1] = ("o%d\ne%d\n"):format(i, i) end
    local r = run({ "sh", "-c", "i=1; while [ $i -le 200 ]; do echo o$i; echo e$i >&2; i=$((i+1));"
                    .. " done", merge_stderr = true })
    assert.equal(table.concat(expected), r.stdout)
    assert.equal(r.stdout, r.aggregated_output)
  end)
end)

describe("live pieces", function()
  it("have at most 8 192 bytes and lose none", function()
    local longest, text, count = 0, {}, 0
    local r = run({ "head", "-c", "3000000", "/dev/zero", on_output = function(stream, piece)
      if stream == "stdout" and piece then
        longest, count = math.max(longest, #piece), count + 1
        text[#text + 1] = piece
      end
    end })
    assert.is_true(longest <= 8192)
    assert.equal(r.stdout, table.concat(text))
    assert.is_true(count >= 3000000 / 8192)
  end)

  it("are at most 10 000, and capture goes on after that", function()
    local count, ends = 0, 0
    local r = run({ "head", "-c", "90000000", "/dev/zero", timeout_ms = 60000,
                    on_output = function(_, piece)
                      if piece then count = count + 1 else ends = ends + 1 end
                    end })
    assert.equal(10000, count)
    assert.equal(2, ends)
    assert.equal(90000000, #r.stdout + r.truncated.stdout)
  end)

  it("come while the command runs", function()
    local heard = {}
    local r = run({ "sh", "-c", "echo one; read x; echo $x", stdin = "two\n",
                    on_output = function(_, piece) heard[#heard + 1] = piece end })
    assert.equal("one\ntwo\n", r.stdout)
    assert.equal("one\ntwo\n", table.concat(heard))
  end)
end)

describe("input", function()
  local dir

  before_each(function() dir = support.directory() end)
  after_each(function() support.remove(dir) end)

  it("is /dev/null by default: no pipe, no closed descriptor", function()
    local r = run({ "sh", "-c", "readlink /proc/$$/fd/0; test -p /dev/stdin && echo pipe;"
                    .. " cat; echo end" })
    assert.equal("/dev/null\nend\n", r.stdout)
  end)

  it("is a string of any size, an empty one too, and larger than a pipe both ways", function()
    local text = numbered(1500001)
    assert.equal(text, run({ "cat", stdin = text }).stdout)
    assert.equal("", run({ "cat", stdin = "" }).stdout)
    assert.equal("0\n", run({ "sh", "-c", "wc -c", stdin = "" }).stdout:gsub(" ", ""), nil)
  end)

  it("may be left unread without a signal for the host", function()
    local host = support.host(dir, [[
      local sbx = require "sbx"
      local big = ("x"):rep(3000000)
      for i = 1, 5 do
        local r = assert(sbx.run({ "true", stdin = big }))
        assert(r.exit_code == 0)
        r = assert(sbx.run({ "head", "-c", "10", stdin = big }))
        assert(r.stdout == "xxxxxxxxxx")
        r = assert(sbx.run({ "sh", "-c", "exec <&-; sleep 0.1; echo closed", stdin = big }))
        assert(r.stdout == "closed\n")
      end
      local job = assert(sbx.spawn({ "sh", "-c", "exec <&-; echo up; sleep 5", stdin = true }))
      job:lines()()
      local ok, err
      for _ = 1, 100 do
        ok, err = job:write(("y"):rep(100000))
        if not ok then break end
        job:poll(10)
      end
      print("write", ok, err and err.code)
      job:kill()
      print("alive")]])
    assert.equal(0, host:wait(), host:output())
    assert.matches("write\tnil\tEPIPE", host:output())
    assert.matches("alive", host:output())
    host:close()
  end)

  it("is the host's with inherit, or a descriptor of the host's", function()
    support.write(dir .. "/lines", "a\nb\nc\n")
    local host = support.host(dir, [[os.execute("lua5.4 inner.lua <lines")]])
    host:wait()
    support.write(dir .. "/inner.lua", [[
      local sbx = require "sbx"
      io.stdout:setvbuf("no")
      print(assert(sbx.run({ "head", "-n1", stdin = "inherit" })).stdout)]])
    host:close()
    host = support.host(dir, [[os.execute("lua5.4 inner.lua <lines")]])
    host:wait()
    assert.equal("a\n\n", host:output())
    host:close()
    support.write(dir .. "/inner.lua", [[
      local sbx = require "sbx"
      print(assert(sbx.run({ "cat", stdin = 0 })).stdout)]])
    host = support.host(dir, [[os.execute("lua5.4 inner.lua <lines")]])
    host:wait()
    assert.equal("a\nb\nc\n\n", host:output())
    host:close()
  end)

  it("written in turns is read in turns", function()
    local job = assert(sbx.spawn({ "cat", stdin = true }))
    local next_line = job:lines()
    for i = 1, 50 do
      assert(job:write("line " .. i .. "\n"))
      assert.equal("line " .. i, select(2, next_line()))
    end
    job:write(nil)
    assert.equal("ok", job:wait().status)
  end)
end)

describe("memory", function()
  it("is bounded whatever the command prints", function()
    local dir = support.directory()
    local host = support.host(dir, [[
      local sbx = require "sbx"
      local r = assert(sbx.run({ "head", "-c", "1073741824", "/dev/zero", timeout_ms = false }))
      print(#r.stdout + r.truncated.stdout)
      local status = io.open("/proc/self/status"):read("a")
      print("peak", status:match("VmHWM:%s*(%d+)"))]])
    host:wait(120)
    local text = host:output()
    host:close()
    support.remove(dir)
    assert.matches("1073741824", text)
    -- the sanitizers' shadow counts too
    if not os.getenv("LD_PRELOAD") and not os.getenv("SBX_SANITIZED") then
      assert.is_true(tonumber(text:match("peak\t(%d+)")) < 64 * 1024, text)
    end
  end)
end)

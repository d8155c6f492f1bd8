-- What a host has today, and the program, against the same floor: a bare spawn of /bin/true. What
-- is not installed is left out.
local ask = require "tests.bench.ask"
local floor = require "floor"
local scratch = require "tests.bench.scratch"
local stats = require "tests.bench.stats"

local WARM_UP = 10
local COMMAND = {"/bin/true"}

local function program(name)
  local pipe = assert(io.popen("command -v " .. name .. " 2>/dev/null"))
  local path = pipe:read("l")
  pipe:close()
  return path
end

local function spawn(...)
  local argv = {...}
  return function() assert(floor.run(argv) == 0) end
end

-- A Python that is there already, and runs one each time it is told to.
local PYTHON = [[
import subprocess, sys
for line in sys.stdin:
    subprocess.run(["/bin/true"], capture_output=True)
    print(flush=True)]]

local function popen()
  local pipe = assert(io.popen("/bin/true"))
  pipe:read("a")
  pipe:close()
end

-- Another event loop for Lua, which captures by callbacks.
local function luv(uv)
  return function()
    local out, status, process = uv.new_pipe(), nil, nil
    process = uv.spawn(COMMAND[1], { stdio = { nil, out, nil } }, function(code)
      status = code
      process:close()
    end)
    out:read_start(function(_, chunk)
      if not chunk then out:close() end
    end)
    uv.run()
    assert(status == 0)
  end
end

-- Codex and sandbox-runtime, where npm can bring them: into the build directory alone.
local PEERS = os.getenv("SBX_BENCH_PEERS")
local BRING = "mkdir -p %s && npm install --silent --no-fund --no-audit --prefix %s"
  .. " @openai/codex @anthropic-ai/sandbox-runtime </dev/null >/dev/null 2>&1"

local function from_npm(pattern)
  local pipe = assert(io.popen(("ls %s%s 2>/dev/null"):format(PEERS, pattern)))
  local path = pipe:read("l")
  pipe:close()
  return path
end

-- The program itself, without the script of node that starts it.
local CODEX = "/node_modules/@openai/codex-linux-*/vendor/*/bin/codex"
local SRT = "/node_modules/.bin/srt"

-- The namespaces and the view of workspace-write, as far as its options go.
local function bubblewrap(path, directory)
  return spawn(path, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev",
               "--proc", "/proc", "--tmpfs", "/dev/shm", "--bind", "/tmp", "/tmp", "--bind",
               directory, directory, "--chdir", directory, "/bin/true")
end

local function sbxlua(directory, tier)
  return spawn(os.getenv("SBX_PREFIX") .. "/bin/sbxlua", "run", "-q", "-p", "workspace-write", "-C",
               directory, "--tier", tier, "--", "/bin/true")
end

local function of(what, times, base, goal)
  local ratio = stats.ratio(times, base)
  return {
    what = what, measured = ("%.0f us"):format(stats.median(times) * 1e6),
    ratio = ("%.2f"):format(ratio), goal = goal and ("<= %.2f"):format(goal),
    met = goal and ratio <= goal,
  }
end

local function works(way)
  local ok, result = pcall(way)
  return ok and result ~= false
end

-- { name, way, goal?, slow? }: what takes long runs less often.
local function found(directory)
  local list, close = {}, function() end
  local function add(name, way, more)
    if way and works(way) then list[#list + 1] = { name, way, table.unpack(more or {}) } end
  end
  local has_luv, uv = pcall(require, "luv")
  local path = program("python3")
  add("io.popen (by a shell)", popen)
  add("luv's uv.spawn", has_luv and luv(uv))
  if path then
    local way
    way, close = ask.python(PYTHON, "", directory)
    add("Python's subprocess.run", way)
  end
  path = program("bwrap")
  add("bubblewrap, the same namespaces", path and bubblewrap(path, directory))
  path = program("firejail")
  add("firejail --noprofile", path and spawn(path, "--quiet", "--noprofile", "/bin/true"),
      { nil, true })
  path = from_npm(CODEX)
  add("codex sandbox", path and spawn(path, "sandbox", "--", "/bin/true"), { nil, true })
  path = from_npm(SRT)
  add("sandbox-runtime (srt)", path and spawn(path, "/bin/true"), { nil, true })
  add("sbxlua run, landlock tier", sbxlua(directory, "landlock"), { 3.2 })
  add("sbxlua run, contained tier", sbxlua(directory, "contained"), { 4.0 })
  return list, close
end

local function measure(list, rounds)
  local ways = { spawn(table.unpack(COMMAND)) }
  for i, one in ipairs(list) do ways[i + 1] = one[2] end
  stats.interleave(ways, math.min(WARM_UP, rounds), floor.now)
  local times = stats.interleave(ways, rounds, floor.now)
  local result = {}
  for i, one in ipairs(list) do result[one[1]] = times[i + 1] end
  return result, times[1]
end

local function split(list)
  local quick, slow = {}, {}
  for _, one in ipairs(list) do
    local into = one[4] and slow or quick
    into[#into + 1] = one
  end
  return quick, slow
end

-- What each over the other is asked for: the program over what does the same.
local OVER = {
  { "bubblewrap, the same namespaces", 0.6 }, { "codex sandbox", 1 / 14 },
}

return function(options, picture)
  local directory = scratch()
  if program("npm") and not from_npm(SRT) then os.execute(BRING:format(PEERS, PEERS)) end
  local list, close = found(directory)
  local quick, slow = split(list)
  local times, bare = measure(quick, options.peers)
  local slow_times, slow_bare = measure(slow, math.max(3, options.peers // 10))
  close()
  assert(os.execute("rm -r " .. directory))
  local rows, medians = {}, {}
  for i, one in ipairs(list) do
    local name, goal = one[1], one[3]
    local own, base = times[name] or slow_times[name], times[name] and bare or slow_bare
    rows[i] = of(name, own, base, goal)
    medians[name] = stats.median(own)
    picture:bar(name, stats.ratio(own, base), name:find("^sbxlua") and "own" or "peer", goal)
  end
  for _, over in ipairs(OVER) do
    local own, other = medians["sbxlua run, contained tier"], medians[over[1]]
    if other then
      rows[#rows + 1] = {
        what = "sbxlua run, contained tier, over " .. over[1]:match("^%a+"), measured = "",
        ratio = ("%.2f"):format(own / other), goal = ("<= %.2f"):format(over[2]),
        met = own / other <= over[2],
      }
    end
  end
  return rows
end

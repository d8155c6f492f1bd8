-- What bin/quickstart shows: quickstart.lua COPY-OF-THE-SOURCES A-FILE-OUTSIDE
local sbx = require "sbx"
local copy, outside = arg[1], arg[2]

local function title(text) print("\n== " .. text) end
local function line(what, text) print(("  %-8s %s"):format(what, (text:gsub("%s+$", "")))) end

local function read_file(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

local function expect(condition, what)
  if not condition then error("quickstart: expected " .. what, 0) end
end

---How many processes on this machine have `word` in their arguments.
local function count_processes(word)
  local hidden = "[" .. word:sub(1, 1) .. "]" .. word:sub(2) -- or it would count itself
  local result = assert(sbx.run({
    script = "grep -ls '" .. hidden .. "' /proc/[0-9]*/cmdline | wc -l",
    policy = "danger-full-access",
  }))
  return tonumber(result.stdout)
end

---What the command said, and which property of the policy refused it by which layer.
local function explain(err, property)
  expect(err and err.kind == "denied", "a refusal")
  local out = err.output
  line("what", out.stderr:match("([^\n]*)\n?$"))
  line("why", ("%s holds %s by %s; exit code %d, verdict %q"):format(
    out.sandbox.policy, property, out.sandbox.enforced[property], out.exit_code,
    out.denial.verdict))
end

local BUILD = [[
  set -e
  cmake -S . -B build -G Ninja >/dev/null
  cmake --build build
  SBX_SOURCE=$PWD SBX_PREFIX=$PWD/build \
    lua5.4 /usr/bin/busted --output=$PWD/tests/report.lua tests/unit
]]

---The lines as they come, without ninja's one for each compiled file.
local function show_progress(_, text)
  if text and (text:match("Linking") or not text:match("^%[")) then print("  | " .. text) end
end

local function build()
  title("build sbxlua and run its unit tests, writing only to " .. copy)
  local result = assert(sbx.run({
    script = BUILD,
    cwd = copy,
    policy = "workspace-write",
    timeout_ms = 300000,
    on_line = show_progress,
  }))
  local held = {}
  for property in pairs(result.sandbox.enforced) do held[#held + 1] = property end
  table.sort(held)
  line("done", ("exit %d after %.1f s, tier %s"):format(
    result.exit_code, result.duration_ms / 1000, result.sandbox.tier))
  line("held", table.concat(held, ", "))
  for _, missing in ipairs(result.sandbox.missing) do
    line("missing", missing.property .. ": " .. missing.reason)
  end
end

local function refused_write()
  title("a write outside is refused")
  local opts = {script = "echo changed > " .. outside, cwd = copy, policy = "workspace-write"}
  local _, err = sbx.run(opts)
  explain(err, "fs")
  line("host", outside .. " still says: " .. read_file(outside))
  expect(read_file(outside) == "yours\n", "an untouched file")

  local directory = outside:match("^(.*)/")
  opts.policy = {extends = "workspace-write", writable_roots = {directory}}
  line("allow", ('policy = {extends = "workspace-write", writable_roots = {"%s"}}')
    :format(directory))
  assert(sbx.run(opts))
  line("host", "with that it says: " .. read_file(outside))
  expect(read_file(outside) == "changed\n", "a changed file")
end

local LISTENER = [[
  use Socket;
  socket(my $listener, PF_INET, SOCK_STREAM, 0) or die $!;
  bind($listener, sockaddr_in(0, INADDR_LOOPBACK)) or die $!;
  listen($listener, 5) or die $!;
  $| = 1;
  print((sockaddr_in(getsockname($listener)))[0], "\n");
  while (accept(my $client, $listener)) { print $client "hello from the host\n"; close $client }
]]

---A server on the host's loopback, itself a job; closed, it is gone.
local function start_listener()
  local job = assert(sbx.spawn({"/usr/bin/perl", "-e", LISTENER, policy = "danger-full-access"}))
  local _, port = job:lines()()
  expect(port, "a listener")
  return job, port
end

local function refused_connection()
  title("a connection is refused")
  local listener <close>, port = start_listener()
  local opts = {
    "/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/" .. port .. " && cat <&3",
    cwd = copy, policy = "workspace-write",
  }
  local _, err = sbx.run(opts)
  explain(err, "network")

  opts.policy = {extends = "workspace-write", network = "full"}
  line("allow", 'policy = {extends = "workspace-write", network = "full"}')
  local result = assert(sbx.run(opts))
  line("then", "it reads: " .. result.stdout)
  expect(result.stdout == "hello from the host\n", "the listener's greeting")
  listener:kill()
end

local function timed_out_tree()
  title("a tree with a daemon in it ends at its time-out")
  local marker = ("86%03d.%d"):format(math.random(0, 999), os.time())
  local script = ([[
    setsid sh -c 'trap "" TERM HUP; sleep %s' &
    sh -c 'trap "" TERM; while :; do sleep %s & wait; done' &
    sleep 0.2; echo started; sleep %s
  ]]):format(marker, marker, marker)
  local alive
  local result, err, output = sbx.run({
    script = script, cwd = copy, policy = "workspace-write", timeout_ms = 1000,
    on_line = function(_, text) if text == "started" then alive = count_processes(marker) end end,
  })
  expect(not result and err.kind == "timeout", "a time-out")
  line("before", alive .. " processes of it run, one a daemon that ignores TERM")
  line("what", ("%s: exit code %d after %.1f s; its output is kept: %s"):format(
    err.kind, output.exit_code, output.duration_ms / 1000, output.stdout))
  local left = count_processes(marker)
  line("after", left .. " processes are left")
  expect(alive >= 3 and left == 0, "no process left")
end

build()
refused_write()
refused_connection()
timed_out_tree()

-- What the specs of the engine and of the sandbox share: scratch places, programs compiled on the
-- spot, hosts that may be killed, and looks at the state of this machine.
local M = {}

local source = os.getenv("SBX_SOURCE") or "."

-- the sanitizers' library is for what tests the engine, not for compilers and shells
local CLEAN = "env -u LD_PRELOAD "

--- For sh.
function M.quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- What a shell line prints.
function M.output(line)
  local pipe = assert(io.popen(CLEAN .. "sh -c " .. M.quote(line)))
  local text = pipe:read("a")
  pipe:close()
  return text
end

--- A shell line that must succeed.
function M.shell(line, ...)
  local words = {}
  for i, word in ipairs({ ... }) do words[i] = M.quote(word) end
  local command = #words > 0 and line:format(table.unpack(words)) or line
  local ok, how, code = os.execute(CLEAN .. "sh -c " .. M.quote(command))
  if not ok then error(("%s: %s %s"):format(command, how, code), 2) end
end

function M.sleep(seconds) M.shell("sleep " .. seconds) end

--- Tries until `done` gives something true, at most so many seconds (5).
function M.wait_until(done, seconds)
  for _ = 1, (seconds or 5) * 20 do
    local found = done()
    if found then return found end
    M.sleep("0.05")
  end
  return done()
end

---------------------------------------------------------------------------------------------------
-- Files

function M.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

function M.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

function M.exists(path)
  return M.output("ls -d " .. M.quote(path) .. " 2>/dev/null") ~= ""
end

-- What a failed test left is removed with the state.
local directories = setmetatable({}, { __gc = function(list)
  for directory in pairs(list) do M.remove(directory) end
end })

--- A new directory that no shipped policy lets a command write: neither below /tmp nor $TMPDIR.
function M.directory()
  local made = M.output("d=$(mktemp -d /var/tmp/sbx-spec.XXXXXX) && chmod 755 $d && realpath $d")
    :gsub("\n", "")
  directories[made] = true
  return made
end

function M.remove(directory)
  assert(directory:match("^/var/tmp/sbx%-spec%.") or directory:match("/sbx%-programs%."))
  directories[directory] = nil
  M.shell("chmod -R u+rwX %s; rm -rf %s", directory, directory)
end

--- Everything there is to tell of a tree: names, types, modes, sizes, times, links, contents.
function M.state(directory)
  return M.output(([[cd %s || exit
    find . -printf '%%P %%y %%m %%n %%U %%s %%T@ %%C@ %%l\n' | sort
    find . -type f -exec md5sum {} + | sort]]):format(M.quote(directory)))
end

---------------------------------------------------------------------------------------------------
-- Processes

local count = 0
local own_pid = M.read("/proc/self/stat"):match("^%d+")
M.own_pid = tonumber(own_pid)

--- A number for `sleep` that stands in the arguments of no other process.
function M.marker()
  count = count + 1
  return ("87%03d.%s%04d"):format(count, own_pid, os.time() % 10000)
end

--- Processes of this machine with `marker` in their arguments.
function M.pids(marker)
  local pattern = "[" .. marker:sub(1, 1) .. "]" .. marker:sub(2):gsub("%.", "[.]")
  local found = {}
  local text = M.output("grep -als -- '" .. pattern .. "' /proc/[0-9]*/cmdline 2>/dev/null")
  for pid in text:gmatch("/proc/(%d+)/") do found[#found + 1] = tonumber(pid) end
  return found
end

function M.count(marker) return #M.pids(marker) end

function M.appears(marker, least)
  return M.wait_until(function() return M.count(marker) >= (least or 1) end, 10)
end

--- True when none is left within so many seconds (2).
function M.gone(marker, seconds)
  return M.wait_until(function() return M.count(marker) == 0 end, seconds or 2)
end

--- Whether it runs: a zombie doesn't.
function M.alive(pid)
  local state = (M.read("/proc/" .. pid .. "/stat") or ""):match("%) (%a)")
  return state ~= nil and state ~= "Z" and state ~= "X"
end

function M.kill(pid, signal)
  assert(tonumber(pid) > 1)
  os.execute(CLEAN .. ("kill -%s %d 2>/dev/null"):format(signal or "KILL", pid))
end

--- Kills what a failed test left of its own.
function M.sweep(marker)
  for _, pid in ipairs(M.pids(marker)) do M.kill(pid) end
end

--- The living children of a process.
function M.children(pid)
  local found = {}
  local text = M.output("cat /proc/" .. pid .. "/task/*/children 2>/dev/null")
  for child in text:gmatch("%d+") do found[#found + 1] = tonumber(child) end
  return found
end

--- The supervisor of the commands with `marker`, and the spawner above it.
function M.engine(marker)
  local found, seen = {}, {}
  local function look(pid)
    local name = M.read("/proc/" .. pid .. "/comm") or ""
    local parent = (M.read("/proc/" .. pid .. "/stat") or ""):match("%) %a (%d+)")
    if name:match("^sbx%-") and not seen[pid] then
      seen[pid] = true
      found[#found + 1] = pid
    end
    if tonumber(parent or 0) > 1 and #found < 2 then look(tonumber(parent)) end
  end
  for _, pid in ipairs(M.pids(marker)) do
    if #found < 2 then look(pid) end
  end
  return found
end

function M.open_files(pid)
  return tonumber(M.output("ls /proc/" .. (pid or own_pid) .. "/fd 2>/dev/null | wc -l"))
end

---------------------------------------------------------------------------------------------------
-- Programs

local programs, built

local function program_directory()
  if not programs then
    programs = M.output("d=$(mktemp -d \"${TMPDIR:-/tmp}/sbx-programs.XXXXXX\") && realpath $d")
      :gsub("\n", "")
    M.shell("chmod 755 %s", programs)
    built = setmetatable({}, { __gc = function() M.remove(programs) end })
  end
  return programs
end

--- tests/sandbox/NAME.c, compiled once: the path of the program.
function M.program(name, flags)
  local directory = program_directory()
  if not built[name] then
    M.shell("cc -O1 -Wall -o %s %s " .. (flags or "-pthread"),
            directory .. "/" .. name, source .. "/tests/sandbox/" .. name .. ".c")
    built[name] = directory .. "/" .. name
  end
  return built[name]
end

--- tests/sandbox/NAME.c as a Lua module: what package.cpath needs to find it.
function M.module(name)
  M.program(name, "-shared -fPIC -pthread $(pkg-config --cflags lua5.4)")
  M.shell("ln -sf %s %s", programs .. "/" .. name, programs .. "/" .. name .. ".so")
  return programs .. "/?.so"
end

--- Lines "word answer" of an attack program as a map.
function M.answers(text)
  local map = {}
  for word, answer in text:gmatch("([%w_]+) ([%w_]+)\n") do map[word] = answer end
  return map
end

---------------------------------------------------------------------------------------------------
-- A listener of the host

local Listener = {}
Listener.__index = Listener

--- Listens on 127.0.0.1, ::1 (TCP and UDP), a socket in `directory` and an abstract one.
function M.listener(directory)
  local log = directory .. "/listener.log"
  local pipe = assert(io.popen(("%s%s %s %s"):format(CLEAN, M.program("listener"),
                                                     M.quote(directory), M.quote(log)), "w"))
  local listener = setmetatable({ pipe = pipe, log = log, directory = directory }, Listener)
  local ready = assert(M.wait_until(function()
    return (M.read(log) or ""):match("ready (%d+ %d+)\n")
  end), "the listener did not start")
  listener.tcp, listener.udp = ready:match("(%d+) (%d+)")
  listener.stream, listener.datagram = directory .. "/stream.sock", directory .. "/datagram.sock"
  listener.abstract = "sbx-spec-" .. directory:match("[^.]+$")
  return listener
end

--- What reached it: "tcp", "udp", "stream", "datagram", "abstract", as a map of counts.
function Listener:heard()
  local heard = {}
  for word in M.read(self.log):gmatch("heard (%w+)\n") do heard[word] = (heard[word] or 0) + 1 end
  return heard
end

--- Runs `sockets reach` against it in its directory: the answers, and what reached it.
function Listener:reach(opts)
  opts.command = { M.program("sockets"), "reach", self.tcp, self.udp, self.directory }
  opts.cwd = self.directory
  local r, err = require("sbx").run(opts)
  assert(r, tostring(err))
  M.sleep("0.1")
  return M.answers(r.stdout), self:heard()
end

function Listener:close() self.pipe:close() end

---------------------------------------------------------------------------------------------------
-- Lua hosts of their own, which may be killed

local Host = {}
Host.__index = Host

--- Runs `code` in a lua of its own; `...` is `arg`. Its directory holds what it prints.
function M.host(directory, code, ...)
  return M.host_with("", directory, code, ...)
end

--- The same with more variables in its environment ("NAME=value ...", as for sh).
function M.host_with(environment, directory, code, ...)
  local words = {}
  for i, word in ipairs({ ... }) do words[i] = M.quote(word) end
  M.write(directory .. "/host.lua", code)
  M.write(directory .. "/host.sh", ([[
cd %s
%s LUA_PATH=%s LUA_CPATH=%s lua5.4 host.lua %s </dev/null >out 2>&1 &
echo $! >pid.new && mv pid.new pid
wait $!
echo $? >status.new && mv status.new status
]]):format(M.quote(directory), environment, M.quote(package.path), M.quote(package.cpath),
           table.concat(words, " ")))
  M.shell("rm -f %s %s", directory .. "/pid", directory .. "/status")
  os.execute("sh " .. M.quote(directory .. "/host.sh") .. " >/dev/null 2>&1 &")
  local host = setmetatable({ directory = directory }, Host)
  host.pid = tonumber(M.wait_until(function() return M.read(directory .. "/pid") end))
  return host
end

function Host:output() return M.read(self.directory .. "/out") or "" end

--- Waits for a line that it prints: what the pattern captures.
function Host:says(pattern, seconds)
  M.wait_until(function() return self:output():match(pattern) end, seconds or 10)
  return self:output():match(pattern)
end

--- The exit status, 128 + n for a signal; nil when it goes on.
function Host:wait(seconds)
  return tonumber(M.wait_until(function() return M.read(self.directory .. "/status") end,
                               seconds or 20))
end

function Host:kill(signal) M.kill(self.pid, signal) end

--- For after_each.
function Host:close()
  if not M.read(self.directory .. "/status") then self:kill("KILL") end
  self:wait(5)
end

--- The tier in force: the suite's own (tests/run.sh), else the strongest of this machine.
function M.tier()
  local only = os.getenv("SBX_TIER") or ""
  return only ~= "" and only or require("sbx").probe().tiers[1]
end

--- Why `property` isn't enforced, as a result's `sandbox` says it; nil where it says nothing.
function M.missing_reason(sandbox, property)
  for _, entry in ipairs(sandbox.missing) do
    if entry.property == property then return entry.reason end
  end
end

--- Whether it says so.
function M.is_missing(sandbox, property)
  return M.missing_reason(sandbox, property) ~= nil
end

M.is_root = M.output("id -u") == "0\n"

return M

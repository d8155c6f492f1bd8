-- Job control, pseudo terminals, debuggers in workspace-write.
local support = require "tests.support"
local tools = require "tests.tools"

tools.skip = function(why) pending(why) end

local NO_PTY = "the terminals in /dev/pts are the host's"

local JOBS = [[
set -m
sleep 20 & first=$!
sleep 0.3 &
jobs | wc -l
fg %2 >/dev/null; echo "fg $?"
kill -STOP %1; sleep 0.1; jobs -s | grep -c Stopped
bg %1 >/dev/null 2>&1; sleep 0.1; jobs -r | wc -l
[ "$(ps -o pgid= -p $first | tr -d ' ')" = $first ] && echo "a group of its own"
kill %1; wait %1 2>/dev/null; echo "wait $?"
(sleep 0.1; exit 5) & wait -n; echo "wait -n $?"
diff <(echo same) <(echo same) && echo "process substitution"
coproc cat; echo through >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"
]]

local JOBS_SAID = "2\nfg 0\n1\n1\na group of its own\nwait 143\nwait -n 5\nprocess substitution\n"
  .. "through\n"

local PTY = [[
import os, pty, sys
pid, master = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", "tty; stty size && echo ready >/dev/tty; read x; echo $x"])
text = b""
os.write(master, b"typed\n")
try:
    while True:
        piece = os.read(master, 1024)
        if not piece: break
        text += piece
except OSError: pass
os.waitpid(pid, 0)
sys.stdout.write(text.decode().replace("\r", ""))
]]

local TMUX = [[
export TERM=screen SHELL=/bin/sh TMUX_TMPDIR=$PWD
for try in 1 2 3; do # on a busy machine its client may find the server not there yet
  tmux -f /dev/null -S $PWD/socket new-session -d -x 80 -y 24 'tty; stty size; exec cat'
  tmux -S $PWD/socket has-session && break; sleep 0.5
done
shows() {
  for i in 1 2 3 4 5 6 7 8 9 10; do
    tmux -S $PWD/socket capture-pane -p | grep . >screen; grep -q "$1" screen && break; sleep 0.2
  done
}
shows '24 80'; tmux -S $PWD/socket send-keys 'typed here' Enter; sleep 0.2
shows 'typed here'; cat screen
tmux -S $PWD/socket kill-server
]]

-- The host's pseudo terminals, of which a command may take none.
local function host_terminals()
  local found = {}
  for name in support.output("ls /dev/pts"):gmatch("%S+") do found[name] = true end
  return found
end

-- Waits for those of others, which come and go.
local function none_new_since(before)
  return support.wait_until(function()
    for name in pairs(host_terminals()) do
      if not before[name] then return false end
    end
    return true
  end)
end

tools.each_tier("terminals and jobs:", function(test)
  test("bash has job control", { "bash", "ps" }, function(place)
    assert.equal(JOBS_SAID, place:output({ "bash", "-c", JOBS }))
  end)

  test("an interactive bash on a terminal of its own has job control",
       { "bash", "script", contained = NO_PTY }, function(place)
    local text = place:output([[
      { echo 'sleep 20 &'; echo 'jobs; kill %1; wait %1; echo "wait $?"; exit 3'; sleep 0.5; } |
        script -qec 'bash --norc --noprofile -i' /dev/null || echo "ended $?"]])
    assert.matches("%[1%]%+? +Running +sleep 20", text)
    assert.matches("wait 143", text)
    assert.matches("ended 3", text)
  end)

  test("script gives a pseudo terminal", { "script", contained = NO_PTY }, function(place)
    local before = host_terminals()
    local text = place:output("script -qec 'tty; test -t 0 && echo terminal >/dev/tty;"
                              .. " ls /dev/pts; exit 3' typescript </dev/null || echo ended $?")
    assert.matches("^/dev/pts/%d+\r\nterminal\r\n%d[%d%s]*ptmx\r\nended 3\n$", text)
    assert.matches("/dev/pts/%d", place:read("typescript"))
    assert.is_truthy(none_new_since(before))
  end)

  test("python's pty", { "python3", contained = NO_PTY }, function(place)
    place:write("run.py", PTY)
    local text = place:output({ "python3", "run.py" })
    assert.matches("/dev/pts/%d+\n", text)
    assert.matches("ready\n", text)
    assert.matches("\ntyped\n", text)
  end)

  test("the host's terminals are out of reach", { "script" }, function(place)
    -- script on the host keeps a terminal open meanwhile
    local device = place:host_output([[
      (sleep 3 | script -qec 'tty >device; sleep 2' /dev/null >/dev/null 2>&1 &) ; sleep 0.5
      cat device]]):gsub("\n", "")
    assert.matches("^/dev/pts/%d+$", device)
    local r, _, out = place:run("echo forged >" .. device)
    assert.are_not.equal(0, (r or out).exit_code)
    place:host("echo fine >" .. device)
  end)

  for _, network in ipairs({ "full", "loopback" }) do
    test("tmux, with network " .. network, { "tmux", contained = NO_PTY }, function(place)
      local policy = { extends = "workspace-write", network = network }
      local r, err, out = place:run(TMUX, { policy = policy })
      local done = assert(r or out, tostring(err))
      for _, entry in ipairs(done.sandbox.missing) do
        if done.exit_code ~= 0 and entry.reason:find("sockets by path are refused", 1, true) then
          return tools.skip("tmux needs a socket by path: " .. entry.reason)
        end
      end
      assert.equal(0, done.exit_code, done.aggregated_output)
      assert.matches("/dev/pts/%d+\n24 80\n", done.stdout)
      assert.matches("typed here\ntyped here\n", done.stdout)
    end)
  end

  test("strace shows the calls of its own child", { "strace" }, function(place)
    place:output("strace -f -o trace sh -c 'echo hi >made; true | cat'")
    assert.matches('open[^\n]*"made"[^\n]*O_CREAT', place:read("trace"))
    assert.matches("exited with 0", place:read("trace"))
  end)

  test("gdb stops its own child and looks into it", { "gdb", "gcc" }, function(place)
    place:write("m.c", "static int twice(int n) { return 2 * n; }\n"
                .. "int main(void) { return twice(21) - 42; }\n")
    local text = place:output([[gcc -g -O0 -o m m.c
      gdb -nx -q -batch -ex 'set startup-with-shell off' -ex 'break twice' -ex run -ex 'print n' \
        -ex finish -ex continue ./m 2>&1]])
    assert.matches("%$1 = 21\n", text)
    assert.matches("Value returned is %$2 = 42\n", text)
    assert.matches("exited normally", text)
  end)
end)

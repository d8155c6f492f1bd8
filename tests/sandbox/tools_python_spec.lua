-- python3 in workspace-write: environments, tests, processes, databases.
local tools = require "tests.tools"

tools.skip = function(why) pending(why) end

local UNITTEST = [[
import asyncio, os, tempfile, threading, unittest

class Case(unittest.TestCase):
    def test_files(self):
        with tempfile.TemporaryDirectory() as directory:
            with open(os.path.join(directory, "file"), "w") as file:
                file.write("x")
            os.chmod(directory, 0o700)
            os.utime(directory)
        with tempfile.NamedTemporaryFile(dir=".") as file:
            file.write(b"x")

    def test_threads(self):
        seen = []
        threads = [threading.Thread(target=seen.append, args=(i,)) for i in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        self.assertEqual(sorted(seen), list(range(8)))

    def test_executor(self):
        async def main():
            return await asyncio.gather(*(asyncio.to_thread(os.getpid) for _ in range(4)))
        self.assertEqual(set(asyncio.run(main())), {os.getpid()})
]]

local ASYNCIO = [[
import asyncio, signal, sys
async def main():
    loop = asyncio.get_running_loop()
    heard = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, heard.set)
    process = await asyncio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate(b"through cat")
    shell = await asyncio.create_subprocess_shell("kill -USR1 $PPID; exit 3")
    code = await asyncio.wait_for(shell.wait(), 10)
    await asyncio.wait_for(heard.wait(), 10)
    print(out.decode(), process.returncode, code)
asyncio.run(main())
]]

local POOL = [[
import multiprocessing as mp, os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory

def square(n): return n * n
def fill(name):
    block = shared_memory.SharedMemory(name=name)
    block.buf[0] = 42
    block.close()

if __name__ == "__main__":
    for method in ("fork", "spawn"):
        with mp.get_context(method).Pool(3) as pool:
            print(method, sum(pool.map(square, range(100))))
    with ProcessPoolExecutor(2) as pool:
        print("executor", sum(pool.map(square, range(10))))
    block = shared_memory.SharedMemory(create=True, size=4096)
    child = mp.Process(target=fill, args=(block.name,))
    child.start(); child.join()
    print("shared", block.buf[0])
    block.close(); block.unlink()
    queue, lock = mp.Queue(), mp.Lock()
    with lock: queue.put("queued")
    print(queue.get())
    open("/dev/shm/sbx-spec-left", "w").write("x")
]]

local SQLITE = [[
import sqlite3, subprocess, sys
if len(sys.argv) > 1:
    other = sqlite3.connect("data.db", timeout=20)
    for i in range(50):
        with other: other.execute("insert into t values (?)", (sys.argv[1] + str(i),))
    sys.exit()
db = sqlite3.connect("data.db", timeout=20)
print(db.execute("pragma journal_mode = wal").fetchone()[0])
db.execute("create table t (x)")
writers = [subprocess.Popen([sys.executable, __file__, name]) for name in "abc"]
print([writer.wait() for writer in writers])
print(db.execute("select count(*), count(distinct x) from t").fetchone())
print(db.execute("pragma integrity_check").fetchone()[0])
try:
    with db:
        db.execute("delete from t"); raise KeyError
except KeyError:
    print(db.execute("select count(*) from t").fetchone()[0])
db.execute("vacuum")
]]

tools.each_tier("python3", function(test)
  test("makes a virtual environment and runs in it", { "python3" }, function(place)
    local text = place:output([[
      python3 -m venv --without-pip env
      . env/bin/activate
      python -c 'import sys; print(sys.prefix != sys.base_prefix, sys.prefix)'
      library=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
      mkdir $library/mine && echo 'value = 7' >$library/mine/__init__.py
      python -c 'import mine; print(mine.value)'
      ls $library/mine/__pycache__ | wc -l]])
    assert.equal(("True %s/env\n7\n1\n"):format(place.work), text)
  end)

  test("runs unittest", { "python3" }, function(place)
    place:write("test_it.py", UNITTEST)
    local _, r = place:output({ "python3", "-m", "unittest", "-v" })
    assert.matches("Ran 3 tests", r.stderr)
    assert.matches("\nOK\n", r.stderr)
  end)

  test("has asyncio with processes, pipes and signals", { "python3" }, function(place)
    place:write("run.py", ASYNCIO)
    assert.equal("through cat 0 3\n", place:output({ "python3", "run.py" }))
  end)

  test("has multiprocessing: Pool, executor, shared memory, queue",
       { "python3", contained = "python's semaphores need /dev/shm, which is no writable root" },
       function(place)
    place:write("run.py", POOL)
    local text = place:output({ "python3", "run.py" })
    assert.equal("fork 328350\nspawn 328350\nexecutor 285\nshared 42\nqueued\n", text)
    -- the /dev/shm of the run was its own
    assert.is_nil(io.open("/dev/shm/sbx-spec-left"))
    assert.are_not.equal("x", (place:output("cat /dev/shm/sbx-spec-left 2>/dev/null || true")))
  end)

  test("has sqlite3 in WAL mode, with three writers", { "python3" }, function(place)
    place:write("run.py", SQLITE)
    assert.equal("wal\n[0, 0, 0]\n(150, 150)\nok\n150\n", place:output({ "python3", "run.py" }))
    assert.equal("150\n", place:host_output([[python3 -c '
import sqlite3; print(sqlite3.connect("data.db").execute("select count(*) from t").fetchone()[0])
']]))
  end)

  test("sees a denial as an exception, and goes on", { "python3" }, function(place)
    local text = place:output({ "python3", "-c", [[
import os, pathlib, shutil
outside = pathlib.Path("..").resolve()
for what in (lambda: (outside / "new").write_text("x"), lambda: (outside / "new").mkdir(),
             lambda: shutil.copytree("home", outside / "copy")):
    try: what(); print("done")
    except (OSError, shutil.Error) as error: print("refused")
pathlib.Path("inside").write_text("x"); print(os.listdir("."))]] })
    assert.matches("^refused\nrefused\nrefused\n", text)
    assert.equal("work\n", place:host_output("ls", place.directory))
    assert.equal("x", place:read("inside"))
  end)
end)

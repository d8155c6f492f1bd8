-- luacheck: no max line length (a command line is one line)
-- Command lines that developers and agents run, for sh -c in work/ of the fixture. Whether the
-- sandbox was why they failed is measured (score.lua); here stands only what should be named where
-- it was: an operation and a part of the path or address; `other` operations and `also` other parts
-- are as right.
--
-- policy: "ro" read-only, "ww" workspace-write, "out" workspace-write and $OUT, "net" with the full
-- network, "loop" with a loopback of its own, "secret" without reading $OUT/app.conf
local M = {}

local function case(policy, needs, line, refused, more)
  local one = { policy = policy, needs = needs, line = line, refused = refused }
  for name, value in pairs(more or {}) do one[name] = value end
  M[#M + 1] = one
end

local NONE = {}

-- ---- writing where one may not ----
case("ro", NONE, "touch new.txt", { "create", "work/new.txt" })
case("ro", NONE, "echo x > new.txt", { "create", "work/new.txt" })
case("ro", NONE, "echo x >> data.txt", { "write", "work/data.txt" })
case("ro", NONE, ": > data.txt", { "write", "work/data.txt" })
case("ro", NONE, "mkdir -p build/obj", { "create", "work/build" })
case("ro", NONE, "cp data.txt copy.txt", { "create", "work/copy.txt" })
case("ro", NONE, "sed -i s/hello/bye/ data.txt", { "create", "work/sed" })
case("ro", NONE, "tee notes.txt < data.txt", { "create", "work/notes.txt" })
case("ro", NONE, "d=$(mktemp -d) && echo x > $d/f && rm -r $d", { "create", "tmp/tmp." })
case("ro", NONE, "mktemp ./scratch.XXXX", { "create", "work/scratch." })
case("ww", NONE, "touch $OUT/new", { "create", "out/new" })
case("ww", NONE, "echo x > $OUT/file", { "write", "out/file" })
case("ww", NONE, "mkdir $OUT/sub && cd $OUT/sub && echo x > y", { "create", "out/sub" })
case("ww", NONE, "mkdir -p $OUT/a/b/c", { "create", "out/a" })
case("ww", NONE, "cp data.txt $OUT/", { "create", "out/data.txt" })
case("ww", NONE, "cp -r . $OUT/tree", { "create", "out/tree" })
case("ww", NONE, "mv $OUT/file ./taken", { "rename", "out/file" }, { other = { "delete" } })
case("ww", NONE, "mv data.txt $OUT/", { "create", "out/data.txt" }, { other = { "rename" } })
case("ww", NONE, "rm $OUT/file", { "delete", "out/file" })
case("ww", NONE, "rm -rf $OUT/dir", { "delete", "out/dir" })
case("ww", NONE, "rmdir $OUT/empty", { "delete", "out/empty" })
case("ww", NONE, "ln -s /etc/hosts $OUT/hosts", { "create", "out/hosts" }, { other = { "link" } })
case("ww", NONE, "ln $OUT/file $OUT/hard", { "link", "out/hard" },
     { other = { "create" }, also = { "out/file" } })
case("ww", NONE, "chmod 600 $OUT/file", { "metadata", "out/file" }, { contained = true })
case("ww", NONE, "touch -d 2001-01-01 $OUT/file", { "metadata", "out/file" },
     { other = { "write" }, contained = true })
case("ww", NONE, "chown $(id -u) $OUT/file", { "metadata", "out/file" }, { contained = true })
case("ww", NONE, "find $OUT/dir -type f -delete", { "delete", "out/dir/" })
case("ww", NONE, "find $OUT/dir -type f | xargs rm -f", { "delete", "out/dir/" })
case("ww", NONE, "ls | xargs -I{} cp -r {} $OUT/{}.bak", { "create", "out/" })
case("ww", NONE, "truncate -s 0 $OUT/file", { "write", "out/file" })
case("ww", NONE, "dd if=/dev/zero of=$OUT/zero bs=1k count=4", { "create", "out/zero" })
case("ww", NONE, "install -m 755 build.sh $OUT/bin-build", { "create", "out/bin-build" })
case("ww", NONE, "mkfifo $OUT/pipe", { "create", "out/pipe" })
case("ww", NONE, "split -l 1 list.txt $OUT/part-", { "create", "out/part-" })
case("ww", NONE, "sort -o $OUT/sorted list.txt", { "create", "out/sorted" })
case("ww", NONE, "printf 'a\\n' | tee $OUT/one >/dev/null", { "create", "out/one" })
case("ww", NONE, "date > $OUT/link", { "write", "out/file" }, { also = { "out/link" } })
case("ww", NONE, "cd $OUT && touch here", { "create", "out/here" })
case("ww", NONE, "touch ../beside", { "create", "beside" })
case("ww", NONE, "echo 'alias x=y' >> ~/.bashrc", { "write", "home/.bashrc" })
case("ww", NONE, "mkdir -p ~/.config/tool && echo a > ~/.config/tool/rc",
     { "create", "home/.config/tool" })
case("ww", NONE, "touch .git/hooks/pre-commit", { "create", "work/.git/hooks/pre-commit" },
     { protects = true })
case("ww", NONE, "mkdir -p .agents && echo x > .agents/rules", { "create", "work/.agents" },
     { protects = true })

-- ---- shells: how a refused step becomes the end ----
case("ww", NONE, "set -e; mkdir $OUT/s; echo made", { "create", "out/s" })
case("ww", NONE, "touch $OUT/x || exit 7", { "create", "out/x" })
case("ww", NONE, "touch $OUT/x 2>/dev/null || { echo 'no luck' >&2; exit 3; }",
     { "create", "out/x" })
case("ww", NONE, "test -w $OUT || exit 1", { "write", "out" }, { asks = true })
case("ww", NONE, "touch $OUT/x 2>/dev/null", { "create", "out/x" })
case("ww", NONE, "if ! mkdir $OUT/lock 2>/dev/null; then exit 9; fi", { "create", "out/lock" })
case("ww", NONE, "(cd $OUT && touch sub) && echo yes", { "create", "out/sub" })
case("ww", NONE, "bash -c 'set -o pipefail; echo x | tee $OUT/t | cat >/dev/null'",
     { "create", "out/t" })
case("ww", NONE, "bash -c 'set -euo pipefail; cat list.txt | while read l; do touch $OUT/$l; done'",
     { "create", "out/a" })
case("ww", NONE, "bash -c 'echo x > $OUT/f'", { "create", "out/f" })
case("ww", NONE, "bash -c 'exec 3>$OUT/f; echo x >&3'", { "create", "out/f" })
case("ww", NONE, "touch $OUT/bg & wait $!", { "create", "out/bg" })
case("ww", NONE, "./build.sh", { "create", "out/build" })
case("ww", NONE, "./deploy.sh", { "create", "out/copy" })
case("ww", NONE, "sh -c 'sh -c \"touch $OUT/deep\"'", { "create", "out/deep" })
case("ww", NONE, "env FOO=1 touch $OUT/e", { "create", "out/e" })
case("ww", NONE, "timeout 5 touch $OUT/t", { "create", "out/t" })
case("ww", NONE, "nice touch $OUT/n", { "create", "out/n" })
case("ww", NONE, "cat data.txt > $OUT/c && wc -l $OUT/c", { "create", "out/c" })
case("ww", NONE, "cp data.txt $OUT/in 2>/dev/null; cat $OUT/in", { "create", "out/in" })
case("ww", NONE, "mkdir -p $OUT/w 2>/dev/null; cp data.txt $OUT/w/", { "create", "out/w" })
case("ww", { "flock" }, "flock $OUT/lockfile true", { "create", "out/lockfile" })

-- ---- git ----
case("ro", { "git" }, "git add data.txt", { "create", "work/.git/index.lock" })
case("ww", { "git" }, "git commit -qam more", { "create", "work/.git/index.lock" },
     { protects = true, also = { "work/.git/" } })
case("ww", { "git" }, "git checkout -q -b topic", { "create", "work/.git/" }, { protects = true })
case("ww", { "git" }, "git stash", { "create", "work/.git/" }, { protects = true })
case("ww", { "git" }, "git tag v1", { "create", "work/.git/" }, { protects = true })
case("ww", { "git" }, "git config user.name b", { "create", "work/.git/config.lock" },
     { protects = true })
case("ww", { "git" }, "git init -q $OUT/fresh", { "create", "out/fresh" })
case("ww", { "git" }, "git clone -q . $OUT/clone", { "create", "out/clone" })
case("ww", { "git" }, "git -C $OUT/repo commit -q --allow-empty -m x",
     { "create", "out/repo/.git/" })
case("ww", { "git" }, "git status --short", nil)
case("ww", { "git" }, "git diff --quiet", nil)
case("ww", { "git" }, "git log -1 --format=%s nosuchref", nil)
case("ww", { "git" }, "git status >/dev/null && git diff --exit-code data.txt", nil)
case("ww", { "git" }, "git grep -q neverthere", nil)
case("ww", { "git" }, "git apply missing.patch", nil)
case("out", { "git" }, "git clone -q . $OUT/clone", nil)
case("ww", { "git" }, "git config --global alias.x status", { "create", "home/.gitconfig.lock" })

-- ---- compilers, make ----
case("ro", { "gcc" }, "gcc -c ok.c -o /dev/null", { "create", "/cc" })
case("ro", { "make", "gcc" }, "make prog", { "create", "" })
case("ww", { "make", "gcc" }, "make prog", nil)
case("ww", { "make", "gcc" }, "make OUT=$OUT install", { "create", "out/prog" })
case("ww", { "make", "gcc" }, "make -s OUT=$OUT install 2>&1 | tail -5; test -e $OUT/prog",
     { "create", "out/prog" })
case("ww", { "make" }, "make check", nil)
case("ww", { "make" }, "make broken", nil)
case("ww", { "make" }, "make nothing-of-that-name", nil)
case("ww", { "gcc" }, "gcc -o bad bad.c", nil)
case("ww", { "gcc" }, "gcc -o $OUT/ok ok.c", { "create", "out/ok" }, { other = { "write" } })
case("ww", { "gcc" }, "gcc -o ok missing.c", nil)
case("ww", { "gcc" }, "gcc -o ok ok.c -lnosuchlibrary", nil)

-- ---- python ----
case("ro", { "python3" }, "python3 fails.py", nil)
case("ro", { "python3" }, "python3 passes.py", nil)
case("ww", { "python3" }, "python3 syntax.py", nil)
case("ro", { "python3" }, "python3 -m unittest -q test_bad", nil)
case("ro", { "python3" }, "python3 -m unittest -q test_good", nil)
case("ww", { "python3" }, "python3 -m unittest -q test_out", { "create", "out/made" })
case("ww", { "python3" }, "python3 -c 'import os; open(os.environ[\"OUT\"] + \"/p\", \"w\")'",
     { "create", "out/p" })
case("ww", { "python3" }, [=[python3 -c '
import os, sys
try:
    os.mkdir(os.environ["OUT"] + "/q")
except OSError:
    sys.exit(5)']=], { "create", "out/q" })
case("ww", { "python3" }, [=[python3 -c '
import os
try:
    os.mkdir(os.environ["OUT"] + "/cache")
except OSError:
    pass
raise ValueError("the input is wrong")']=], nil)
case("ww", { "python3" }, "python3 -c 'import nosuchmodule'", nil)
case("ww", { "python3" }, "python3 -c 'open(\"nosuchfile\")'", nil)
case("ww", { "python3" },
     "python3 -c 'import subprocess; subprocess.check_call([\"touch\", \"'$OUT'/s\"])'",
     { "create", "out/s" })
case("ww", { "python3" }, "python3 -c 'import shutil; shutil.rmtree(\"'$OUT'/dir\")'",
     { "delete", "out/dir" })
case("ww", { "python3" }, "python3 -m py_compile mod.py && python3 -m compileall -q . ", nil)
case("ro", { "python3" }, "python3 -m py_compile mod.py", { "create", "work/__pycache__" })
case("ww", { "python3" }, "python3 -m venv --without-pip $OUT/venv", { "create", "out/venv" })
case("ww", { "python3" }, "python3 -c 'import sys; sys.exit(\"Permission denied: not you\")'", nil)
case("ww", { "python3" }, "python3 -m json.tool package.json $OUT/pretty.json",
     { "create", "out/pretty.json" })
case("ww", { "python3" },
     "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", '$TCP'))'",
     { "connect", "TCP" })
case("ww", { "python3" },
     "python3 -c 'import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0))'",
     { "bind", "127.0.0.1:0" })
case("loop", { "python3" },
     "python3 -c 'import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0))'",
     nil)
case("ww", { "python3" },
     "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"'$SOCK'\")'",
     { "connect", "SOCK" }, { other = { "socket" }, any = true })

-- ---- node ----
case("ro", { "node" }, "node -e 'process.exit(3)'", nil)
case("ww", { "node" }, "node -e 'require(\"fs\").writeFileSync(process.env.OUT + \"/n\", \"x\")'",
     { "create", "out/n" })
case("ww", { "node" }, "node -e 'require(\"nosuchmodule\")'", nil)
case("ww", { "node" }, "node -e 'throw new Error(\"boom\")'", nil)
case("ww", { "node" }, [=[node -e '
const socket = require("net").connect('$TCP', "127.0.0.1")
socket.on("connect", () => process.exit(0))']=],
     { "connect", "TCP" })
case("ww", { "node" }, [=[node -e '
try { require("fs").mkdirSync(process.env.OUT + "/c") } catch (e) {}
process.exit(JSON.parse("{"))']=], nil)

-- ---- data, archives ----
case("ww", NONE, "tar cf $OUT/all.tar list.txt", { "create", "out/all.tar" })
case("ww", NONE, "tar cf all.tar list.txt && tar xf all.tar -C $OUT", { "create", "out/list.txt" })
case("ww", NONE, "tar xf missing.tar", nil)
case("ww", NONE, "gzip -c data.txt > $OUT/data.gz", { "create", "out/data.gz" })
case("ww", NONE, "gzip $OUT/file", { "create", "out/file.gz" })
case("ww", { "sqlite3" }, "sqlite3 $OUT/data.db 'insert into t values (2)'",
     { "write", "out/data.db" }, { other = { "create" }, also = { "out/data.db-journal" } })
case("ww", { "sqlite3" }, "sqlite3 $OUT/new.db 'create table t(x)'", { "create", "out/new.db" })
case("ww", { "sqlite3" }, "sqlite3 $OUT/data.db 'select * from nothing'", nil)
case("ww", { "sqlite3" }, "sqlite3 $OUT/data.db 'select * from t'", nil)
case("ww", { "rsync" }, "rsync -a list.txt $OUT/", { "create", "out/" })
case("ww", { "rsync" }, "rsync -a nosuch/ there/", nil)
case("ww", NONE, "diff data.txt list.txt", nil)
case("ww", NONE, "cmp -s data.txt list.txt", nil)
case("ww", NONE, "patch -s -o $OUT/patched data.txt < missing.diff", nil)

-- ---- network ----
case("ww", { "curl" }, "curl -sS http://127.0.0.1:$TCP/", { "connect", "TCP" })
case("ww", { "curl" }, "curl -s -f -o page.html http://127.0.0.1:$TCP/", { "connect", "TCP" })
case("net", { "curl" }, "curl -sS -o page.html http://127.0.0.1:$TCP/ && touch $OUT/got",
     { "create", "out/got" })
case("net", { "curl" }, "curl -sS http://127.0.0.1:1/", nil)
case("net", { "curl" }, "curl -sS -o $OUT/page http://127.0.0.1:$TCP/", { "create", "out/page" })
case("loop", { "curl" }, "curl -sS http://127.0.0.1:$TCP/", nil, { hidden = true })
case("ww", NONE, "bash -c 'exec 3<>/dev/tcp/127.0.0.1/'$TCP", { "connect", "TCP" })
case("ww", NONE, "bash -c 'exec 3<>/dev/tcp/127.0.0.1/1'", { "connect", "127.0.0.1:1" })

case("ww", { "curl" }, "curl -fsS http://127.0.0.1:$TCP/a | grep -q page", { "connect", "TCP" })
case("ww", { "curl" }, "curl --retry 1 --retry-delay 0 -s -o p http://127.0.0.1:$TCP/ || exit 22",
     { "connect", "TCP" })
case("ww", { "curl" }, "curl -sS http://localhost:$TCP/", { "connect", "TCP" },
     { other = { "socket" }, also = { "inet", "[::1]" } })
case("ww", { "python3" }, [=[python3 -c '
import os, urllib.request
print(urllib.request.urlopen("http://127.0.0.1:" + os.environ["TCP"]).read())']=],
     { "connect", "TCP" })
case("ww", { "python3" }, [=[python3 - <<'END'
import os, sys, urllib.request
try:
    urllib.request.urlopen("http://127.0.0.1:" + os.environ["TCP"])
except OSError:
    print("offline, giving up")
    sys.exit(3)
END]=], { "connect", "TCP" })
case("ww", { "python3" }, [=[python3 -c '
import http.server
http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)']=],
     { "bind", "127.0.0.1:0" })
case("ww", { "node" }, [=[node -e '
require("http").createServer(() => {}).listen(0, "127.0.0.1", () => process.exit(0))']=],
     { "bind", "127.0.0.1:0" })
case("loop", { "node" }, [=[node -e '
require("http").createServer(() => {}).listen(0, "127.0.0.1", () => process.exit(0))']=], nil)
case("ww", { "git" }, "git clone -q http://127.0.0.1:1/x.git got || test -d .git", nil)

-- ---- scripts and programs of other kinds ----
case("ww", { "perl" }, "perl -e 'open(F, \">\", \"$ENV{OUT}/p\") or die \"no: $!\"'",
     { "create", "out/p" })
case("ww", { "perl" }, "perl -e 'mkdir \"$ENV{OUT}/d\" or exit 4'", { "create", "out/d" })
case("ww", { "perl" }, "perl -i -pe s/a/b/ $OUT/app.conf", { "create", "out/" },
     { other = { "delete", "rename", "write" } })
case("ww", { "perl" }, "perl -e 'die \"wrong input\"'", nil)
case("ww", NONE, "awk '{ print > \"'$OUT'/awk\" }' data.txt", { "create", "out/awk" })
case("ww", NONE, "sed -n 'w '$OUT/w'' data.txt", { "create", "out/w" })
case("ww", NONE, "sed -i s/key/lock/ $OUT/app.conf", { "create", "out/sed" })
case("ww", { "ed" }, "printf 'w %s/ed\\nq\\n' $OUT | ed -s data.txt", { "create", "out/ed" })
case("ww", { "jq" }, "jq .name package.json > $OUT/name", { "create", "out/name" })
case("ww", { "jq" }, "jq -e .missing package.json", nil)
case("ww", { "zip" }, "zip -q $OUT/all.zip list.txt", { "create", "out/" })
case("ww", { "openssl" }, "openssl rand -out $OUT/rnd 16", { "create", "out/rnd" })
case("ww", { "xz" }, "xz -k -c data.txt > $OUT/d.xz", { "create", "out/d.xz" })
case("ww", { "cpio" }, "ls | cpio -o > $OUT/c.cpio", { "create", "out/c.cpio" })
case("ww", NONE, "shuf -o $OUT/shuf list.txt", { "create", "out/shuf" })
case("ww", NONE, "csplit -s -f $OUT/x list.txt 2", { "create", "out/x" })
case("ww", NONE, "env -C $OUT touch inside", { "create", "out/inside" })
case("ww", { "python3" }, "python3 -m zipfile -c $OUT/z.zip list.txt", { "create", "out/z.zip" })
case("ww", { "python3" }, "python3 -m tarfile -c $OUT/t.tar list.txt", { "create", "out/t.tar" })
case("ww", { "python3" }, [=[python3 -c '
import logging, os
logging.basicConfig(filename=os.environ["OUT"] + "/app.log")']=], { "create", "out/app.log" })
case("ww", { "python3" }, [=[python3 -c '
import os, sqlite3
sqlite3.connect(os.environ["OUT"] + "/new.db").execute("create table t(x)")']=],
     { "create", "out/new.db" })
case("ww", { "python3" }, [=[python3 -c '
import os, tempfile
tempfile.mkdtemp(dir=os.environ["OUT"])']=], { "create", "out/tmp" })
case("ww", { "python3" }, [=[python3 -c '
import os
os.rename("data.txt", os.environ["OUT"] + "/moved")']=], { "rename", "work/data.txt" },
     { also = { "out/moved" }, other = { "create" } })
case("ww", { "python3" }, [=[python3 -c '
import os, subprocess
r = subprocess.run(["cp", "data.txt", os.environ["OUT"]], capture_output=True)
raise SystemExit(r.returncode)']=], { "create", "out/data.txt" })
case("ww", { "python3" }, [=[python3 -c '
import multiprocessing, os
def f(x):
    open(os.environ["OUT"] + "/m", "w")
p = multiprocessing.Process(target=f, args=(1,))
p.start(); p.join()
raise SystemExit(p.exitcode)']=], { "create", "out/m" })
case("ww", { "python3" }, [=[python3 -c '
import threading, os, sys
bad = []
def f():
    try:
        os.mkdir(os.environ["OUT"] + "/t")
    except OSError as e:
        bad.append(e)
t = threading.Thread(target=f); t.start(); t.join()
sys.exit(1 if bad else 0)']=], { "create", "out/t" })
case("ww", { "node" }, [=[node -e '
require("fs").promises.mkdir(process.env.OUT + "/p").catch(() => process.exit(6))']=],
     { "create", "out/p" })
case("ww", { "node" }, [=[node -e '
require("child_process").execSync("touch " + process.env.OUT + "/c", {stdio: "pipe"})']=],
     { "create", "out/c" })
case("ww", { "node", "npm" }, "npm run -s out", { "create", "out/npm" })
case("ww", { "node", "npm" }, "npm run -s ok", nil)
case("ww", { "node", "npm" }, "npm test -s", nil)
case("ww", { "node", "npm" }, "npm run nothing", nil)
case("ww", { "make" }, "printf 'x:\\n\\t@touch $(OUT)/mk\\n' | make -s -f - x",
     { "create", "out/mk" })
case("ww", { "make" }, "printf 'x:\\n\\t-@touch $(OUT)/mk\\n\\t@exit 3\\n' | make -s -f - x", nil)
case("ww", { "make" },
     "printf 'a:\\n\\t@touch $(OUT)/a\\nb:\\n\\t@true\\n' | make -s -j2 -f - a b",
     { "create", "out/a" })
case("ww", { "flock" }, "flock -n $OUT/file true", nil)
case("ww", NONE, "bash -ec 'for i in 1 2 3; do echo $i > $OUT/n$i; done'", { "create", "out/n1" })
case("ww", NONE, "bash -c 'trap \"echo failed >&2; exit 70\" ERR; mkdir $OUT/tr'",
     { "create", "out/tr" })
case("ww", NONE, "bash -c 'x=$(mktemp -p $OUT) || { echo no temporary file >&2; exit 1; }'",
     { "create", "out/tmp." })
case("ww", NONE, "set -e; d=$OUT/cfg; [ -d $d ] || mkdir $d; cp data.txt $d/",
     { "create", "out/cfg" })
case("ww", NONE, "cat > $OUT/heredoc <<END\nx\nEND", { "create", "out/heredoc" })
case("ww", NONE, "(umask 077; touch $OUT/um)", { "create", "out/um" })
case("ww", NONE, "find . -name '*.txt' -exec cp {} $OUT \\;; test -e $OUT/data.txt",
     { "create", "out/" })
case("ww", NONE, "find . -name '*.txt' -exec cp -t $OUT {} +", { "create", "out/" })
case("ww", NONE, "ls | while read f; do cp -r $f $OUT/ || exit 5; done", { "create", "out/" })
case("ww", NONE, "time_out=1; timeout 3 sh -c 'echo x > $OUT/to'", { "create", "out/to" })
case("ww", NONE, "tar czf - list.txt | tar xzf - -C $OUT", { "create", "out/list.txt" })
case("ww", NONE, "mkdir -p $OUT/l && ln -sfn data.txt $OUT/l/cur", { "create", "out/l" })
case("ww", NONE, "cp -a $OUT/dir $OUT/dir.bak", { "create", "out/dir.bak" })
case("ww", NONE, "rm -r $OUT/dir $OUT/file", { "delete", "out/" })
case("ww", NONE, "mv $OUT/dir $OUT/renamed", { "rename", "out/dir" }, { also = { "out/renamed" } })
case("ww", NONE, "echo x | sudo -n tee $OUT/s", nil)
case("ww", { "rsync" }, "rsync -a --delete empty-not-there/ $OUT/dir/", nil)
case("ww", { "git" }, "git -C $OUT/repo checkout -q -b other", { "create", "out/repo/.git/" })
case("ww", { "git" }, "git worktree add -q $OUT/wt", { "create", "" }, { protects = true })
case("ww", { "git" }, "git archive -o $OUT/a.tar HEAD", { "create", "out/a.tar" })
case("ww", { "git" }, "git format-patch -q -o $OUT/p --root HEAD", { "create", "out/p" })
case("ww", { "git" }, "git merge -q nosuchbranch", nil)
case("ww", { "git" }, "git show HEAD:missing", nil)

-- ---- failures of their own, and words that frighten ----
case("ww", NONE, "false", nil)
case("ww", NONE, "exit 42", nil)
case("ww", NONE, "grep zzz data.txt", nil)
case("ww", NONE, "cat no-such-file", nil)
case("ww", NONE, "ls /nonexistent", nil)
case("ww", NONE, "no-such-command", nil)
case("ww", NONE, "./data.txt", nil)
case("ww", NONE, "cd nowhere", nil)
case("ww", NONE, "test -f missing", nil)
case("ww", NONE, "[ 1 = 2 ]", nil)
case("ww", NONE, "expr 1 - 1", nil)
case("ww", NONE, "echo 'Operation not permitted' >&2; exit 1", nil)
case("ww", NONE, "echo 'Permission denied, seccomp, landlock, sandbox' >&2; false", nil)
case("ww", NONE, "echo 'Read-only file system'; exit 30", nil)
case("ww", NONE, "echo /home/me/sandbox/test.py: assertion failed >&2; exit 1", nil)
case("ww", NONE, "ls; grep -r 'failed to write file' . ; exit 1", nil)
case("ww", NONE, "kill -0 999999", nil)
case("ww", NONE, "cat /etc/shadow-not-there", nil)
case("ww", NONE, "sh -c 'exit 13'", nil)
case("ww", NONE, "mkdir data.txt", nil)
case("ww", NONE, "rmdir .", nil)
case("ww", NONE, "cp data.txt", nil)
case("ww", NONE, "awk 'BEGIN { exit 4 }'", nil)
case("ww", NONE, "awk '{' data.txt", nil)
case("ww", NONE, "sh -n build.sh && sh -c 'if'", nil)
case("ww", NONE, "ln -s data.txt list.txt", nil)
case("ww", NONE, "chmod 600 missing", nil)
case("ww", NONE, "head -c 10 missing | wc -c; test -s missing", nil)

-- ---- something optional was refused, and the reason is another ----
case("ww", NONE, "touch $OUT/opt 2>/dev/null; grep -q zzz data.txt", nil)
case("ww", NONE, "mkdir -p $OUT/cache 2>/dev/null || true; cat no-such-file", nil)
case("ww", NONE, "touch $OUT/opt 2>/dev/null; exit 3", nil)
case("ww", NONE, "touch $OUT/opt; cat no-such-file", nil)
case("ww", NONE, "cp data.txt $OUT/ || true; exit 8", nil)
case("ww", NONE, "(echo log >> $OUT/log) 2>/dev/null; ls /nonexistent", nil)
case("ww", NONE, "./cached.sh", nil)
case("ww", NONE, "touch ~/.cache/stamp 2>/dev/null; diff -q data.txt list.txt", nil)
case("ww", { "make" }, "touch $OUT/stamp 2>/dev/null; make check", nil)
case("ww", { "python3" }, "touch $OUT/stamp 2>/dev/null; python3 -m unittest -q test_bad", nil)
case("ww", { "python3" }, "echo start >> $OUT/log; python3 fails.py", nil)
case("ww", { "git" }, "git tag v2 2>/dev/null; git rev-parse --verify -q nosuch", nil)
case("ww", { "gcc" }, "mkdir -p $OUT/.ccache 2>/dev/null; gcc -o bad bad.c", nil)
case("ww", { "curl" }, "curl -s http://127.0.0.1:$TCP/version; python3 fails.py", nil)
case("ww", NONE, "touch $OUT/a $OUT/b 2>/dev/null; test -f $HOME/missing", nil, { hard = true })

-- ---- passing although something was refused ----
case("ww", NONE, "touch $OUT/x || true", nil)
case("ww", NONE, "echo x > $OUT/x; echo fine", nil)
case("ww", NONE, "rm -f $OUT/file; ls", nil)
case("ro", { "python3" }, "python3 -c 'import mod'", nil)
case("out", NONE, "touch $OUT/x && rm $OUT/x", nil)

-- ---- reading what may not be read ----
case("secret", NONE, "cat $OUT/app.conf", { "read", "out/app.conf" })
case("secret", NONE, "grep key $OUT/app.conf", { "read", "out/app.conf" })
case("secret", NONE, ". $OUT/app.conf", { "read", "out/app.conf" })
case("secret", { "python3" }, "python3 -c 'import os; open(os.environ[\"OUT\"] + \"/app.conf\")'",
     { "read", "out/app.conf" })
case("secret", NONE, "cat $OUT/file && cat missing", nil)

-- ---- another hand ----
case("ww", { "git" }, "bash -lc 'cd $OUT && git -C repo status --porcelain && echo z > repo/f'",
     { "write", "out/repo/f" })
case("ww", { "npm" }, "bash -c 'npm --version >/dev/null && echo ok > $OUT/v'",
     { "create", "out/v" })
case("ww", { "python3" }, "bash -c 'set -e; for f in *.py; do python3 -m py_compile $f; done'", nil)
case("ww", { "python3" }, "bash -c 'python3 -m py_compile mod.py; python3 -m pyflakes mod.py'", nil)
case("ww", { "python3" }, [=[python3 - <<'E'
import json,os
d=json.load(open('package.json'))
d['x']=1
json.dump(d,open(os.path.join(os.environ['OUT'],'p.json'),'w'))
E]=],
     { "create", "out/p.json" })
case("ww", { "python3" }, [=[python3 - <<'E'
import os
try:
  open(os.environ['OUT']+'/c','w')
except OSError as e:
  print('warning: no cache:',e)
import mod
assert mod.one()==3,'wrong value'
E]=],
     nil)
case("ww", { "python3" }, [=[python3 - <<'E'
import os,sys
try:
  open(os.environ['OUT']+'/c','w')
except OSError as e:
  sys.exit('fatal: cannot save state')
E]=],
     { "create", "out/c" })
case("ww", { "python3" }, [=[python3 - <<'E'
import os,sys
try:
  os.makedirs(os.environ['OUT']+'/deep/er')
except OSError as e:
  print('Setup failed, see log',file=sys.stderr)
  sys.exit(2)
E]=],
     { "create", "out/deep" })
case("ww", { "make" }, "make -k check broken 2>&1 | tail -1; false", nil)
case("ww", NONE, "tar -C $OUT -xf /dev/null 2>/dev/null; tar tf nosuch.tar", nil)
case("ww", { "curl" }, "curl -s -m 2 http://127.0.0.1:$TCP/health || exit 1", { "connect", "TCP" })
case("ww", { "curl" },
     "for i in 1 2; do curl -s -m 1 http://127.0.0.1:$TCP/ && break; sleep 0.1; done; test $i = 1",
     { "connect", "TCP" })
case("ww", { "node" },
     [=[node -e 'fetch("http://127.0.0.1:"+process.env.TCP).then(r=>process.exit(0),e=>{console.error("fetch failed");process.exit(1)})']=],
     { "connect", "TCP" })
case("ww", { "python3" },
     [=[python3 -c 'import urllib.request as u,os;u.urlopen("http://localhost:"+os.environ["TCP"]).read()']=],
     { "connect", "TCP" })
case("ww", { "git" }, "git -c core.editor=true commit --amend -q", { "create", "work/.git/" })
case("ww", { "git" }, "git add -A && git commit -qm x", { "create", "work/.git/index.lock" })
case("ww", { "git" }, "git reset --hard -q HEAD", { "create", "work/.git/" })
case("ww", { "git" }, "git fetch -q $OUT/repo main", { "create", "work/.git/" })
case("ww", { "git" }, "git branch -D nosuch", nil)
case("ww", { "git" }, "git push -q $OUT/repo HEAD:refs/heads/new", { "create", "out/repo/.git/" })
case("ww", { "git" }, "git blame nosuchfile", nil)
case("ww", { "git" }, "git diff --check; git diff --quiet data.txt || exit 1", nil)
case("ro", { "gcc" }, "cc -o prog ok.c", { "create", "" })
case("ww", { "gcc" }, "cc -c ok.c && ar rcs $OUT/lib.a ok.o", { "create", "out/" })
case("ww", { "sqlite3" }, "sqlite3 $OUT/data.db '.backup '$OUT/bak.db", { "create", "out/bak.db" })
case("ww", { "sqlite3" }, "sqlite3 :memory: 'select bogus'", nil)
case("ww", { "sqlite3" },
     "echo 'select 1;' | sqlite3 -batch $OUT/data.db && sqlite3 $OUT/data.db 'drop table t'",
     { "create", "out/data.db" }, { other = { "write" } })
case("ww", { "rsync" }, "rsync -a $OUT/dir/ mirror/ && rsync -a mirror/ $OUT/dir2/",
     { "create", "out/dir2" })
case("ww", NONE, "find $OUT -name a -exec rm {} +", { "delete", "out/dir/a" })
case("ww", NONE, "find . -name '*.nothing' | grep .", nil)
case("ww", NONE, "xargs -a list.txt -n1 sh -c 'echo $0 > $OUT/$0'", { "create", "out/" })
case("ww", NONE, "xargs -a list.txt -n1 sh -c 'test -f $0'", nil)
case("ww", NONE, "chmod -R g+w $OUT/dir", { "metadata", "out/dir" })
case("ww", NONE, "install -d $OUT/share/doc", { "create", "out/share" })
case("ww", NONE, "ln -s $PWD/data.txt $OUT/dl && cat $OUT/dl", { "create", "out/dl" })
case("ww", NONE, "mkdir -p logs && ./build.sh > logs/build.log 2>&1", { "create", "out/build" })
case("ww", NONE, "./build.sh > build.log 2>&1 || { tail -1 build.log; exit 1; }",
     { "create", "out/build" })
case("ww", NONE, "( ./build.sh ) >/dev/null 2>&1; [ $? -eq 0 ]", { "create", "out/build" })
case("ww", NONE,
     "if ./build.sh >/dev/null 2>&1; then echo good; else echo 'build failed' >&2; exit 1; fi",
     { "create", "out/build" })
case("ww", { "python3" }, "./build.sh >/dev/null 2>&1; python3 -m unittest -q test_bad", nil)
case("ww", { "python3" }, "PYTHONPYCACHEPREFIX=$OUT/pyc python3 fails.py", nil)
case("ww", { "python3" }, "PYTHONPYCACHEPREFIX=$OUT/pyc python3 -m unittest -q test_bad", nil)
case("ww", NONE, "HISTFILE=$OUT/hist bash -ic 'echo hi; exit 3' 2>/dev/null", nil)
case("ww", { "make" }, "touch $OUT/.stamp 2>/dev/null; make -s nothing-here", nil)
case("ww", NONE, "logger -f $OUT/none 2>/dev/null; wc -l missing.txt", nil)
case("ww", NONE, "tee -a $OUT/log < data.txt | grep -c zzz", nil)
case("ww", NONE, "date >> $OUT/log; ./nosuch.sh", nil)
case("ww", NONE, "dd if=missing of=$OUT/x 2>/dev/null", nil)
case("ww", NONE, "cp missing $OUT/", nil)
case("ww", NONE, "mv missing $OUT/", nil)
case("ww", NONE, "rm $OUT/missing", nil)
case("ww", NONE, "cat < missing >> $OUT/file", nil)
case("ww", { "python3" }, [=[python3 -c 'open("nosuch").read(); open("$OUT/x","w")']=], nil)
case("ww", NONE, "ls $OUT/missing && touch $OUT/y", nil)
case("ww", NONE, "gzip -t data.txt; exit $?", nil)
case("ww", { "openssl" }, "openssl req -new -key nosuch.pem -out $OUT/csr", nil)
case("ww", { "python3" },
     [=[echo test | python3 -c 'import sys; open("'$OUT'/in","w").write(sys.stdin.read())']=],
     { "create", "out/in" })
case("ww", NONE, "nohup touch $OUT/nh >/dev/null 2>&1 & wait $!", { "create", "out/nh" })

-- ---- refused by the way, and failed for another reason; and some that look alike ----
case("ww", { "python3" }, [=[python3 - <<'E'
import logging,os,sys
try:
  logging.basicConfig(filename=os.environ['OUT']+'/app.log')
except OSError:
  logging.basicConfig()
logging.error('bad argument count')
sys.exit(2)
E]=],
     nil)
case("ww", { "python3" }, [=[python3 - <<'E'
import os,pathlib,argparse
try: pathlib.Path.home().joinpath('.myapp').mkdir()
except OSError: pass
argparse.ArgumentParser().parse_args(['--bogus'])
E]=],
     nil)
case("ww", { "python3" }, [=[python3 - <<'E'
import os
try: os.mkdir(os.environ['OUT']+'/c')
except OSError as e: print('note: %s'%e)
{}['key']
E]=],
     nil)
case("ww", { "python3" }, [=[python3 - <<'E'
import os,subprocess,sys
subprocess.run(['touch',os.environ['OUT']+'/s'],stderr=subprocess.DEVNULL)
sys.exit(subprocess.run(['diff','data.txt','list.txt'],stdout=subprocess.DEVNULL).returncode)
E]=],
     nil)
case("ww", { "python3" }, [=[python3 - <<'E'
import os,subprocess,sys
subprocess.run(['touch',os.environ['OUT']+'/s'])
raise RuntimeError('model did not converge')
E]=],
     nil)
case("ww", { "node" }, [=[node - <<'E'
const fs=require('fs');try{fs.writeFileSync(process.env.OUT+'/c','1')}catch(e){}
require('assert').strictEqual(1,2)
E]=],
     nil)
case("ww", { "node" }, [=[node - <<'E'
const fs=require('fs');try{fs.mkdirSync(process.env.OUT+'/c')}catch(e){console.warn('cache disabled:',e.message)}
console.error('Error: Cannot find config');process.exit(1)
E]=],
     nil)
case("ww", { "node" }, "node --test nosuch.test.js", nil)
case("ww", NONE, "echo start >> $OUT/log 2>/dev/null; ls missing", nil)
case("ww", { "python3" }, "{ date >> $OUT/log; } 2>/dev/null; python3 syntax.py", nil)
case("ww", NONE, "mkdir -p ~/.local/share/app 2>/dev/null; awk 'BEGIN{exit 3}'", nil)
case("ww", NONE, "mkdir -p ~/.local/share/app; awk 'BEGIN{exit 3}'", nil)
case("ww", { "gcc" }, "touch $OUT/x; touch $OUT/y; cc -o bad bad.c", nil)
case("ww", { "curl" },
     "curl -s -m1 http://127.0.0.1:$TCP/ping >/dev/null; grep -c nomatch data.txt",
     nil)
case("ww", { "curl" },
     "curl -s -m1 http://127.0.0.1:$TCP/ping >/dev/null || echo offline; diff data.txt list.txt >/dev/null",
     nil)
case("ww", { "git" }, "git tag x 2>/dev/null; git show nosuch", nil)
case("ww", { "git", "python3" }, "git stash 2>/dev/null; python3 fails.py", nil)
case("ww", { "git" }, "git fetch -q 2>/dev/null; git merge-base HEAD nosuch", nil)
case("ww", { "git" }, "git gc -q 2>/dev/null; test -e missing", nil)
case("ww", { "sqlite3" },
     "sqlite3 $OUT/data.db 'insert into t values(3)' 2>/dev/null; sqlite3 $OUT/data.db 'select nope from t'",
     nil)
case("ww", NONE, "tar cf $OUT/b.tar . 2>/dev/null || true; tar tf missing.tar", nil)
case("ww", { "make", "gcc" }, "make prog OUT=$OUT && make install OUT=$OUT; make check", nil)
case("ww", NONE, "bash -c 'echo x > $OUT/a; echo y > $OUT/b; exit 12'", nil)
case("ww", NONE, "bash -c 'chmod +x $OUT/file 2>/dev/null; [[ abc == abd ]]'", nil)
case("ww", NONE, "sh -c 'touch $OUT/q' ; sh -c 'exit 21'", nil)
case("ww", { "python3" }, "(touch $OUT/q; exit 0) && python3 -c 'raise SystemExit(9)'", nil)
case("ww", NONE, "ln -s a $OUT/ln 2>/dev/null; expr 0", nil)
case("ww", NONE, [=[find $OUT -name dir -exec touch {}/t \; ; cat nofile]=], nil)
case("ww", NONE, "echo 'permission denied (publickey)' >&2; exit 255", nil)
case("ww", NONE,
     "echo 'rsync: [sender] link_stat failed: Operation not permitted (1)' >&2; exit 23",
     nil)
case("ww", NONE, "touch $OUT/z 2>/dev/null; echo 'Permission denied (publickey).' >&2; exit 255",
     nil)
case("ww", NONE, "./cached.sh; ./cached.sh", nil)
case("ww", NONE, "sh ./cached.sh", nil)
case("ww", NONE, "bash cached.sh", nil)
case("ww", NONE, [=[printf '#!/bin/sh\ntouch $OUT/w\ngrep -q zzz data.txt\n' > t.sh; sh t.sh]=],
     nil)
case("ww", NONE,
     [=[printf '#!/bin/bash\nset -u\ntouch $OUT/w 2>/dev/null\necho $undefined_thing\n' > t.sh; bash t.sh]=],
     nil)
case("ww", { "make" }, [=[printf 'all: ; -touch $(OUT)/k\n\tgrep -q zzz data.txt\n' | make -f -]=],
     nil)
case("ww", NONE, [=[printf '#!/bin/sh\nset -e\ncp data.txt $OUT/z\necho ok\n' > t.sh; sh t.sh]=],
     { "create", "out/z" })
case("ww", NONE, [=[printf '#!/bin/sh\ncp data.txt $OUT/z || exit 11\n' > t.sh; sh t.sh]=],
     { "create", "out/z" })
case("ww", NONE,
     [=[printf '#!/bin/bash\ndie() { echo "$1"; exit 99; }\nmkdir $OUT/z 2>/dev/null || die "mkdir step went wrong"\n' > t.sh; bash t.sh]=],
     { "create", "out/z" })
case("ww", { "python3" }, [=[python3 - <<'E'
import os,sys
def main():
  try:
    with open(os.environ['OUT']+'/r','w') as f: f.write('x')
  except Exception as e:
    print('ERROR: '+str(e)); return 1
sys.exit(main())
E]=],
     { "create", "out/r" })
case("ww", { "python3" }, [=[python3 - <<'E'
import os,sys,traceback
try:
  os.remove(os.environ['OUT']+'/file')
except Exception:
  traceback.print_exc(); sys.exit(1)
E]=],
     { "delete", "out/file" })
case("ww", { "git", "python3" }, [=[python3 - <<'E'
import os,shutil,sys
try: shutil.copytree('.',os.environ['OUT']+'/cp',ignore=shutil.ignore_patterns('.git'))
except Exception: sys.exit('backup failed')
E]=],
     { "create", "out/cp" })
case("ww", { "make", "gcc" },
     "make -C . install OUT=$OUT >/dev/null 2>&1 || { echo 'install failed' ; exit 2; }",
     { "create", "out/prog" })
case("ww", { "git" }, "cd $OUT/repo && git add -A && git commit -qm z --allow-empty",
     { "create", "out/repo/.git/index.lock" })
case("ww", { "git" }, "git config --global user.email x@y", { "create", "home/.gitconfig.lock" })
case("ww", NONE, "mkdir -p ~/bin && cp build.sh ~/bin/", { "create", "home/bin" })
case("ww", { "python3", "sqlite3" },
     [=[python3 -c 'import sqlite3,os; c=sqlite3.connect(os.environ["OUT"]+"/data.db"); c.execute("insert into t values (5)"); c.commit()']=],
     { "write", "out/data.db" }, { other = { "create" } })
case("ww", { "make" }, "bash -c 'exec >$OUT/all.log 2>&1; make'", { "create", "out/all.log" })
case("ww", NONE, "tee $OUT/t1 $OUT/t2 < data.txt > /dev/null", { "create", "out/t" })
case("ww", NONE, "sort list.txt | uniq -c | tee $OUT/u | wc -l; test -s $OUT/u",
     { "create", "out/u" })
case("ww", NONE, "patch -o $OUT/pp data.txt </dev/null && test -e $OUT/pp", { "create", "out/pp" })
case("ww", { "curl" }, "curl -sf http://127.0.0.1:$TCP/ | sh", nil)
case("ww", { "curl" }, "bash -o pipefail -c 'curl -sf http://127.0.0.1:$TCP/ | cat'",
     { "connect", "TCP" })
case("ww", { "curl" }, [=[out=$(curl -sf http://127.0.0.1:$TCP/) && [ -n "$out" ]]=],
     { "connect", "TCP" })
case("ww", { "curl" },
     [=[until curl -sf -m1 http://127.0.0.1:$TCP/ >/dev/null; do i=$((i+1)); [ "$i" -lt 3 ] || exit 1; sleep 0.1; done]=],
     { "connect", "TCP" })
case("ww", NONE,
     "timeout 2 bash -c 'until echo > /dev/tcp/127.0.0.1/$TCP; do sleep 0.2; done' 2>/dev/null",
     { "connect", "TCP" })

-- ---- an independent hand's, which the judge had wrong, and their like ----
case("ro", NONE, "cat > run.cfg <<'E'\njobs = 2\nE\ncat run.cfg", { "create", "work/run.cfg" })
case("ro", { "python3" },
     "echo '[1]' > a.json; python3 -c 'import json; print(json.load(open(\"a.json\")))'",
     { "create", "work/a.json" })
case("ro", { "node" }, "node -e 'require(\"fs\").mkdirSync(\"dist\", {recursive: true})'",
     { "create", "work/dist" })
case("ro", NONE, "mkdir -p gen 2>/dev/null; cp data.txt gen/", { "create", "work/gen" })
case("ro", NONE, "sort list.txt > a.txt 2>/dev/null; cat a.txt 2>/dev/null",
     { "create", "work/a.txt" })
case("ww", NONE, "cp data.txt $OUT/ 2>/dev/null; cmp -s data.txt $OUT/data.txt",
     { "create", "out/data.txt" })
case("ww", NONE, "touch $OUT/notes.txt 2>/dev/null; cat notes.txt", nil)
case("ww", NONE, "touch $OUT/list 2>/dev/null; sort list", nil)
case("ww", { "npm" }, "mkdir $OUT/build 2>/dev/null; npm run build", nil)
case("ro", { "python3" }, "python3 -c 'import tempfile; print(tempfile.mkdtemp())'",
     { "create", "/" })
case("ro", { "python3" },
     "python3 -c 'import tempfile; tempfile.TemporaryFile()' || { echo 'no room' >&2; exit 4; }",
     { "create", "/" })
case("ww", { "lua5.4" }, "lua5.4 -e 'assert(io.open(os.getenv(\"OUT\") .. \"/l\", \"w\"))'",
     { "create", "out/l" })
case("ww", { "lua5.4" }, "touch $OUT/l 2>/dev/null; lua5.4 -e 'assert(false)'", nil)
case("ro", { "git" }, "git stash && git stash pop", { "create", "work/.git/index.lock" })
case("ww", { "curl" },
     "bash -c 'curl -sf http://127.0.0.1:$TCP/; rc=$?; kill 4194300; exit $rc'",
     { "connect", "TCP" })
case("ww", NONE, "bash -c 'touch $OUT/m 2>/dev/null; grep -q nothing data.txt'", nil)
case("ww", NONE, "bash -c 'date >> $OUT/hist; grep -c nothing data.txt'", nil)
case("ww", NONE, "bash -c 'date >> $OUT/hist; diff -q data.txt list.txt'", nil)
case("ww", { "python3" }, "bash -c 'cp data.txt $OUT/ 2>/dev/null; python3 -c \"exit(1)\"'", nil)
case("ww", { "make", "gcc" }, "bash -c 'date > made.txt; make -s OUT=$OUT install 2>/dev/null'",
     { "create", "out/prog" })
case("ww", NONE,
     [=[printf '#!/bin/sh\necho ok >> ~/.cache/c.log\necho "check: 4 problems" >&2\nexit 3\n' > t.sh; sh t.sh]=],
     nil)
case("ww", NONE,
     [=[printf '#!/bin/sh\nset -e\necho ok >> ~/.cache/c.log\necho made\n' > t.sh; sh t.sh]=],
     { "create", "home/.cache/c.log" })
case("ww", NONE, "i=0; until mkdir $OUT/l 2>/dev/null; do i=$((i+1)); [ $i -lt 12 ] || exit 1; done",
     { "create", "out/l" })
case("ww", NONE, "seq 12 | xargs -n1 sh -c 'cp data.txt $OUT/same'", { "create", "out/same" })
-- (of root: what its owner and mode keep from it, with its powers dropped)
case("ww", NONE, "chown 65534 data.txt", nil)
case("ww", NONE, "cat ../theirs/note", nil)
case("ww", NONE, "cp -a ../theirs/note . && ls -l note", nil)
case("ww", NONE, "mkdir -p ~/.local/x 2>/dev/null; install -o 65534 data.txt mine", nil)
case("ww", NONE, "env ./data.txt", nil)

-- ---- the like, by the hand that mended it ----
case("ro", NONE, "tar cf t.tar list.txt 2>/dev/null; tar tf t.tar >/dev/null 2>&1",
     { "create", "work/t.tar" })
case("ro", NONE, "ln -s data.txt l 2>/dev/null; readlink l", { "create", "work/l" })
case("ro", NONE, "bash -c 'echo x=1 > conf.sh; . ./conf.sh'", { "create", "work/conf.sh" })
case("ro", { "python3" }, "bash -c 'echo x=1 > conf.py; python3 -c \"import conf\"'",
     { "create", "work/conf.py" })
case("ro", { "node" }, [=[echo {} > s.json; node -e 'require("./s.json")']=],
     { "create", "work/s.json" })
case("ww", { "node" }, [=[echo {} > $OUT/s.json; node -e 'require("./s.json")']=], nil)
case("ro", NONE, "bash -c 'mkdir build; cd build; ls ../nothing'", nil)
case("ro", NONE, "bash -c 'echo x > a; [ -f data.txt ] && grep -q zzz data.txt'", nil)
case("ww", NONE, "bash -c 'echo x > $OUT/a; awk \"BEGIN{exit 5}\"'", nil)
case("ww", { "lua5.4" },
     [=[lua5.4 -e 'io.open(os.getenv("OUT") .. "/x", "w"); error("the input is wrong")']=], nil)
case("ww", { "node" },
     [=[node -e 'try{require("fs").mkdirSync(process.env.OUT+"/c")}catch(e){}; console.error("Error: could not resolve ./app"); process.exit(1)']=],
     nil)
case("ww", { "curl" }, "bash -c 'curl -sf http://127.0.0.1:$TCP/ > x.html; [ -s x.html ]'",
     { "connect", "TCP" })
case("ww", NONE, "chown 65534:65534 data.txt || echo cannot; false", nil)
case("ww", NONE, "bash -c 'for f in a b; do cp data.txt $OUT/$f 2>/dev/null; done; grep -q zzz data.txt'",
     nil)

-- ---- judged wrong, and left so: what would have failed anyway, or can't be told from what is seen.
-- They count in a figure of their own (`beyond`) ----
local BEYOND = { beyond = true }
case("ww", { "gcc" }, "cc -E missing.h -o $OUT/e", nil, BEYOND)
case("ww", NONE, "cat missing > $OUT/y", nil, BEYOND)
case("ww", NONE, "rmdir $OUT/dir", nil, BEYOND)
case("ww", { "curl" }, "curl -s http://127.0.0.1:1/", nil, BEYOND)
case("ww", { "git" }, "git ls-remote http://127.0.0.1:$TCP/x.git", nil, BEYOND)
case("ww", { "node", "npm" }, "npm run -s nothing", nil, BEYOND)
case("ww", NONE, "bash -c 'rm -f $OUT/file || :; ((0))'", nil, BEYOND)
case("ww", NONE, "bash -c 'cd $OUT; touch here; cd -; return 5 2>/dev/null || exit 5'", nil, BEYOND)
case("ww", NONE, [=[printf '#!/bin/sh\ntouch $OUT/w 2>/dev/null\nexit 4\n' > t.sh; sh t.sh]=], nil,
     BEYOND)
case("ww", NONE, "mkdir .agents && echo x > .agents/rules", { "create", "work/.agents" }, BEYOND)

return M

-- luacheck: no max line length (a command line is one line)
-- A second independent hand's lines of a day's work (2026-11-30), written before a result was seen
-- and frozen; the judge was not tuned on them since, but for one cause that was named wrongly. Who
-- changes the judge because of one says so here. As in independent.lua.
local S = {}
local function L(setup, line, want) S[#S + 1] = {setup = setup, line = line, want = want or ""} end
local REPO = [[
git init -q . && mkdir src && printf 'int main(void){return 0;}\n' > src/main.c && printf 'TODO list\n' > README && git add . && git commit -qm 'initial import'
]]
local REMOTE = REPO .. [[
git clone -q --bare . $OUT/origin.git && git remote add origin $OUT/origin.git && git fetch -q && git branch -q -u origin/main
]]
local NESTED = [[
git init -q --bare $OUT/origin.git && git init -q seed && cd seed && echo one > f && git add f && git commit -qm one && git push -q $OUT/origin.git main && cd .. && rm -rf seed && git clone -q $OUT/origin.git proj
]]
local CPROJ = [[
mkdir -p src; cat > src/main.c <<'X'
#include <stdio.h>
int add(int a,int b);
int main(void){printf("%d\n",add(2,3));return 0;}
X
echo 'int add(int a,int b){return a+b;}' > src/add.c
cat > Makefile <<'X'
PREFIX ?= /usr/local
CFLAGS = -O1 -Wall
app: src/main.o src/add.o
	$(CC) -o $@ $^
install: app
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 app $(DESTDIR)$(PREFIX)/bin/app
test: app
	@./app | grep -qx 6 || (echo "FAIL: expected 6" >&2; exit 1)
clean:
	rm -f app src/*.o
deploy: app
	cp app ../out/app
X
]]
local CMAKE = [[
cat > CMakeLists.txt <<'X'
cmake_minimum_required(VERSION 3.13)
project(hello C)
add_executable(hello hello.c)
install(TARGETS hello DESTINATION bin)
X
echo 'int main(void){return 0;}' > hello.c
]]
local NPM = [[
cat > package.json <<'X'
{"name":"web","version":"1.0.0","scripts":{"build":"node build.js","test":"node test.js","lint":"eslint ."}}
X
echo 'const fs=require("fs");fs.mkdirSync("dist",{recursive:true});fs.writeFileSync("dist/app.js","1");console.log("built")' > build.js
echo 'const a=require("assert");a.strictEqual(1+1,3)' > test.js
]]
-- git
L(REPO .. "echo more >> README", [[git status --short && git diff --stat]])
L(REPO .. "echo more >> README", [[git add -A && git commit -qm "docs: extend the readme" && git log --oneline -1]], "%.git")
L(REPO .. "echo more >> README", [[git stash -q && gcc -fsyntax-only src/main.c && git stash pop -q]], "%.git")
L(REPO, [[git checkout -q -b feature/login && git branch --show-current]], "%.git")
L(REPO .. "echo more >> README", [[git branch --show-current; git log --oneline -3; git diff --exit-code HEAD]])
L([[git init -q $OUT/lib && cd $OUT/lib && echo x > lib.c && git add . && git commit -qm lib && git clone -q --bare . $OUT/lib.git]], [[git clone -q "$OUT/lib.git" vendor/lib && ls vendor/lib/lib.c]])
L(REMOTE, [[git fetch origin && git log --oneline HEAD..origin/main]], "%.git")
L(REMOTE .. "echo two >> README; git commit -qam two", [[git push origin main 2>&1 | tail -5; exit ${PIPESTATUS[0]}]], "%.git")
L(NESTED, [[cd proj && echo two >> f && git commit -qam "two" && git push -q origin HEAD]], "origin")
L(NESTED .. "cd proj; git checkout -qb topic; echo t > f; git commit -qam t; git checkout -q main; echo m > f; git commit -qam m; git checkout -q topic", [[cd proj && git rebase main || { git status --short; git rebase --abort; exit 1; }]])
L(REPO .. "git checkout -qb topic; echo t > README; git commit -qam t; git checkout -q main; echo m > README; git commit -qam m", [[git merge --no-edit topic]])
L(REPO .. "git init -q $OUT/dep && cd $OUT/dep && echo d > d && git add d && git commit -qm d", [[git -c protocol.file.allow=always submodule add -q "$OUT/dep" third_party/dep && git submodule status]], "%.git")
L("", [[git config --global pull.rebase true && git config --global --get pull.rebase]], "gitconfig")
L(REPO, [[git worktree add -q ../hotfix && ls ../hotfix]], "hotfix|%.git")
L(REPO, [[git format-patch -q -1 -o patches && ls patches && git apply --check patches/*.patch]])
L(REPO, [[mkdir -p build/src && git archive HEAD | tar -x -C build/src && ls build/src]])
L(REPO, [[git log -1 --format=%h > VERSION && git describe --tags --exact-match]])
L(REPO, [[git pull --rebase --quiet]])
L("echo hi > a.txt", [[git rev-parse --show-toplevel && git diff --cached --quiet]])
L("echo hi > a.txt", [[git init -q demo && cp a.txt demo && cd demo && git add . && git commit -qm first && git log --oneline | wc -l]])
L("echo hi > a.txt", [[git init -q && git add -A && git commit -qm "first commit"]], "%.git")
L(REPO, [[grep -rn "FIXME" src; git grep -n FIXME]])
L(REPO .. "touch junk.o; mkdir tmpd; touch tmpd/x", [[git clean -fdxq && git status --porcelain | wc -l]])
-- make, gcc, cmake, ninja
L(CPROJ, [[make -s && ./app]])
L(CPROJ, [[make -s install PREFIX=$HOME/.local && ~/.local/bin/app]], "local")
L(CPROJ, [[make test]])
L(CPROJ .. "echo 'int broken(' >> src/add.c", [[make > build.log 2>&1 || { grep error build.log; exit 1; }]])
L(CPROJ, [[make -s install DESTDIR=$PWD/stage PREFIX=/usr && find stage -type f]])
L(CPROJ, [[make -j2 deploy]], "out/app")
L(CPROJ, [[make install]])
L(CPROJ, [[gcc -Wall -O1 -o "$OUT/calc" src/*.c && "$OUT/calc"]], "calc")
L(CPROJ, [[gcc -c src/main.c -o obj/main.o]])
L("printf 'int main(void){int unused;return 0;}' > w.c", [[gcc -Wall -Werror w.c -o w && ./w]])
L("printf '#include <cmath>\nint helper(int);int main(){return helper(1);}' > u.cpp", [[g++ -std=c++17 u.cpp -o u]])
L(CMAKE, [[cmake -S . -B build > cmake.log && cmake --build build > /dev/null && ./build/hello]])
L(CMAKE, [[cmake -S . -B "$OUT/build-release" -DCMAKE_BUILD_TYPE=Release && cmake --build "$OUT/build-release"]], "build")
L(CMAKE .. "cmake -S . -B build && cmake --build build", [[cmake --install build --prefix "$HOME/.local"]], "local")
L(CMAKE .. "rm hello.c", [[cmake -G Ninja -S . -B build 2>&1 | tail -8; test -f build/build.ninja && ninja -C build]])
L([[printf 'rule cc\n  command = gcc -c $in -o $out\nbuild a.o: cc a.c\nbuild b.o: cc b.c\n' > build.ninja; echo 'int a;' > a.c]], [[ninja]])
L([[printf 'rule cp\n  command = cp $in $out\nbuild ../out/conf.txt: cp conf.txt\n' > build.ninja; echo x > conf.txt]], [[ninja -v]], "out")
L([[cat > Makefile <<'X'
all: stamp check
stamp:
	-@mkdir -p $(HOME)/.cache/mybuild && date > $(HOME)/.cache/mybuild/last
check:
	@test -f expected.txt || { echo "expected.txt not generated" >&2; exit 1; }
X
]], [[make all]])
-- python
L("", [[python3 -m venv --without-pip .venv && .venv/bin/python -c 'import sys; print(sys.prefix)']])
L("", [[python3 -m venv --without-pip ~/venvs/app && . ~/venvs/app/bin/activate && python -V]], "venvs")
L([[cat > test_calc.py <<'X'
import unittest
class T(unittest.TestCase):
    def test_ok(self): self.assertEqual(1+1, 2)
    def test_bad(self): self.assertEqual(round(2.5), 3)
X
]], [[python3 -m unittest -q]])
L([[cat > test_api.py <<'X'
import unittest, threading, http.server, urllib.request
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *a): pass
class T(unittest.TestCase):
    def setUp(self):
        self.s = http.server.HTTPServer(("127.0.0.1", 0), H)
        threading.Thread(target=self.s.serve_forever, daemon=True).start()
    def tearDown(self):
        self.s.shutdown(); self.s.server_close()
    def test_get(self):
        u = "http://127.0.0.1:%d/" % self.s.server_port
        self.assertEqual(urllib.request.urlopen(u, timeout=5).read(), b"ok")
    def test_path(self): self.assertTrue(True)
X
]], [[python3 -m unittest -v test_api]])
L("", [[pip --version && pip config list]])
L("echo 'left-pad-py==9.9' > requirements.txt", [[pip install --no-index -q -r requirements.txt]])
L([[cat > store.py <<'X'
import sqlite3, os, pathlib
d = pathlib.Path.home() / ".local/share/notes"
d.mkdir(parents=True, exist_ok=True)
db = sqlite3.connect(d / "notes.db")
db.execute("create table if not exists n(t text)"); db.execute("insert into n values('x')"); db.commit()
print(db.execute("select count(*) from n").fetchone()[0])
X
]], [[python3 store.py]], "local")
L("echo '{\"a\": 1,}' > cfg.json", [[python3 -c 'import json; print(json.load(open("cfg.json"))["a"])']])
L([[cat > api.py <<'X'
import http.client, os
c = http.client.HTTPConnection("127.0.0.1", int(os.environ["PORT"]), timeout=5)
c.request("GET", "/data.json"); r = c.getresponse(); print(r.status, r.read().decode())
X
]], [[python3 api.py]], "")
L([[cat > check.py <<'X'
import urllib.request, os, sys
try:
    v = urllib.request.urlopen("http://127.0.0.1:%s/version" % os.environ["CLOSED"], timeout=3).read().decode()
except OSError as e:
    print("offline, using bundled version:", e, file=sys.stderr); v = "1.0.0"
print(v)
X
]], [[python3 check.py]])
L([[cat > sync.py <<'X'
import urllib.request, os
print(urllib.request.urlopen("http://127.0.0.1:%s/items" % os.environ["CLOSED"], timeout=3).read())
X
]], [[python3 sync.py > items.json]])
L([[cat > release.py <<'X'
import subprocess, os
subprocess.run(["mkdir", "-p", "dist"], check=True)
subprocess.run(["cp", "notes.md", os.environ["OUT"] + "/notes.md"], check=True)
X
echo n > notes.md]], [[python3 release.py]], "notes")
L("", [[python3 -c 'import tempfile, os
with tempfile.TemporaryDirectory() as d:
    open(os.path.join(d, "a"), "w").write("x"); print(len(os.listdir(d)))']])
L([[cat > svc.py <<'X'
import logging, os
logging.basicConfig(filename=os.path.join(os.environ["OUT"], "svc.log"), level=logging.INFO)
logging.info("started"); print("done")
X
]], [[python3 svc.py]], "svc.log")
L([[cat > svc.py <<'X'
import logging, os, sys
try:
    h = logging.FileHandler(os.path.expanduser("~/svc.log"))
except OSError:
    h = logging.StreamHandler()
logging.basicConfig(handlers=[h], level=logging.INFO)
logging.info("starting")
cfg = open("config/production.ini").read()
X
]], [[python3 svc.py]])
L("printf 'def f(:\\n  pass\\n' > bad.py; echo 'x=1' > good.py", [[python3 -m py_compile good.py bad.py]])
L("mkdir templates; echo t > templates/a", [[python3 -c 'import shutil, pathlib; print(shutil.copytree("templates", pathlib.Path.home()/"templates"))']], "templates")
L("", [[python3 -c 'import os; print(os.environ["DATABASE_URL"])']])
L([[cat > par.py <<'X'
from multiprocessing import Pool
def f(x): return x * x
if __name__ == "__main__":
    with Pool(2) as p: print(sum(p.map(f, range(10))))
X
]], [[python3 par.py]])
L([[cat > aio.py <<'X'
import asyncio
async def work(n):
    await asyncio.sleep(0.01); return n
async def main():
    r = await asyncio.gather(*(work(i) for i in range(5)))
    assert sum(r) == 11, "sum mismatch: %r" % r
asyncio.run(main())
X
]], [[python3 aio.py]])
L("mkdir site; echo hi > site/index.html", [[python3 -m http.server 18675 --bind 127.0.0.1 -d site >server.log 2>&1 & pid=$!; sleep 1.5; curl -sf --max-time 5 http://127.0.0.1:18675/; rc=$?; kill $pid; exit $rc]], "")
L("echo '{\"b\":2,\"a\":1}' > d.json", [[python3 -m json.tool --sort-keys d.json > "$OUT/d.json"]], "d.json")
-- node and npm
L(NPM, [[node build.js && ls dist]])
L("", [[node -e 'require("fs").writeFileSync(process.env.HOME + "/.apprc.json", JSON.stringify({theme: "dark"}))']], "apprc")
L(NPM, [[npm test]])
L(NPM, [[npm run build]])
L(NPM, [[npm run lint]])
L(NPM, [[npm run typecheck]])
L(NPM, [[npm install --offline --no-audit --no-fund left-pad]])
L("", [[npm init -y > /dev/null && node -p 'require("./package.json").version']])
L(NPM .. [[mkdir -p packages/util; echo '{"name":"util-local","version":"0.1.0"}' > packages/util/package.json]], [[npm install --offline --no-audit --no-fund ./packages/util && ls node_modules]])
L("", [[npm config set fund false && npm config get fund]], "npmrc")
L([[cat > get.js <<'X'
const http = require("http");
http.get({host: "127.0.0.1", port: process.env.PORT, path: "/version"}, r => { r.pipe(process.stdout); }).on("error", e => { console.error("request failed:", e.message); process.exit(1); });
X
]], [[node get.js]], "")
L([[cat > srv.test.js <<'X'
const test = require("node:test"), assert = require("node:assert"), http = require("http");
test("serves", async () => {
  const s = http.createServer((q, r) => r.end("ok"));
  await new Promise((res, rej) => { s.on("error", rej); s.listen(0, "127.0.0.1", res); });
  const r = await fetch("http://127.0.0.1:" + s.address().port + "/");
  assert.equal(await r.text(), "ok"); s.closeAllConnections(); s.close();
});
X
]], [[node --test srv.test.js]], "")
L([[cat > math.test.js <<'X'
const test = require("node:test"), assert = require("node:assert");
test("rounds", () => assert.equal(Math.round(-1.5), -2));
X
]], [[node --test math.test.js]])
L([[cat > cli.js <<'X'
const fs = require("fs"), os = require("os"), path = require("path");
try { fs.mkdirSync(path.join(os.homedir(), ".cache/cli"), {recursive: true}); } catch (e) { /* no cache then */ }
const file = process.argv[2];
if (!file) { console.error("usage: cli.js FILE"); process.exit(2); }
console.log(fs.readFileSync(file, "utf8").length);
X
]], [[node cli.js && echo fine]])
-- perl, lua
L("echo 'level=debug' > $OUT/app.conf", [[perl -i -pe 's/debug/info/' "$OUT/app.conf" && cat "$OUT/app.conf"]], "out")
L("printf 'use strict;\\nmy $x = 1;\\nprint $y;\\n' > p.pl", [[perl -wc p.pl]])
L([[cat > gen.lua <<'X'
local f = assert(io.open(os.getenv("OUT") .. "/report.csv", "w"))
for i = 1, 3 do f:write(i, ",", i * i, "\n") end
f:close()
X
]], [[lua5.4 gen.lua && wc -l < "$OUT/report.csv"]], "report")
L([[cat > hist.lua <<'X'
local f = io.open(os.getenv("HOME") .. "/.lua_history", "a")
if f then f:write("run\n") f:close() end
local data = require "dataset"
print(#data)
X
]], [[lua5.4 hist.lua]])
-- text and file tools
L("printf 'host=localhost\\nport=1\\n' > $OUT/s.ini", [[sed -i 's/^port=.*/port=8080/' "$OUT/s.ini"]], "out")
L("mkdir lib; echo 'import os' > lib/a.py; echo 'x=1' > lib/b.py", [[find . -name '*.py' -print0 | xargs -0 grep -n 'import requests']])
L("printf 'b\\na\\nc\\n' > in.txt", [[sort -u -o "$OUT/sorted.txt" in.txt]], "sorted")
L("printf 'web 1\\ndb 2\\n' > usage.txt", [[awk -v d="$OUT" '{ print $2 > (d "/" $1 ".txt") }' usage.txt]], "web")
L("mkdir src; echo x > src/a", [[tar -czf ~/backup-$(date +%F).tar.gz src && echo saved]], "backup")
L("", [[tar -xzf release-2.1.tar.gz && cd release-2.1 && ./configure]])
L("mkdir -p pkg/bin; echo x > pkg/bin/t; tar -cf pkg.tar pkg", [[tar -xf pkg.tar -C "$OUT" --strip-components=1 && ls "$OUT/bin"]], "out")
L("mkdir d; echo x > d/a; echo y > d/b", [[zip -qr "$OUT/release.zip" d && unzip -l "$OUT/release.zip" | tail -1]], "out")
L("head -c 300 /dev/urandom > broken.zip", [[mkdir -p x && unzip -q broken.zip -d x]])
L("mkdir -p public; echo x > public/index.html; mkdir $OUT/www", [[rsync -a --delete public/ "$OUT/www/"]], "www")
L("mkdir -p $OUT/data; echo 1 > $OUT/data/a.csv", [[rsync -a "$OUT/data/" data/ && cat data/a.csv]])
L("echo x > notes.txt", [[mv notes.txt "$OUT/" && ls "$OUT"]], "notes")
L("mkdir -p $HOME/.local/bin; printf '#!/bin/sh\\necho hi\\n' > tool; chmod +x tool", [[ln -sf "$PWD/tool" ~/.local/bin/tool && ~/.local/bin/tool]], "tool")
L("printf '#!/bin/sh\\necho hi\\n' > tool.sh", [[install -Dm755 tool.sh /usr/local/bin/mytool]])
L("printf 'a\\nb\\nc\\n' > f.txt; printf -- '--- a/f.txt\\n+++ b/f.txt\\n@@ -1,3 +1,3 @@\\n x\\n-y\\n+Y\\n z\\n' > fix.patch", [[patch -p1 --forward < fix.patch]])
L("mkdir $OUT/p; printf 'a\\nb\\nc\\n' > $OUT/p/f.txt; printf -- '--- a/f.txt\\n+++ b/f.txt\\n@@ -1,3 +1,3 @@\\n a\\n-b\\n+B\\n c\\n' > fix.patch", [[patch -d "$OUT/p" -p1 -i "$PWD/fix.patch"]], "out")
L("mkdir a $OUT/a; echo 1 > a/x; echo 2 > $OUT/a/x", [[diff -ru "$OUT/a" a > changes.diff || { cat changes.diff; exit 1; }]])
L("mkdir -p $OUT/old/x; touch $OUT/old/x/y", [[rm -rf "$OUT/old" && mkdir "$OUT/new"]], "old")
L("printf '#!/bin/sh\\necho step 1; echo step 2\\n' > run.sh; chmod +x run.sh", [[./run.sh 2>&1 | tee "$OUT/run.log"]], "run.log")
-- network
L("", [[curl -fsS --max-time 5 http://127.0.0.1:$PORT/version -o version.txt && cat version.txt]], "")
L("", [[curl -fsS --max-time 5 http://localhost:$CLOSED/health]])
L("", [[wget -q -T 5 -t 1 -O data.json "http://127.0.0.1:$PORT/data.json" && jq -r .name data.json]], "")
L("echo '{\"v\":1}' > cached.json", [[wget -q -T 5 -t 1 -O fresh.json "http://127.0.0.1:$CLOSED/f.json" || cp cached.json fresh.json; jq .v fresh.json]])
L("", [[for i in 1 2 3; do curl -sf --max-time 5 "http://127.0.0.1:$PORT/ping" >/dev/null && { echo up; exit 0; }; sleep 0.3; done; echo "service did not come up" >&2; exit 1]], "")
-- sqlite, keys, shell
L("", [[sqlite3 ~/.tasks.db "create table t(x); insert into t values(1); select count(*) from t;"]], "tasks")
L("sqlite3 app.db 'create table users(id int)'", [[sqlite3 app.db "select name from customers;"]])
L("mkdir -m 700 $HOME/.ssh", [[ssh-keygen -q -t ed25519 -N '' -C ci -f ~/.ssh/id_ed25519 && cat ~/.ssh/id_ed25519.pub]], "ssh")
L("", [[ssh-keygen -q -t ed25519 -N '' -f ./deploy_key && ssh-keygen -lf deploy_key.pub]])
L("printf 'set -e\\nmkdir -p \"$HOME/.config/mytool\"\\necho token=1 > \"$HOME/.config/mytool/config\"\\necho configured\\n' > setup-tool.sh", [[bash setup-tool.sh]], "config")
L("echo artifact > a.bin", [[set -e; tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cp a.bin "$tmp/"; gzip "$tmp/a.bin"; cp "$tmp/a.bin.gz" "$OUT/a.bin.gz"; echo published]], "a.bin")
L("", [[echo 'export PATH="$HOME/.local/bin:$PATH"' >> ~/.bashrc && tail -1 ~/.bashrc]], "bashrc")
L("printf '#!/bin/sh\\nmkdir -p \"$HOME/.cache/lint\" 2>/dev/null || echo \"warning: no cache\" >&2\\necho \"src/a.c:3: trailing space\"\\nexit 1\\n' > lint.sh; chmod +x lint.sh", [[./lint.sh]])
L("echo s > secret.key; chmod 000 secret.key", [[cat secret.key | openssl dgst -sha256; exit ${PIPESTATUS[0]}]])
L("", [[terraform plan -out tf.plan]])
L("", [[gpg --batch --list-keys && echo keyring ok]], "gnupg")
L("", [[curl -fsS --max-time 5 "http://127.0.0.1:$PORT/v2/manifest" -o manifest.json && jq . manifest.json]])
L("", [[curl -fsS --max-time 5 --unix-socket "$USOCK" http://localhost/ping && echo]], "")
L("printf '#!/bin/sh\\necho hook ran\\n' > $OUT/hook.sh", [[chmod +x "$OUT/hook.sh" && "$OUT/hook.sh"]], "hook")
L("mkdir conf", [[(echo "127.0.0.1 app.local" >> /etc/hosts) 2>/dev/null || echo "no rights on /etc/hosts, going on"; test -s conf/app.yaml || { echo "conf/app.yaml is missing" >&2; exit 4; }]])
return S

-- luacheck: no max line length (a command line is one line)
-- Lines written when the judge was done, measured once, and never tuned on: what the figures are for
-- lines that it hasn't seen. Who changes the judge because of one of these moves it to cases.lua and
-- writes a new one. "policy|line", as in cases.lua; no truth stands here either.
local LINES = [==[
ww|cp -v package.json $OUT/pkg.json
ww|cat package.json | jq '.version = "2.0.0"' > $OUT/package.json
ww|jq '.dependencies.left' package.json | grep -v null
ww|tar -cJf $OUT/src.tar.xz *.py
ww|tar -xf nosuch.tar.gz -C $OUT
ww|git rev-parse --verify HEAD && git show HEAD:data.txt > $OUT/old
ww|git log --oneline -5 | grep -i fixme
ww|git commit -am 'wip'
ww|git checkout -- data.txt
ww|git clean -fdx --dry-run && git restore data.txt
ww|git cherry-pick deadbeef
ww|git describe --tags
ww|make prog && ./prog && cp prog $OUT/
ww|make prog CFLAGS=-Wnosuch -s && ./prog x y && false
ww|gcc -Wall -Werror -c bad.c -o bad.o
ww|gcc ok.c -o $OUT/bin/ok
ww|python3 -m unittest discover -p 'test_good.py' && cp mod.py $OUT
ww|python3 -m unittest discover -p 'test_*.py'
ww|python3 -m venv --without-pip .venv && .venv/bin/python -c 'import mod' && .venv/bin/python fails.py
ww|python3 -c "import json;json.load(open('data.txt'))"
ww|python3 -c "import yamlx" 2>&1 | tail -1; python3 -c "import nosuch"
ww|python3 -c "import os;os.symlink('/etc/hosts',os.environ['OUT']+'/h')"
ww|python3 -c "import os;os.chmod(os.environ['OUT']+'/tool.sh',0o700)"
ww|python3 -c "import pathlib,os;p=pathlib.Path(os.environ['OUT'])/'cfg'/'a.ini';p.parent.mkdir(parents=True,exist_ok=True);p.write_text('x')"
ww|python3 -c "import socket,os;s=socket.create_connection(('localhost',int(os.environ['TCP'])),2)"
ww|node -e "require('fs').rmSync(process.env.OUT+'/dir',{recursive:true})"
ww|node -e "console.log(JSON.parse('nope'))"
ww|node -e "require('http').get('http://127.0.0.1:'+process.env.TCP,r=>process.exit(r.statusCode===200?0:1))"
ww|npm install --offline nosuchpkg
ww|npm pkg set description=x && npm pack --pack-destination $OUT
ww|npm run nosuchscript
ww|sqlite3 app.db 'create table a(b)' && sqlite3 app.db '.schema' && cp app.db $OUT/
ww|sqlite3 $OUT/data.db 'delete from t'
ww|sqlite3 app.db 'selec 1'
ww|sed -i.bak 's/outside/inside/' $OUT/file
ww|awk '/hello/ {print > ENVIRON["OUT"] "/hits"}' data.txt
ww|awk '/nomatch/ {found=1} END {exit !found}' data.txt
ww|find $OUT -type f -newer data.txt -exec chmod 644 {} +
ww|find . -name '*.py' | xargs grep -l nosuchsymbol
ww|rsync -a --exclude .git ./ $OUT/mirror/
ww|rsync -a $OUT/nosuch/ ./copy/
ww|curl -fsSL http://127.0.0.1:$TCP/install.sh -o install.sh && sh install.sh
ww|curl -o /dev/null -sw '%{http_code}' http://127.0.0.1:$TCP/ | grep 200
ww|curl file:///nonexistent
ww|ssh -o BatchMode=yes -o ConnectTimeout=2 -p 1 127.0.0.1 true
ww|bash -lc 'cd $OUT && for d in a b; do mkdir -p $d; done && echo done'
ww|bash -lc 'set -eo pipefail; cat list.txt | tr a-z A-Z | tee $OUT/upper'
ww|bash -lc 'pushd nosuch && ls'
ww|bash -c 'shopt -s nullglob; files=(*.rs); [[ ${#files[@]} -gt 0 ]]'
ww|bash -c 'mapfile -t l < list.txt; printf "%s\n" "${l[@]}" > $OUT/l.txt'
ww|bash -c 'touch $OUT/ok || echo "could not" ; test -f data.txt'
ww|bash -c 'touch $OUT/ok || { echo "could not" >&2; false; }'
ww|bash -c 'mkdir -p $OUT/tmp 2>/dev/null || T=/tmp; python3 syntax.py'
ww|bash -c 'command -v nosuchtool >/dev/null || { echo "nosuchtool is required" >&2; exit 1; }'
ww|dd if=/dev/urandom of=$OUT/blob bs=1k count=1 status=none
ww|cat $OUT/file $OUT/nothere
ww|diff -u $OUT/file data.txt
ww|chmod +x $OUT/app.conf && $OUT/app.conf
ww|ln -sf $PWD/build.sh $OUT/b && $OUT/b
ww|mv list.txt $OUT/list.txt
ww|mkdir $OUT/file/x
ww|openssl genrsa -out $OUT/k.pem 2048
ww|printf 'x' >> ~/.profile
ww|echo '[a]' > ~/.config/tool.ini
ro|echo hi > /tmp/jfresh.$$ && rm /tmp/jfresh.$$
ro|python3 -m unittest -q test_good
ro|make -n prog
ro|git status -s
ro|git commit -qam x
ro|npm test
]==]

local M = {}
for policy, line in LINES:gmatch("(%l+)|([^\n]+)") do
  M[#M + 1] = { policy = policy, line = line, needs = {} }
end

return M

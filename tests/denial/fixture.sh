# Makes what the labelled set works on, in the directory it is called in: work/ (where each line
# starts), out/ (beside it, no writable root), home/, theirs/ (where it is root's, another's).
set -e
export HOME=$PWD/home GIT_CONFIG_NOSYSTEM=1 LC_ALL=C
mkdir -p work out/dir out/empty home/.cache home/.config
has() { command -v "$1" >/dev/null; }

cd out
echo outside >file
echo a >dir/a
echo b >dir/b
printf '#!/bin/sh\necho tool\n' >tool.sh
chmod 755 tool.sh
ln -s file link
echo 'key=1' >app.conf
if has sqlite3; then sqlite3 data.db 'create table t(x); insert into t values (1);'; fi
if has git; then
  git init -q -b main repo
  (cd repo && git config user.email a@example.org && git config user.name a && echo 1 >f &&
    git add f && git commit -qm one)
fi

cd ../home
echo '# bash' >.bashrc
mkdir -p .ssh
echo key >.ssh/id_test
chmod 700 .ssh
printf '[user]\n\tname = a\n\temail = a@example.org\n' >.gitconfig

mkdir ../theirs
echo private >../theirs/note
chmod 600 ../theirs/note
[ "$(id -u)" != 0 ] || chown 65534 ../theirs/note

cd ../work
echo hello >data.txt
printf 'a\nb\nc\n' >list.txt
printf '{"name": "p", "version": "1.0.0", "scripts": {"test": "exit 1", "ok": "echo ok", "out": "touch $OUT/npm"}}\n' >package.json
printf 'int main(void) { return 0; }\n' >ok.c
printf 'int main(void) { return nothing; }\n' >bad.c
printf 'all: prog\nprog: ok.c\n\tcc -o prog ok.c\ninstall: prog\n\tcp prog $(OUT)/prog\ncheck:\n\tfalse\nbroken: missing.c\n\tcc -o x missing.c\n' >Makefile
printf 'import mod\nassert mod.one() == 2, "one is not two"\n' >fails.py
printf 'import mod\nassert mod.one() == 1\n' >passes.py
printf 'def one():\n    return 1\n' >mod.py
printf 'def broken(:\n' >syntax.py
printf 'import unittest\nimport mod\n\n\nclass T(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(mod.one(), 2)\n' >test_bad.py
printf 'import unittest\nimport mod\n\n\nclass T(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(mod.one(), 1)\n' >test_good.py
printf 'import os\nimport unittest\n\n\nclass T(unittest.TestCase):\n    def test_write(self):\n        with open(os.environ["OUT"] + "/made", "w") as f:\n            f.write("x")\n' >test_out.py
printf '#!/bin/sh\nset -e\necho building\nmkdir -p "$OUT/build"\necho done >"$OUT/build/log"\n' >build.sh
printf '#!/bin/sh\nif ! cp data.txt "$OUT/copy" 2>/dev/null; then\n  echo "deploy: could not place the file" >&2\n  exit 4\nfi\n' >deploy.sh
printf '#!/bin/sh\nmkdir -p "$OUT/cache" 2>/dev/null || true\ngrep -q nowhere data.txt\n' >cached.sh
chmod 755 build.sh deploy.sh cached.sh
if has git; then
  git init -q -b main .
  git add .
  git commit -qm first
  echo more >>data.txt
fi

-- node and npm in workspace-write.
local support = require "tests.support"
local tools = require "tests.tools"

tools.skip = function(why) pending(why) end

local SCRIPT = [[
const fs = require("fs"), path = require("path"), assert = require("assert");
const { execFileSync, spawn, fork } = require("child_process");
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");

if (!isMainThread) {
  parentPort.postMessage(workerData * workerData);
} else if (process.argv[2] === "child") {
  process.on("message", (word) => { process.send(word + " back"); process.disconnect(); });
} else {
  main().catch((error) => { console.error(error); process.exit(1); });
}

async function main() {
  const squares = await Promise.all([1, 2, 3, 4].map((n) => new Promise((done, fail) => {
    new Worker(__filename, { workerData: n }).on("message", done).on("error", fail);
  })));
  console.log("workers", squares.join());
  console.log("exec", execFileSync("echo", ["hi"]).toString().trim());
  const cat = spawn("cat");
  let text = "";
  cat.stdout.on("data", (piece) => { text += piece; });
  cat.stdin.end("through cat");
  await new Promise((done) => cat.on("close", done));
  console.log("spawn", text);
  const child = fork(__filename, ["child"]);
  child.send("there");
  console.log("fork", await new Promise((done) => child.on("message", done)));
  fs.mkdirSync("made/deep", { recursive: true });
  await fs.promises.writeFile("made/deep/file", "x".repeat(1 << 20));
  await fs.promises.cp("made", "copied", { recursive: true });
  console.log("files", fs.statSync("copied/deep/file").size);
  await assert.rejects(fs.promises.writeFile(path.resolve("../outside"), "x"));
  fs.rmSync("made", { recursive: true });
}
]]

local SAID = "workers 1,4,9,16\nexec hi\nspawn through cat\nfork there back\nfiles 1048576\n"

local TEST = [[
const test = require("node:test"), assert = require("node:assert");
test("adds", () => assert.strictEqual(1 + 1, 2));
test("waits", async () => { await new Promise((done) => setTimeout(done, 5)); });
]]

local function package(place, directory, text)
  support.shell("mkdir -p %s", place.work .. "/" .. directory)
  place:write(directory .. "/package.json", text)
end

tools.each_tier("bun", function(test)
  test("starts others, and reads what they say", { "bun" }, function(place)
    local code = "console.log(await new Response(Bun.spawn(['echo', 'hi']).stdout).text(), 1 + 1)"
    assert.equal("hi\n 2\n", place:output({ "bun", "-e", code }))
  end)
end)

tools.each_tier("node", function(test)
  test("runs a script with worker threads and child processes", { "node" }, function(place)
    place:write("run.js", SCRIPT)
    assert.equal(SAID, place:output({ "node", "run.js" }))
    assert.is_false(support.exists(place.directory .. "/outside"))
    assert.is_false(place:exists("made"))
  end)

  test("runs its own tests", { "node" }, function(place)
    place:write("it.test.js", TEST)
    if place:host_output("node --help"):find("--test", 1, true) == nil then
      tools.skip("this node has no --test")
    end
    assert.matches("pass 2\n", place:output({ "node", "--test" }))
  end)

  test("reaches nobody, and says so with an error", { "node" }, function(place)
    local text = place:output({ "node", "-e", [[
      const net = require("net");
      net.connect(9, "127.0.0.1").on("error", (error) => console.log("client", error.code));
      net.createServer().on("error", (error) => console.log("server", error.code))
        .listen(0, "127.0.0.1");]] })
    assert.matches("client E%u+\n", text)
    assert.matches("server E%u+\n", text)
    assert.are_not.matches("ECONNREFUSED", text)
  end)

  test("npm installs offline from a directory, and runs scripts", { "npm" }, function(place)
    package(place, "library", '{"name": "library", "version": "1.0.0", "bin": "main.js"}')
    package(place, ".", [[{"name": "app", "version": "1.0.0",
      "dependencies": {"library": "file:library"},
      "scripts": {"start": "library && node -p 'require(\"library/package.json\").version'"}}]])
    place:write("library/main.js", "#!/usr/bin/env node\nconsole.log('from the library')\n")
    place:output("npm install --offline --no-audit --no-fund --loglevel=error")
    assert.equal("from the library\n1.0.0\n", place:output("npm run --silent start"))
    place:output("npm ci --offline --no-audit --no-fund && npm pack --silent ./library")
    assert.is_true(place:exists("library-1.0.0.tgz"))
  end)
end)

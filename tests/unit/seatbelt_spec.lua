-- The macOS form, written out.
local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
local fake = dofile(HERE .. "/fake.lua")
local policy = require "sbx.policy"
local seatbelt = require "sbx.seatbelt"

local FS = fake.fs({
  ["/private"] = "directory", ["/private/tmp"] = "directory", ["/tmp"] = { link = "/private/tmp" },
  ["/Users"] = "directory", ["/Users/u"] = "directory", ["/Users/u/w"] = "directory",
  ["/Users/u/w/src"] = "directory", ["/Users/u/w/.git"] = "directory",
})

local function plan(table_)
  return assert(policy.plan(table_, { cwd = "/Users/u/w", env = {}, uid = 501, fs = FS,
                                      sandbox = "macos-seatbelt" }))
end

local HEAD = [[
(version 1)
(deny default)

; a command may start others, and reach only what it started
(allow process-fork)
(allow process-exec)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))

; what the C library asks of the system at start
(allow sysctl-read)
(allow user-preference-read)
(allow ipc-posix-sem)
(allow mach-lookup
  (global-name "com.apple.system.logger")
  (global-name "com.apple.system.notification_center")
  (global-name "com.apple.system.opendirectoryd.libinfo"))
]]

local TAIL = [[

; harmless devices and the terminal
(allow file-read* file-write-data file-ioctl
  (literal "/dev/null") (literal "/dev/zero") (literal "/dev/random") (literal "/dev/urandom")
  (literal "/dev/tty") (literal "/dev/dtracehelper"))
]]

describe("seatbelt.command", function()
  it("reads all and writes nothing under read-only", function()
    assert.same({ "/usr/bin/sandbox-exec", "-p", HEAD .. "\n(allow file-read*)\n" .. TAIL, "--",
                  "ls", "-l" }, seatbelt.command(plan({ mode = "read-only" }), { "ls", "-l" }))
  end)

  it("names roots by parameters, the most specific rule last", function()
    local command = seatbelt.command(plan({
      mode = "workspace-write", protect = { ".git" }, read_only = { "src" },
    }), { "make" })
    assert.same({
      "/usr/bin/sandbox-exec", "-p", HEAD .. [[

(allow file-read*)
(allow file-read* file-write* (subpath (param "WRITABLE_ROOT_1")))
(allow file-read* file-write* (subpath (param "WRITABLE_ROOT_0")))
(deny file-write* (subpath (param "PROTECTED_1")))
(deny file-write* (subpath (param "PROTECTED_0")))
(deny file-write* (subpath (param "READ_ONLY_0")))
]] .. TAIL,
      "-DWRITABLE_ROOT_1=/private/tmp", "-DWRITABLE_ROOT_0=/Users/u/w",
      "-DPROTECTED_1=/private/tmp/.git", "-DPROTECTED_0=/Users/u/w/.git",
      "-DREAD_ONLY_0=/Users/u/w/src", "--", "make",
    }, command)
  end)

  it("opens the network only when it is full", function()
    assert.is_nil((seatbelt.profile(plan({ mode = "read-only" }))):find("network", 1, true))
    local full = seatbelt.profile(plan({ mode = "read-only", network_access = true }))
    assert.is_truthy(full:find("(allow network*)", 1, true))
    local command, err = seatbelt.command(plan({ network = "loopback" }), { "ls" })
    assert.is_nil(command)
    assert.equal("policy", err.kind)
  end)

  it("keeps paths out of the text", function()
    local evil = "/Users/u/w/\")) (allow network-outbound) ((\""
    local fs = fake.fs({ ["/Users"] = "directory", ["/Users/u"] = "directory",
                         ["/Users/u/w"] = "directory" })
    local inner = fs.realpath
    fs.realpath = function(path) return path == evil and evil or inner(path) end
    fs.stat = function() return { type = "directory" } end
    local text, parameters = seatbelt.profile(assert(policy.plan(
      { mode = "read-only", writable_roots = { evil } },
      { cwd = "/Users/u/w", fs = fs, sandbox = "macos-seatbelt" })))
    assert.is_nil(text:find("network", 1, true))
    assert.equal("-DWRITABLE_ROOT_0=" .. evil, parameters[1])
  end)
end)

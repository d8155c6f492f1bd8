-- Runs the real program and gives what a shell would see of it.

local support = require "tests.support"

local M = {}

local prefix = os.getenv("SBX_PREFIX")
  or assert(io.popen("pwd"):read("l")) .. "/build"

M.path = prefix .. "/bin/sbxlua"

M.quote, M.read, M.write = support.quote, support.read, support.write

local function quoted(words)
  local out = {}
  for i, word in ipairs(words) do out[i] = M.quote(word) end
  return table.concat(out, " ")
end

--- A directory of its own, outside of what workspace-write lets a command write.
function M.directory()
  local pipe = io.popen("mktemp -d /var/tmp/sbxlua-cli.XXXXXX")
  local path = pipe:read("l")
  pipe:close()
  return path
end

function M.remove(directory)
  assert(directory:find("^/var/tmp/sbxlua%-cli%.%w+$"))
  os.execute("chmod -R u+rwX " .. directory .. " && rm -rf " .. directory)
end

-- Waits until a file has something in it, ten seconds at most: a test fails, it doesn't hang.
local PRELUDE = [[
until_there() {
  tries=0
  while [ ! -s "$1" ] && [ $tries -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
}
]]

--- Runs a line of shell; $sbxlua is the program, `until_there FILE` waits for a file.
---@return {status: integer, stdout: string, stderr: string}
function M.shell(line)
  local place = M.directory()
  local out, err = place .. "/out", place .. "/err"
  M.write(place .. "/line", PRELUDE .. line)
  local _, how, status = os.execute(string.format(
    "env sbxlua=%s sh %s/line </dev/null >%s 2>%s", M.quote(M.path), place, out, err))
  local result = {
    status = how == "signal" and 128 + status or status,
    stdout = M.read(out), stderr = M.read(err),
  }
  M.remove(place)
  return result
end

--- Runs the program with these words.
---@param words string[]
---@param options {stdin: string?, env: table<string, string>?, cwd: string?}?
function M.run(words, options)
  options = options or {}
  local place = M.directory()
  local line = { "cd " .. M.quote(options.cwd or "/") .. " && env" }
  for name, value in pairs(options.env or {}) do
    line[#line + 1] = M.quote(name .. "=" .. value)
  end
  line[#line + 1] = M.quote(M.path) .. " " .. quoted(words)
  if options.stdin then
    M.write(place .. "/in", options.stdin)
    line[#line + 1] = "<" .. place .. "/in"
  end
  local result = M.shell(table.concat(line, " "))
  M.remove(place)
  return result
end

--- `sbxlua run` with these words.
function M.command(words, options)
  return M.run({ "run", table.unpack(words) }, options)
end

--- The one object that `sbxlua run --json` printed; fails where anything else stands around it.
function M.object(result)
  assert(result.stdout:find("^{.*}\n$"), "not one object: " .. result.stdout:sub(1, 200))
  return require("cjson").new().decode(result.stdout)
end

return M

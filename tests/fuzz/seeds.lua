-- Makes the seeds that are real plans and requests: build/bin/sbxlua tests/fuzz/seeds.lua CORPUS
-- SEED, with build-fuzz/fuzz/seed as SEED. Those of other targets were written by hand.
local sbx = require "sbx"

local corpus, seed = arg[1], arg[2]
local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local function decode(text)
  local bytes, bits, count = {}, 0, 0
  for digit in text:gmatch(".") do
    bits = bits << 6 | ALPHABET:find(digit, 1, true) - 1
    count = count + 6
    if count >= 8 then
      count = count - 8
      bytes[#bytes + 1] = string.char(bits >> count & 255)
      bits = bits & (1 << count) - 1
    end
  end
  return table.concat(bytes)
end

local function write(target, name, text)
  os.execute("mkdir -p '" .. corpus .. "/" .. target .. "'")
  local file = assert(io.open(("%s/%s/%s"):format(corpus, target, name), "wb"))
  file:write(text)
  file:close()
end

local function message(plan, name, how)
  local path = ("'%s/request/%s'"):format(corpus, name)
  if not os.execute(("'%s' '%s' %s >%s"):format(seed, plan, how, path)) then
    os.execute("rm -f " .. path)
  end
end

-- {name, options}: together they have every kind of record.
local CASES = {
  { "none", { policy = "danger-full-access", arg0 = "zero" } },
  { "read-only", { policy = "read-only" } },
  { "landlock", { policy = "read-only", tier = "landlock" } },
  { "write", { policy = { extends = "workspace-write", deny_read = { "/etc/ssh" } } } },
  { "loopback", { policy = { extends = "read-only", network = "loopback" } } },
  { "bounds", { limits = { memory_bytes = "64M", processes = 10, cpu_ms = 1000, open_files = 50,
                          file_bytes = "1M" } } },
  { "peers", { policy = { extends = "read-only", network = { allow = {
    "127.0.0.1:80", "[::1]:80", "10.0.0.0/8:443", "localhost:80" } } } } },
  { "open", { policy = { mode = "danger-full-access", read_only = { "/usr" } } } },
}

for _, case in ipairs(CASES) do
  local name, opts = table.unpack(case)
  opts.command, opts.cwd, opts.clear_env, opts.env = { "true" }, "/srv", true, { A = "b" }
  local exec, err = sbx.transform(opts)
  if not exec then
    io.stderr:write(name, ": ", tostring(err), "\n")
  else
    local words, i = {}, 2
    while exec.command[i] == "--plan" do
      words[#words + 1] = exec.command[i + 1]
      i = i + 2
    end
    local bytes = decode(table.concat(words))
    local plan = bytes:sub(17, 16 + string.unpack("<I4", bytes))
    write("plan", name, plan)
    write("view", name, "\0" .. plan)
    write("helper", name, "\0" .. bytes)
    write("request", name, "")
    message(corpus .. "/plan/" .. name, name, "")
  end
end
message(corpus .. "/plan/none", "memfd", "memfd")

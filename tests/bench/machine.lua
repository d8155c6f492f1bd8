-- What the figures were measured on.
local M = {}

local function read(path)
  local file = io.open(path)
  local text = file and file:read("a") or ""
  if file then file:close() end
  return text
end

local function first_line(command)
  local pipe = assert(io.popen(command .. " 2>/dev/null"))
  local line = pipe:read("l") or "unknown"
  pipe:close()
  return line
end

function M.describe()
  local cpuinfo = read("/proc/cpuinfo")
  local model = cpuinfo:match("model name%s*:%s*([^\n]+)") or first_line("uname -m")
  local _, cores = cpuinfo:gsub("processor%s*:", "")
  local sbx = require "sbx"
  local probe = sbx.probe()
  return table.concat({
    ("machine   %s, %d cores, %d MiB"):format(
      model, cores, (read("/proc/meminfo"):match("MemTotal:%s*(%d+)") or 0) // 1024),
    ("kernel    %s, Landlock ABI %s"):format(first_line("uname -r"), probe.landlock_abi),
    ("versions  sbxlua %s, %s, libseccomp %s, %s"):format(
      sbx.VERSION, _VERSION, first_line("pkg-config --modversion libseccomp"),
      first_line("cc --version")),
    "tiers     " .. table.concat(probe.tiers, ", "),
  }, "\n")
end

return M

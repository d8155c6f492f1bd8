-- What the specs of the public module share: scratch directories, and looks at the host.
local M = {}

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  pipe:close()
  return text
end

--- A new directory, with links resolved.
function M.scratch()
  return (lines_of("mktemp -d /tmp/sbx-api-XXXXXX"):gsub("\n", ""))
end

function M.remove(directory)
  assert(directory:match("^/tmp/sbx%-api%-"))
  os.execute("rm -rf '" .. directory .. "'")
end

function M.write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

function M.read(path)
  local file = io.open(path)
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

local count = 0

--- An argument for sleep that no other process on this machine has.
function M.marker()
  count = count + 1
  local own = M.read("/proc/self/stat"):match("^%d+")
  return ("86%03d.%s%03d"):format(count, own, os.time() % 1000)
end

--- How many processes of this machine have `marker` in their arguments.
function M.count_processes(marker)
  local hidden = "[" .. marker:sub(1, 1) .. "]" .. marker:sub(2):gsub("%.", "[.]")
  local grep = "grep -ls -- '" .. hidden .. "' /proc/[0-9]*/cmdline 2>/dev/null"
  return tonumber(lines_of(grep .. " | wc -l"))
end

--- Waits at most two seconds for it.
function M.gone(marker)
  for _ = 1, 20 do
    if M.count_processes(marker) == 0 then return true end
    os.execute("sleep 0.1")
  end
  return false
end

--- How many descriptors this process has open.
function M.open_files()
  local own = M.read("/proc/self/stat"):match("^%d+")
  return tonumber(lines_of("ls /proc/" .. own .. "/fd | wc -l"))
end

return M

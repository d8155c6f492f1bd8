-- A new directory below /var/tmp, for a part of the bench; the part removes it.
local BASE = os.getenv("SBX_BENCH_DIRECTORY") or "/var/tmp"

---@return string directory  its real path
return function()
  local pipe = assert(io.popen("d=$(mktemp -d " .. BASE .. "/sbx-bench.XXXXXX) && realpath $d"))
  local directory = pipe:read("l")
  pipe:close()
  return directory
end

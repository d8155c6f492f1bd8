-- What the specs of the public module share: scratch directories, and looks at the host.
local support = require "tests.support"

local M = {
  read = support.read, write = support.write, marker = support.marker, gone = support.gone,
  count_processes = support.count, open_files = support.open_files,
}

--- A new directory, with links resolved.
function M.scratch()
  return (support.output("mktemp -d /tmp/sbx-api-XXXXXX"):gsub("\n", ""))
end

function M.remove(directory)
  assert(directory:match("^/tmp/sbx%-api%-"))
  os.execute("rm -rf '" .. directory .. "'")
end

return M

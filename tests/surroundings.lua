-- What sbxlua is run inside of: the words that go before it, and what to expect there.
local support = require "tests.support"

local PROGRAM = (os.getenv("SBX_PREFIX") or "build") .. "/bin/sbxlua"
local dockerlike = support.program("dockerlike")

---@class sbx.tests.Surrounding
---@field name string
---@field words fun(place: table): string[]  `place` is writable there: the inner one refuses
---@field falls boolean?  no set of layers with mounts can be had in it, whatever the engine tries
---@field own boolean?  it is sbxlua itself: it must be had wherever the tests run
---@field reach boolean?  the host's listener can be reached from it
---@field may_refuse boolean?  a refusal to run is as good as a weaker tier

local NO_USERNS = "echo 0 >/proc/sys/user/max_user_namespaces && "
local NO_POWER = "exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all \"$@\""

local function bubblewrap(...)
  local options = { ... }
  return function(place)
    local words = { "bwrap", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev",
                    "--proc", "/proc", "--bind", place.directory, place.directory,
                    "--bind", "/tmp", "/tmp" }
    return table.move(options, 1, #options, #words + 1, words)
  end
end

-- The words of sandboxes around one more of their kind, `depth` in all.
local function nested(depth, ...)
  local options = { ... }
  return function(place)
    local words = {}
    for _ = 2, depth do
      local one = { PROGRAM, "run", "-q", "-p", "workspace-write", "-C", place.work,
                    "-w", place.directory, table.unpack(options) }
      one[#one + 1] = "--"
      table.move(one, 1, #one, #words + 1, words)
    end
    return words
  end
end

local function in_user_namespace(script, ...)
  local words = { "unshare", "--user", "--keep-caps", ... }
  table.move({ "sh", "-c", script, "sh" }, 1, 4, #words + 1, words)
  return function() return words end
end

local LIST = {
  { name = "a filter like Docker's", falls = true, reach = true,
    words = function() return { dockerlike } end },
  { name = "bubblewrap", reach = true, words = bubblewrap() },
  { name = "bubblewrap with namespaces of its own", reach = true,
    words = bubblewrap("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
                       "--unshare-cgroup-try") },
  { name = "bubblewrap without capabilities and user namespaces", reach = true, falls = true,
    may_refuse = true,
    words = bubblewrap("--unshare-user", "--disable-userns", "--cap-drop", "ALL") },
  { name = "bubblewrap as another user", reach = true,
    words = bubblewrap("--unshare-user", "--uid", "1234", "--gid", "1234", "--cap-drop", "ALL") },
  { name = "itself", falls = true, own = true, words = nested(2) },
  { name = "itself, three deep", falls = true, own = true, words = nested(3) },
  { name = "its landlock tier, three deep", falls = true, own = true,
    words = nested(3, "--tier", "landlock") },
  { name = "user.max_user_namespaces = 0", falls = true, reach = true,
    words = in_user_namespace(NO_USERNS .. NO_POWER, "--map-current-user") },
  { name = "user.max_user_namespaces = 0, as root of a namespace", reach = true,
    words = in_user_namespace(NO_USERNS .. "exec \"$@\"", "--map-root-user") },
}

return { list = LIST, nested = nested }

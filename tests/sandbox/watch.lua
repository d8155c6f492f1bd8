-- What the specs of the watch share: a workspace and a place outside of it, runs in each tier, and
-- evidence as one line each.
local sbx = require "sbx"
local support = require "tests.support"

local M = {}

local Watched = {}
Watched.__index = Watched

-- What is there before, by the operation that needs it; the rest makes what it names.
M.SCENE = [[cd %s && mkdir %s && cd %s &&
  for f in write append trunc again open2 truncate link rename unlink chmod chown utime xattr \
    unlinkat renameat read asks; do echo x >$f; done
  mkdir rmdir rmdir_full rmdir_full/x mkdir_there.there unlink_directory.there
  echo x >fresh_there.there; ln -s loop loop]]

--- Directories `work` and `out` in a new one, each with all that the operations need.
function M.new()
  local dir = support.directory()
  for _, name in ipairs({ "work", "out" }) do support.shell(M.SCENE, dir, name, name) end
  return setmetatable({ dir = dir, work = dir .. "/work", out = dir .. "/out" }, Watched)
end

function Watched:close() support.remove(self.dir) end

--- workspace-write with the workspace alone.
function M.policy(more)
  local policy = { extends = "workspace-write", exclude_slash_tmp = true,
                   exclude_tmpdir_env_var = true }
  for name, value in pairs(more or {}) do policy[name] = value end
  return policy
end

--- The result whatever came of it, and the error.
function Watched:run(tier, command, opts)
  opts = opts or {}
  if type(command) == "string" then command = { "sh", "-c", command } end
  local given = { command = command, cwd = self.work, policy = M.policy(opts.policy), tier = tier,
                  watch = true, timeout_ms = 60000 }
  for name, value in pairs(opts) do
    if name ~= "policy" then given[name] = value end
  end
  local r, err, out = sbx.run(given)
  return assert(r or out, tostring(err)), err
end

function Watched:python(tier, code, opts)
  return self:run(tier, { "python3", "-c", code }, opts)
end

--- Evidence without what differs between runs: "operation path target errno count".
function M.lines(r)
  local list = {}
  for _, one in ipairs(r.denial.evidence) do
    list[#list + 1] = table.concat({ one.operation, one.path or one.address or one.family,
                                     one.errno }, " ")
  end
  table.sort(list)
  return list
end

--- The first entry about a path.
function M.about(r, path)
  for _, one in ipairs(r.denial.evidence) do
    if one.path == path or one.address == path then return one end
  end
end

--- The tiers of this machine; those of a suite's run for one alone have nothing to add.
function M.tiers()
  return os.getenv("SBX_TIER") == "landlock" and {} or sbx.probe().tiers
end

return M

-- What the specs of the contained tier's paths share: a workspace that no shipped policy opens
-- otherwise, commands in it, and its state without what time alone changes.
local busted = require "busted"
local sbx = require "sbx"
local support = require "tests.support"

local M = {}

M.contained = support.tier() == "contained"

M.WEAKER = "only the contained tier holds this"

--- `it` where the contained tier is in force; elsewhere the test is pending.
function M.test(name, body)
  busted.it(name, M.contained and body or function() busted.pending(M.WEAKER) end)
end

local Scene = {}
Scene.__index = Scene

--- Directories `work` and `out` in a new one.
function M.new()
  local dir = support.directory()
  support.shell("mkdir %s/work %s/out", dir, dir)
  return setmetatable({ dir = dir, work = dir .. "/work", out = dir .. "/out" }, Scene)
end

function Scene:close() support.remove(self.dir) end

--- A line of sh on the host, in the workspace.
function Scene:host(line, directory)
  local text = "cd " .. support.quote(directory or self.work) .. "\n" .. line
  support.shell((text:gsub("%%", "%%%%")), "")
end

function Scene:output(line, directory)
  return support.output("cd " .. support.quote(directory or self.work) .. "\n" .. line)
end

--- workspace-write with cwd alone, and more fields.
function M.policy(more)
  local policy = { extends = "workspace-write", exclude_slash_tmp = true,
                   exclude_tmpdir_env_var = true }
  for name, value in pairs(more or {}) do policy[name] = value end
  return policy
end

--- The result whatever came of it, and the error.
function Scene:run(command, opts)
  opts = opts or {}
  if type(command) == "string" then command = { "sh", "-c", command } end
  local r, err, out = sbx.run({
    command = command, cwd = opts.cwd or self.work, policy = opts.policy or M.policy(opts.more),
    tier = opts.tier, env = opts.env, timeout_ms = opts.timeout_ms, on_output = opts.on_output,
  })
  return r or out or (err and err.output), err
end

--- Runs `code` in a lua of its own with this environment, to its end; what it prints.
function Scene:lua(code, env, ...)
  local words = {}
  for i, word in ipairs({ ... }) do words[i] = support.quote(word) end
  support.write(self.dir .. "/host.lua", code)
  local line = ("cd %s; %s LUA_PATH=%s LUA_CPATH=%s lua5.4 %s/host.lua %s 2>&1 </dev/null"):format(
    support.quote(self.work), env or "", support.quote(package.path),
    support.quote(package.cpath), self.dir, table.concat(words, " "))
  return support.output(line)
end

--- The names at the top of a directory, in order.
function M.names(directory)
  return support.output("ls -A " .. support.quote(directory))
end

--- Types, names, modes, sizes, times of files, links, contents; not the times of directories, in
--- which placeholders came and went, and nothing below a directory `free`.
function M.state(directory)
  return support.output(([[cd %s || exit
    seen() { find . -mindepth 1 -name free -prune -o "$@" | sort; }
    seen ! -type d -printf '%%P %%y %%m %%n %%U %%s %%T@ %%l\n'
    seen -type d -printf '%%P %%y %%m %%U\n'
    seen -type f -exec md5sum {} +]]):format(support.quote(directory)))
end

--- Waits, a second at most, until the names at the top of a directory are these.
function M.becomes(directory, names)
  support.wait_until(function() return M.names(directory) == names end, 1)
  return M.names(directory)
end

return M

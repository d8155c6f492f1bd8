-- Pure functions on paths: text in, text out. What needs the file system is asked of `ctx.fs`.

local M = {}

--- Joins a relative path to a directory; an absolute one stays.
function M.join(base, path)
  if path:sub(1, 1) == "/" then return path end
  if base:sub(-1) == "/" then return base .. path end
  return base .. "/" .. path
end

--- Without double slashes, `.` and a slash at the end. `..` stays: what it means depends on links.
function M.clean(path)
  local parts = {}
  for part in path:gmatch("[^/]+") do
    if part ~= "." then parts[#parts + 1] = part end
  end
  local text = table.concat(parts, "/")
  if path:sub(1, 1) == "/" then return "/" .. text end
  return text == "" and "." or text
end

--- The parent, and the last name; nil for `/`.
function M.split(path)
  local parent, name = path:match("^(.*)/([^/]+)$")
  if not parent then return nil end
  return parent == "" and "/" or parent, name
end

--- How many components an absolute path has.
function M.depth(path)
  local _, count = path:gsub("[^/]+", "")
  return count
end

--- Whether `path` is `base` or lies below it, by components: `/ab` is not below `/a`.
function M.covers(base, path)
  if base == "/" or base == path then return true end
  return path:sub(1, #base + 1) == base .. "/"
end

--- Whether `path` lies below `base` and is not `base` itself.
function M.inside(base, path)
  return base ~= path and M.covers(base, path)
end

local function variable(name, ctx)
  local env = ctx.env or {}
  if name == "cwd" then return ctx.cwd end
  if name == "HOME" then return ctx.home or env.HOME end
  if name == "TMPDIR" then return ctx.tmpdir or env.TMPDIR end
  local asked = name:match("^env:(.+)$")
  if asked then return env[asked] end
  return nil, true
end

local function bad(entry, why)
  return nil, string.format("%q %s", entry, why)
end

local function check_text(entry)
  if entry == "" then return bad(entry, "is an empty path") end
  if entry:find("%z") then return bad(entry, "contains a NUL byte") end
  if entry:find("[%*%?%[]") then
    return bad(entry, "has *, ? or [ in it: globs are not taken here, name the directory")
  end
  return true
end

-- Gives the text, or nil and which variable is unset, or nil, nil and what is wrong.
local function substitute(entry, ctx)
  local unset, problem
  local text = entry:gsub("%${([^}]*)}", function(name)
    local value, unknown = variable(name, ctx)
    if unknown then
      problem = string.format("%q: ${%s} is not known (${cwd}, ${HOME}, ${TMPDIR}, ${env:NAME})",
                              entry, name)
    elseif not value or value == "" then
      unset = name
    end
    return value or ""
  end)
  if problem then return nil, nil, problem end
  if unset then return nil, unset end
  return text
end

--- An entry of a policy as an absolute path: `path`; or nil and the variable that is unset (the
--- entry is skipped); or nil, nil and what is wrong with it.
---@param entry string
---@param ctx table  {cwd, env, home, tmpdir}
---@return string|nil path, string|nil unset, string|nil problem
function M.expand(entry, ctx)
  local ok, problem = check_text(entry)
  if not ok then return nil, nil, problem end
  if entry == "~" or entry:sub(1, 2) == "~/" then entry = "${HOME}" .. entry:sub(2) end
  local text, unset
  text, unset, problem = substitute(entry, ctx)
  if not text then return nil, unset, problem end
  if text:sub(1, 1) ~= "/" and not ctx.cwd then
    return nil, nil, string.format("%q is relative and the working directory is not known", entry)
  end
  return M.clean(M.join(ctx.cwd or "/", text))
end

--- Where each component of a path ends.
---@return integer[]
function M.ends_of(path)
  local list = {}
  for stop in path:gmatch("[^/]+()") do list[#list + 1] = stop - 1 end
  return list
end

return M

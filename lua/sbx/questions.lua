-- `ctx.fs`: what a plan asks of the file system, asked of a world that remembers the answers. As
-- all of them are compared before each use of a sandbox, each is asked once and in its cheapest
-- form.

local core = require "sbx.core"

local M = {}

-- Text whose real path can be told component by component.
local function is_plain(path)
  return path:sub(1, 1) == "/" and path ~= "/" and not path:find("//", 1, true)
    and not (path .. "/"):find("/%.%.?/") and path:sub(-1) ~= "/"
end

local Questions = {}
Questions.__index = Questions

local function new(world)
  return setmetatable({ world = world, known = {} }, Questions)
end

function Questions:ask(question, path)
  local key = question .. path
  local answer = self.known[key]
  if answer == nil then
    answer = self.world[question](self.world, path) or false
    self.known[key] = answer
  end
  return answer or nil
end

-- A path without a link in it is its own real path, and looking at each component is both cheaper
-- to repeat than realpath(3) and sees a directory on the way that was put in another's place.
function Questions:realpath(path)
  if not is_plain(path) then return self:ask("realpath", path) end
  local from = 1
  repeat
    local stop = path:find("/", from + 1, true)
    local found = self:ask("lstat", path:sub(1, (stop or 0) - 1))
    if not found then return nil end
    if found.type == "link" then return self:ask("realpath", path) end
    from = stop
  until not stop
  return path
end

-- What is no link is the same with and without following it.
function Questions:stat(path)
  local seen = self.known["lstat" .. path]
  if seen == false then return nil end
  if seen and seen.type ~= "link" then return seen end
  return self:ask("stat", path)
end

-- To find nothing is cheaper to repeat as a stat.
function Questions:read(path)
  if not self:stat(path) then return nil end
  return self:ask("read", path)
end

local own_places, own_trouble

-- The engine's own places never change under a process: they are told from outside the world, and
-- told again where they could not be.
local function real_own(own)
  if own_places then return own_places end
  local world, places = core.world(), {}
  local asked = new(world)
  for _, path in ipairs(own) do places[path] = asked:realpath(path) or path end
  own_trouble = { world:trouble() }
  if not own_trouble[1] then own_places = places end
  return places
end

--- The first question that could not be asked for want of memory, descriptors and the like: what
--- the plan took for missing may be there.
---@return string|nil code, string|nil path
function M.trouble(world)
  if own_trouble and own_trouble[1] then return own_trouble[1], own_trouble[2] end
  return world:trouble()
end

--- The functions for `ctx.fs`.
---@param world userdata
---@param own string[]  the engine's own places
function M.fs(world, own)
  local asked, places = new(world), real_own(own)
  return {
    stat = function(path) return asked:stat(path) end,
    lstat = function(path) return asked:ask("lstat", path) end,
    realpath = function(path) return places[path] or asked:realpath(path) end,
    read = function(path) return asked:read(path) end,
    -- why nothing was found, where it isn't that nothing is there: told anew each time
    trouble = function(path)
      local found, raw = core.fs_stat(path)
      local absent = found or raw.code == "ENOENT" or raw.code == "ENOTDIR"
      return not absent and raw.code or nil
    end,
    -- a core without it tells links that lead through links by their first alone
    readlink = world.readlink and function(path) return asked:ask("readlink", path) end,
  }
end

return M

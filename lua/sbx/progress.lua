-- One line on a terminal that says how far many commands are; nothing anywhere else.

local core = require "sbx.core"

local M = {}

local STDERR = 2
local EVERY_MS = 200

local Progress = {}
Progress.__index = Progress

--- `wanted`: whether the host wants it at all. `total`: of the commands, or nil.
---@return table
function M.new(wanted, total)
  return setmetatable({
    shown = wanted and core.isatty(STDERR) or false, total = total, began = core.now(), done = 0,
    failed = 0, drawn = 0,
  }, Progress)
end

--- A command has ended.
---@param well boolean
function Progress:ended(well)
  self.done = self.done + 1
  if not well then self.failed = self.failed + 1 end
end

--- Milliseconds until the next line is due; nil where none is.
---@return number|nil
function Progress:due()
  return self.shown and EVERY_MS or nil
end

--- The line.
---@param running integer
---@return string
function Progress:text(running)
  local seconds = math.floor((core.now() - self.began) / 1000)
  local of = self.total and "/" .. self.total or ""
  local failed = self.failed > 0 and ", " .. self.failed .. " failed" or ""
  return string.format("%d%s done%s, %d running, %d:%02d", self.done, of, failed, running,
                       math.floor(seconds / 60), seconds % 60)
end

--- Draws it, a few times a second at most.
---@param running integer
function Progress:show(running)
  if not self.shown or core.now() - self.drawn < EVERY_MS then return end
  self.drawn = core.now()
  core.write(STDERR, "\r\27[K" .. self:text(running))
end

--- Takes it away.
function Progress:clear()
  if self.shown and self.drawn > 0 then core.write(STDERR, "\r\27[K") end
end

return M

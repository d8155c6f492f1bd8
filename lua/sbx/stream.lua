-- What becomes of output while it comes: pieces to `on_output`, whole lines to `on_line`, both
-- counted.

local M = {}

---------------------------------------------------------------------------------------------------
-- Lines of one stream. Parts are kept in a list: joining at every piece would cost the square of a
-- long line's length.

local Splitter = {}
Splitter.__index = Splitter

---@param longest number|false  a longer line is given in parts, so that memory stays bounded
function M.splitter(longest)
  return setmetatable({ parts = {}, held = 0, longest = longest or math.huge }, Splitter)
end

function Splitter:take()
  local line = table.concat(self.parts)
  self.parts, self.held = {}, 0
  return line
end

function Splitter:hold(text)
  self.parts[#self.parts + 1] = text
  self.held = self.held + #text
end

--- Appends the lines that `text` completes to `lines`, without their newline.
function Splitter:feed(text, lines)
  local from = 1
  while true do
    local stop = text:find("\n", from, true)
    if not stop then break end
    self:hold(text:sub(from, stop - 1))
    lines[#lines + 1] = self:take()
    from = stop + 1
  end
  if from <= #text then self:hold(text:sub(from)) end
  if self.held >= self.longest then lines[#lines + 1] = self:take() end
  return lines
end

--- The last line, when it had no newline.
function Splitter:rest()
  if self.held > 0 then return self:take() end
end

---------------------------------------------------------------------------------------------------

---@class sbx.Sink
local Sink = {}
Sink.__index = Sink

--- Who listens, or nil when nobody does: then output never passes through Lua.
---@param o table the options read
function M.sink(o)
  if not (o.on_output or o.on_line) then return nil end
  local streams = o.merge_stderr and { "stdout" } or { "stdout", "stderr" }
  local splitters = {}
  for _, stream in ipairs(streams) do splitters[stream] = M.splitter(o.max_output_bytes) end
  return setmetatable({
    on_output = o.on_output, on_line = o.on_line, streams = streams, splitters = splitters,
    pieces_left = o.on_output and o.max_output_deltas or 0,
    lines_left = o.on_line and o.max_output_deltas or 0,
    closed = {},
    about = {
      call_id = o.call_id, justification = o.justification,
      with_escalated_permissions = o.with_escalated_permissions,
    },
  }, Sink)
end

--- False once nobody may be told of more.
function Sink:listens()
  return self.pieces_left > 0 or self.lines_left > 0
end

function Sink:give_lines(stream, lines)
  for _, line in ipairs(lines) do
    if self.lines_left <= 0 then return end
    self.lines_left = self.lines_left - 1
    self.on_line(stream, line, self.about)
  end
end

function Sink:output(stream, text)
  if self.pieces_left > 0 then
    self.pieces_left = self.pieces_left - 1
    self.on_output(stream, text, self.about)
  end
  if self.lines_left > 0 then
    self:give_lines(stream, self.splitters[stream]:feed(text, {}))
  end
end

--- The end of a stream is told once, also past the limit of pieces.
function Sink:eof(stream)
  if self.closed[stream] or not self.splitters[stream] then return end
  self.closed[stream] = true
  local rest = self.on_line and self.splitters[stream]:rest()
  if rest then self:give_lines(stream, { rest }) end
  if self.on_output then self.on_output(stream, nil, self.about) end
  if self.on_line then self.on_line(stream, nil, self.about) end
end

function Sink:finish()
  for _, stream in ipairs(self.streams) do self:eof(stream) end
end

return M

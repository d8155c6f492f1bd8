-- What a job may come to, told apart from the engine: what was done to it decides which endings are
-- possible, and which bytes.
local M = {}

---@class tests.Model
---@field out string       what the command writes to stdout when nobody stops it; cat: what it got
---@field err string
---@field code integer|nil  its exit code; nil: it never ends by itself
---@field reads boolean    it ends once its stdin is closed
---@field may table<string, boolean>  endings that something has made possible
---@field signals table<integer, boolean>

local Model = {}
Model.__index = Model

function M.new(fields)
  fields.may, fields.signals = {}, {}
  return setmetatable(fields, Model)
end

function Model:allow(status) self.may[status] = true end

function Model:allow_signal(number)
  self.may.signal = true
  self.signals[number] = true
end

--- Whether it may end by itself: one that was stopped may have been over by then.
function Model:may_end()
  return self.code ~= nil and (not self.reads or self.closed_stdin or false)
end

--- Whether it is over some time without anybody's help.
function Model:ends() return self:may_end() and not self.stopped end

local function natural(self) return self.code == 0 and "ok" or "failed" end

local CODES = { ok = 0, timeout = 124, cancelled = 137, limit = 137 }

local function check_ending(self, out, result, err)
  local status = out.status
  local fits = self.may[status] or self:may_end() and status == natural(self)
  assert(fits, ("%s: status %s (%s)"):format(self.name, status, tostring(err)))
  local code = CODES[status] or status == "signal" and 128 + out.signal or self.code
  assert(out.exit_code == code, ("%s: %s with exit code %d"):format(self.name, status,
                                                                   out.exit_code))
  assert(status ~= "signal" or self.signals[out.signal], "died of signal " .. tostring(out.signal))
  assert((status == "signal") == (out.signal ~= nil))
  assert(out.timed_out == (status == "timeout"))
  assert((result ~= nil) == (status == "ok" or status == "failed"))
  assert(err == nil or err.kind == status and err.output == out)
end

-- Head and tail of the bytes, where a cap left something out of the middle.
local function check_bytes(self, name, kept, left_out, written, whole)
  local cap = self.cap or math.huge
  assert(#kept <= cap, name .. " is longer than its cap")
  assert(left_out == 0 or #kept == cap, name .. " has room for what was left out")
  local total = #kept + left_out
  assert(total <= #written, name .. " has more than was written")
  assert(not whole or total == #written,
         ("%s: %s has %d of %d bytes"):format(self.name, name, total, #written))
  local head = left_out == 0 and #kept or cap // 2
  assert(kept:sub(1, head) == written:sub(1, head), name .. ": the head differs")
  assert(kept:sub(head + 1) == written:sub(total - (#kept - head) + 1, total),
         name .. ": the tail differs")
end

--- What `job:wait()` gave must be one of what it may be.
function Model:check(result, err, output)
  local out = assert(result or output)
  check_ending(self, out, result, err)
  local whole = out.status == "ok" or out.status == "failed"
  local written, said = self.out, self.err
  if self.merged then written, said = self.out .. self.err, "" end
  check_bytes(self, "stdout", out.stdout, out.truncated.stdout, written, whole)
  check_bytes(self, "stderr", out.stderr, out.truncated.stderr, said, whole)
  local both = #out.aggregated_output + out.truncated.aggregated_output
  local each = #out.stdout + out.truncated.stdout + #out.stderr + out.truncated.stderr
  assert(both == each, "both streams together have " .. both .. " bytes, not " .. each)
  assert(not whole or out.leftover == (self.leftover or 0),
         ("%s: leftover %d"):format(self.name, out.leftover))
end

--- Pieces that an iterator or a callback gave: what the stream begins with.
function Model:check_pieces(pieces, whole)
  local texts = { stdout = self.merged and self.out .. self.err or self.out,
                  stderr = self.merged and "" or self.err }
  for name, text in pairs(texts) do
    local given = table.concat(pieces[name] or {})
    assert(text:sub(1, #given) == given, name .. ": the pieces differ")
    assert(not whole or given == text, name .. ": pieces are missing")
  end
end

return M

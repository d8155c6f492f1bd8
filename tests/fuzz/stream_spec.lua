-- Output in random pieces: lines and pieces are those of the whole text, however it was cut.
local random = require "tests.fuzz.random"
local stream = require "sbx.stream"

local function lines_of(text)
  local lines = {}
  for line in text:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  local rest = text:match("[^\n]*$")
  if rest ~= "" then lines[#lines + 1] = rest end
  return lines
end

local function some_text() return random.text(random.pick({ 0, 3, 50, 2000 }), "ab\n\r\0\255\n") end

describe("random output", function()
  it("is split into the lines of the whole", function()
    random.cases("splitter", function()
      local text, lines = some_text(), {}
      local splitter = stream.splitter(false)
      for _, chunk in ipairs(random.chunks(text)) do splitter:feed(chunk, lines) end
      lines[#lines + 1] = splitter:rest()
      assert.same(lines_of(text), lines)
      assert.is_nil(splitter:rest())
    end)
  end)

  it("comes in parts where a line is longer than may be held", function()
    random.cases("parts", function()
      local text, lines, longest = some_text(), {}, random.int(1, 30)
      local splitter, most = stream.splitter(longest), 0
      for _, chunk in ipairs(random.chunks(text)) do
        splitter:feed(chunk, lines)
        assert.is_true(splitter.held < longest)
        most = math.max(most, #chunk)
      end
      lines[#lines + 1] = splitter:rest()
      assert.equal((text:gsub("\n", "")), table.concat(lines))
      for _, line in ipairs(lines) do
        assert.is_nil(line:find("\n", 1, true))
        assert.is_true(#line < longest + most)
      end
    end)
  end)

  it("is told to callbacks in order, no more than was asked, and its end once", function()
    random.cases("sink", function()
      local most = random.int(1, 60)
      local texts, heard = { stdout = some_text(), stderr = some_text() }, {}
      local function hear(kind)
        return function(name, text)
          local at = kind .. name
          heard[at] = heard[at] or {}
          assert.is_nil(heard[at].ended)
          if text then table.insert(heard[at], text) else heard[at].ended = true end
        end
      end
      local sink = stream.sink({ on_output = hear("piece "), on_line = hear("line "),
                                 max_output_deltas = most, max_output_bytes = false })
      local chunks = { stdout = random.chunks(texts.stdout), stderr = random.chunks(texts.stderr) }
      local given = { stdout = 1, stderr = 1 }
      while chunks.stdout[given.stdout] or chunks.stderr[given.stderr] do
        local name = random.pick({ "stdout", "stderr" })
        local chunk = chunks[name][given[name]]
        if chunk then
          sink:output(name, chunk)
          given[name] = given[name] + 1
          if random.once_in(9) then sink:listens() end
        elseif random.once_in(3) then
          sink:eof(name)
        end
      end
      sink:finish()
      local count = { piece = 0, line = 0 }
      for name, text in pairs(texts) do
        local pieces, lines = heard["piece " .. name], heard["line " .. name]
        assert.is_true(pieces.ended and lines.ended)
        local joined = table.concat(pieces)
        assert.equal(text:sub(1, #joined), joined)
        local all = lines_of(text)
        for i, line in ipairs(lines) do assert.equal(all[i], line) end
        count.piece, count.line = count.piece + #pieces, count.line + #lines
      end
      assert.is_true(count.piece <= most and count.line <= most)
      assert.equal(math.min(most, #chunks.stdout + #chunks.stderr), count.piece)
      assert.equal(math.min(most, #lines_of(texts.stdout) + #lines_of(texts.stderr)), count.line)
    end)
  end)
end)

-- Pieces and lines for callbacks: no kernel, no core.
local stream = require "sbx.stream"

local function sink(opts)
  local heard = {}
  local function note(kind)
    return function(name, text) heard[#heard + 1] = { kind, name, text } end
  end
  return stream.sink({
    on_output = opts.pieces and note("piece"), on_line = opts.lines and note("line"),
    max_output_deltas = opts.most or 10000, max_output_bytes = opts.bytes or 1000,
    merge_stderr = opts.merge,
  }), heard
end

describe("a sink", function()
  it("is nil where nobody listens", function()
    assert.is_nil(stream.sink({}))
  end)

  it("gives pieces, and nil once at the end of each stream", function()
    local to, heard = sink({ pieces = true })
    to:output("stdout", "ab")
    to:eof("stdout")
    to:eof("stdout")
    to:finish()
    assert.same({
      { "piece", "stdout", "ab" }, { "piece", "stdout", nil }, { "piece", "stderr", nil },
    }, heard)
  end)

  it("joins lines over pieces and keeps the streams apart", function()
    local to, heard = sink({ lines = true, merge = false })
    to:output("stdout", "a\nb")
    to:output("stderr", "x")
    to:output("stdout", "c\n\nlast")
    to:finish()
    assert.same({
      { "line", "stdout", "a" }, { "line", "stdout", "bc" }, { "line", "stdout", "" },
      { "line", "stdout", "last" }, { "line", "stdout", nil }, { "line", "stderr", "x" },
      { "line", "stderr", nil },
    }, heard)
  end)

  it("stops at the limit, but tells the end", function()
    local to, heard = sink({ pieces = true, most = 2 })
    for _ = 1, 5 do to:output("stdout", "x") end
    assert.is_false(to:listens())
    to:finish()
    assert.equal(4, #heard)
    assert.is_nil(heard[3][3])
  end)

  it("gives a line without end in parts", function()
    local to, heard = sink({ lines = true, bytes = 10 })
    for _ = 1, 4 do to:output("stdout", "12345") end
    to:finish()
    assert.same({ "line", "stdout", "1234512345" }, heard[1])
    assert.same({ "line", "stdout", "1234512345" }, heard[2])
  end)

  it("has one stream when stderr is merged", function()
    local to, heard = sink({ pieces = true, merge = true })
    to:finish()
    assert.equal(1, #heard)
  end)
end)

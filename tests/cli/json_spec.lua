-- lua/sbx/json.lua and lua/sbx/text.lua: text that survives any bytes. No kernel is needed.

local json = require("sbx.json")
local text = require("sbx.text")

local REPLACED = "\u{FFFD}"

describe("JSON", function()
  it("writes null, whole numbers and empty lists as they are meant", function()
    local object = { missing = {}, usage = {}, f = 3.0, big = 9007199254740993, nan = 0 / 0 }
    assert.equal('{"big":9007199254740993,"f":3,"missing":[],"nan":null,"usage":{}}',
      json.encode(object))
    assert.equal('{"v":1,"x":null}', json.encode({ v = 1 }, { "v", "x" }))
  end)

  it("keeps the order that is asked for", function()
    assert.equal('{"b":1,"a":2}', json.encode({ a = 2, b = 1 }, { "b", "a" }))
  end)

  it("reads null as a field that isn't there and whole numbers as integers", function()
    local value = json.decode('{"a":null,"n":10000000000,"f":1.5,"list":[]}')
    assert.same({ n = 10000000000, f = 1.5, list = {} }, value)
    assert.equal("integer", math.type(value.n))
  end)

  it("refuses a hole in a list, and what is no JSON", function()
    for _, source in ipairs({ "[1,null]", "{", "{'a':1}", '{"a":nan}', '{"a":1e999}', "null",
                             "" }) do
      local value, message = json.decode(source)
      assert.is_nil(value, source)
      assert.is_string(message)
    end
  end)

  it("changes no setting of cjson's that others share", function()
    assert.equal("[1,2]", require("cjson").encode({ 1, 2 }))
    assert.equal(1000, require("cjson").decode_max_depth())
  end)

  it("never cuts a character between two slices of a long string", function()
    for shift = 0, 4 do
      local long = ("x"):rep(65536 - shift) .. ("é€😀"):rep(3) .. ("y"):rep(70000)
      assert.equal(long, json.decode(json.encode({ s = long })).s)
    end
  end)

  it("writes long strings in small pieces", function()
    local longest, total = 0, 0
    json.write({ s = ("\0"):rep(300000) }, nil, function(piece)
      longest, total = math.max(longest, #piece), total + #piece
    end)
    assert.is_true(longest < 1000000)
    assert.equal(300000 * 6 + #'{"s":""}\n', total)
  end)

  it("leaves out the rests of a character that a cap has cut, and counts them", function()
    local kept, left_out = json.capped("ab\u{20AC}", 0)
    assert.equal("ab\u{20AC}", kept)
    assert.equal(0, left_out)
    kept, left_out = json.capped("ab\xE2\x82" .. "\xACcde", 5)
    assert.equal("abcde", kept)
    assert.equal(8, left_out)
  end)
end)

describe("text", function()
  it("replaces what is no UTF-8 and nothing else", function()
    assert.equal("a" .. REPLACED .. "é", text.utf8("a\xFFé"))
    assert.equal(REPLACED .. "x", text.utf8("\xE2\x82x"))
    assert.equal(REPLACED:rep(3), text.utf8("\xED\xA0\x80"))
    assert.equal(REPLACED:rep(2), text.utf8("\xC0\xAF"))
    assert.equal("\u{10FFFF}", text.utf8("\u{10FFFF}"))
  end)

  it("gives valid UTF-8 for any bytes, wherever they are cut", function()
    local bytes = { 195, 169, 226, 130, 172, 65, 255, 240, 159, 146, 150, 237, 160 }
    local seed = 7
    for _ = 1, 500 do
      local piece = {}
      for i = 1, 12 do
        seed = (seed * 1103515245 + 12345) % 2147483648
        piece[i] = string.char(bytes[(seed >> 8) % #bytes + 1])
      end
      local value = table.concat(piece)
      local repaired = text.utf8(value)
      assert.is_truthy(utf8.len(repaired))
      for last = 4, #value do
        local cut = text.boundary(value, last)
        assert.equal(repaired, text.utf8(value:sub(1, cut)) .. text.utf8(value:sub(cut + 1)))
      end
    end
  end)

  it("shows nothing that a terminal obeys", function()
    assert.equal("a\\e[31m\\n\\x00", text.escape("a\27[31m\n\0"))
    assert.equal("\\xe2\\x80\\xae", text.escape("\u{202E}"))
    assert.equal("\\xc2\\x9b", text.escape("\u{9B}"))
    assert.equal("\\xff é", text.escape("\xFF é"))
    assert.equal(4096 + 3, #text.escape(("x"):rep(5000)))
  end)

  it("shows a command as one would type it", function()
    assert.equal("ls 'a b' 'it'\\''s' ''", text.command({ "ls", "a b", "it's", "" }))
  end)
end)

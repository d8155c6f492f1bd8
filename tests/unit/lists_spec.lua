-- The search through lists that the library shares.
local lists = require "sbx.lists"

describe("lists", function()
  it("has a word, or not", function()
    assert.is_true(lists.has({ "a", "b" }, "b"))
    assert.is_false(lists.has({ "a", "b" }, "c"))
    assert.is_false(lists.has({ b = true }, "b"))
    assert.is_false(lists.has(nil, "a"))
  end)

  it("finds the first entry by a field", function()
    local one, two = { path = "/a", n = 1 }, { path = "/a", n = 2 }
    assert.equal(one, lists.find({ {}, one, two }, "path", "/a"))
    assert.is_nil(lists.find({ one, two }, "path", "/b"))
    assert.is_nil(lists.find(nil, "path", "/a"))
  end)

  it("of a map's names are in order", function()
    local map, expected = {}, {}
    for i = 1, 26 do
      local name = string.char(96 + i)
      map[name], expected[i] = true, name
    end
    assert.same(expected, lists.names(map))
    assert.same({}, lists.names({}))
  end)
end)

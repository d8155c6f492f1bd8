-- JSON in and out: what was written is read again, and no text of anybody's makes an error of Lua.
local errors = require "sbx.errors"
local json = require "sbx.json"
local policy_words = require "sbx.cli.policy_words"
local program = require "tests.cli.program"
local random = require "tests.fuzz.random"
local sbx = require "sbx"
local text = require "sbx.text"

local NAMES = { "extends", "mode", "network", "network_access", "writable_roots", "read_only",
                "protect", "readable", "deny_read", "env", "env_policy", "limits", "tier",
                "require", "syscalls", "doc", "replace", "allow", "x", "", "1" }

local function number()
  return random.pick({ 0, -1, 1, 0.5, -2.25, 1e15, 2 ^ 53, -2 ^ 53, 123456789, 1e300, 5e-324 })
end

local value

local function list(depth)
  local out = {}
  for i = 1, random.int(1, 4) do out[i] = value(depth + 1) end
  return out
end

local function object(depth)
  local out = {}
  for _ = 1, random.int(0, 4) do out[random.pick(NAMES) .. "!"] = value(depth + 1) end
  return out
end

function value(depth)
  local kind = random.int(depth > 4 and 4 or 6)
  if kind == 1 then return number() end
  if kind == 2 then return random.once_in(2) end
  if kind <= 4 then return text.utf8(random.text(20)) end
  return (kind == 5 and list or object)(depth)
end

local DICTIONARY = { "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "1e999", "-", "\\u",
                     "\\ud800", "\\u0000", "NaN", "Infinity", "0x10", ("["):rep(70), "\0", "\255" }

local function policy_text()
  local policy = {}
  for _ = 1, random.int(0, 5) do
    policy[random.pick(NAMES)] = random.pick({
      function() return value(3) end, function() return { "/tmp", "." } end,
      function() return random.pick({ "read-only", "none", "full", "workspace-write" }) end,
      function() return { replace = { "/srv" } } end, function() return random.once_in(2) end,
    })()
  end
  local out = json.encode(policy)
  return random.once_in(3) and random.mutate(out, DICTIONARY) or out
end

describe("random JSON", function()
  it("that was written is read again", function()
    random.cases("round trip", function()
      local sent = object(0)
      local written = json.encode(sent)
      local came, problem = json.decode(written)
      assert.same(sent, assert(came, problem))
      assert.equal(written, json.encode(came))
    end)
  end)

  it("holds valid UTF-8 whatever the strings hold", function()
    random.cases("strings", function()
      local bytes = random.text(random.pick({ 5, 300 }))
      if random.once_in(40) then -- more than is written at a time
        bytes = ("\xe2\x82\xac"):rep(30000) .. bytes .. ("z"):rep(70000)
      end
      local written = json.encode({ s = bytes })
      assert.is_truthy(utf8.len(written))
      assert.equal(text.utf8(bytes), json.decode(written).s)
      if utf8.len(bytes) then assert.equal(bytes, text.utf8(bytes)) end
      local shown = text.escape(bytes)
      assert.is_truthy(utf8.len(shown))
      assert.is_nil(shown:find("%c"))
    end)
  end)

  it("of a capped stream loses only what was cut", function()
    random.cases("capped", function()
      local whole = text.utf8(random.text(200)) .. ("\xc3\xa9\xe2\x82\xac"):rep(random.int(0, 40))
      local cap = random.int(2, 60)
      if #whole <= cap then return end
      local head = cap // 2
      local kept = whole:sub(1, head) .. whole:sub(#whole - (cap - head) + 1)
      local shown, left_out = json.capped(kept, #whole - cap)
      assert.equal(#whole, #shown + left_out)
      assert.is_truthy(utf8.len(shown))
    end)
  end)

  it("that is damaged is refused with a message, or read", function()
    random.cases("damaged", function()
      local written = random.mutate(json.encode(object(0)), DICTIONARY)
      local came, problem = json.decode(written)
      if came == nil then
        assert.equal("string", type(problem))
        assert.is_false(random.is_internal(problem), problem)
      elseif type(came) == "table" and came[1] == nil then
        -- 14 digits are kept of a fraction: once it is cut to them, all stays
        local again = json.encode(assert(json.decode(json.encode(came))))
        assert.equal(again, json.encode(assert(json.decode(again))))
      end
    end)
  end)

  it("as --policy-json is a policy, a message, or misuse that is told", function()
    random.cases("--policy-json", function()
      local values, opts = { policy_json = policy_text() }, {}
      if random.once_in(3) then values.writable_root = { "/srv" } end
      if random.once_in(3) then values.deny_read = { "/srv/x", "y" } end
      if random.once_in(5) then values.network = random.pick({ "none", "full", "bad" }) end
      if random.once_in(5) then values.policy = "read-only" end
      local ok, problem = policy_words.set(values, opts)
      if not ok then
        assert.equal("string", type(problem))
        assert.is_false(random.is_internal(problem), problem)
        return
      end
      local fine, policy, err = pcall(sbx.policy, opts.policy)
      if not fine then
        assert.is_true(errors.is_misuse(policy), tostring(policy))
        assert.is_false(random.is_internal(policy), policy)
      elseif not policy then
        assert.equal("policy", err.kind)
        assert.is_false(random.is_internal(err.message), err.message)
      end
    end)
  end)

  it("given to the program is a run, or one object that says why not", function()
    random.cases("program", function()
      local words = { "run", "--json", "-C", "/", "--policy-json", (policy_text():gsub("%z", "0")) }
      if random.once_in(4) then words[#words + 1] = "--network=" .. random.pick({ "none", "x" }) end
      words[#words + 1], words[#words + 2] = "--", "true"
      local said = program.run(words)
      local answer = assert(json.decode(said.stdout), said.stdout .. said.stderr)
      -- what it may not read, it may not run
      local unread = answer.error and answer.error.kind == "spawn"
      local fine = unread and said.status == 126 or said.status == 0 or said.status == 125
      assert.is_true(fine, said.status)
      assert.equal(said.status == 0, answer.ok)
      local message = answer.error and answer.error.message or ""
      assert.is_false(random.is_internal(message), message)
      for line in said.stderr:gmatch("[^\n]+") do assert.equal("sbxlua: ", line:sub(1, 8)) end
    end)
  end)
end)

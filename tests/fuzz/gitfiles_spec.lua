-- The reader of git's files against git itself: every path that git reads of a config is found.
local gitfiles = require "sbx.gitfiles"
local random = require "tests.fuzz.random"
local support = require "tests.support"

local SECTIONS = { "[core]", "[CORE]", "[ core ]", "[include]", "[includeIf \"gitdir:~/x\"]",
                   "[includeif \"a\\\"]b\"]", "[user]", "[core \"sub\"]", "[core.sub]", "[core.]",
                   "[core] ; c", "[core]hookspath=/in/line", "\239\187\191[core]",
                   "[remote \"o\"]" }
local KEYS = { "hooksPath", "hookspath", "attributesFile", "excludesfile", "fsmonitor", "path",
               "Path", "name", "x-y" }
local VALUES = { "/a/b", "a b", "\"q\"", "\"a#b\"", "a#b", "a ; c", "\\\n  b", "a\\tb", "a\\\\b",
                 "\\\"", "a  ", "  \"  \"  ", "\"a\"b\"c\"", "true", "a\\", "", "\"\\\n\"", "a\r",
                 "~/x", "A=b prog --flag", "\"unclosed", "a\t\t", "\\b", "a\\nb", "\"a \" b  " }
local BLANKS = { "", " ", "\t", "  ", "\r\n", "\n", "\n\n", "# c\n", "; c\n", "#\\\n" }

local function config()
  local out = {}
  for _ = 1, random.int(1, 5) do
    out[#out + 1] = random.pick(SECTIONS) .. random.pick(BLANKS)
    for _ = 1, random.int(0, 3) do
      out[#out + 1] = random.pick(BLANKS) .. random.pick(KEYS) .. random.pick({ "", " ", "\t" })
      if not random.once_in(6) then
        out[#out + 1] = "=" .. random.pick(BLANKS):gsub("\n", "") .. random.pick(VALUES)
      end
      out[#out + 1] = random.pick({ "\n", "\n", "\n", "\r\n", "" })
    end
  end
  local text = table.concat(out)
  if random.once_in(3) then
    text = random.mutate(text, { "[", "]", "\"", "\\", "=", "#", ";", "\n", "\r", "\t", " " })
  end
  return text
end

-- What git says that the config names: key → values in order.
local function git_names(directory)
  local said = support.output(("cd %s && GIT_CONFIG_NOSYSTEM=1 HOME=/nonexistent git config"
    .. " -f config -z --list 2>/dev/null && echo ok"):format(directory))
  if not said:find("ok\n$") then return nil end
  local list = {}
  for entry in said:sub(1, -4):gmatch("([^%z]*)%z") do
    local name, value = entry:match("^([^\n]*)\n(.*)$")
    local section, key = (name or ""):match("^([^.]+)%..-([^.]+)$")
    list[#list + 1] = { name = name, section = section, key = key, value = value }
  end
  return list
end

local NAMING = { include = { path = true }, includeif = { path = true },
                 core = { hookspath = true, attributesfile = true, excludesfile = true } }

-- Up to 2.44 git turned a tab inside of a value into a blank.
local function plain(value) return (value:gsub("[\t\r]", " ")) end

local function found(list, value)
  for _, one in ipairs(list) do
    if plain(one.value) == plain(value) then return true end
  end
  return false
end

describe("a random config", function()
  it("never makes an error of Lua, and names no NUL byte", function()
    random.cases("config", function()
      local text = random.once_in(3) and random.text(60, "[]core\\\"=#;\n\r \tpath\0") or config()
      for _, one in ipairs(gitfiles.named_in(text)) do
        assert.is_true(one.value ~= "" and not one.value:find("\0", 1, true))
        gitfiles.place(one, "/c", "/t", "/h")
      end
      local named = gitfiles.pointer(text, random.pick({ "gitdir", false }) or nil)
      assert.is_true(not named or (named ~= "" and not named:find("[%z\r\n]")))
    end)
  end)

  it("names all that git reads of it", function()
    local directory = support.directory()
    finally(function() support.remove(directory) end)
    random.cases("as git", function()
      local text = config()
      if text:find("\0", 1, true) then return end
      support.write(directory .. "/config", text)
      local ours = gitfiles.named_in(text)
      for _, entry in ipairs(git_names(directory) or {}) do
        local naming = entry.value and entry.value ~= "" and NAMING[entry.section]
        if naming and naming[entry.key] and not entry.name:match("^core%..*%.") then
          assert.is_true(found(ours, entry.value),
                         ("git reads %s=%q of %q"):format(entry.name, entry.value, text))
        end
      end
    end)
  end)
end)

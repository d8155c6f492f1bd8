-- sbxlua: which verb, or which script. Only what the words name is loaded.

local M = {}

local VERBS = {
  run = "sbx.cli.run", doctor = "sbx.cli.doctor", policies = "sbx.cli.policies",
  init = "sbx.cli.init", why = "sbx.cli.why", explain = "sbx.cli.explain",
  learn = "sbx.cli.learn",
}
local LATER = { test = true, mcp = true, serve = true }
local OPTIONS = { "-e", "-I", "-", "--help", "--version" }
local OWN_FAILURE = 125

local HELP = [[
Usage: sbxlua run [options] [--] CMD...   run one command in a sandbox (sbxlua run --help)
       sbxlua script.lua [args...]        run Lua with the module sbx on its path
       sbxlua -e CODE | -                 the same, from the command line or stdin
       sbxlua explain [options] CMD...    what would hold it, layer by layer; runs nothing
       sbxlua why [options] OPERATION X   may it do this to X (a path, an address), and which rule
                                          says so; status 0: allowed, 1: refused
       sbxlua learn [options] CMD...      the smallest policy that lets it pass, as Lua
       sbxlua doctor                      what this machine can enforce, and how to get the rest
       sbxlua policies                    the policies, and where they come from
       sbxlua init                        write editable scripts into ~/.config/sbxlua
       sbxlua --version | --help

-I DIR before a script adds a module directory. All verbs take --json.
]]

local function fail(text)
  require("sbx.cli.message").error(text)
  return OWN_FAILURE
end

local function say(text)
  local ok, why = require("sbxlua.program").write(1, text)
  return ok and 0 or fail("can't write the output: " .. why)
end

local function version()
  return say(string.format("sbxlua %s (%s)\n", require("sbxlua.program").version, _VERSION))
end

-- ---- scripts, with the words that lua has for them ----

local function add_directory(directory)
  if directory:find("[;?]") then return nil, "-I " .. directory .. ": no ; or ? in a directory" end
  package.path = directory .. "/?.lua;" .. directory .. "/?/init.lua;" .. package.path
  package.cpath = directory .. "/?.so;" .. package.cpath
  return true
end

local function unknown(what, word, names)
  return require("sbx.errors").unknown(what, word, names)
end

-- "-e CODE", "-eCODE": the value, and how many words were used.
local function value_of(words, at)
  local word = words[at]
  if #word > 2 then return word:sub(3), 1 end
  return words[at + 1], 2
end

local function take_option(words, at, code)
  local letter = words[at]:sub(1, 2)
  if letter ~= "-e" and letter ~= "-I" then
    return nil, unknown("option", words[at], OPTIONS)
  end
  local value, used = value_of(words, at)
  if not value then return nil, "option " .. letter .. " needs a value" end
  if letter == "-e" then
    code[#code + 1] = value
    return used
  end
  local ok, problem = add_directory(value)
  return ok and used, problem
end

--- What the program is to run as lua would: {code = texts, script = its place among the words}.
local function script(words)
  local code, at = {}, 1
  while words[at] and words[at] ~= "-" and words[at]:sub(1, 1) == "-" do
    if words[at] == "--" then
      at = at + 1
      break
    end
    local used, problem = take_option(words, at, code)
    if not used then return fail(problem) end
    at = at + used
  end
  if words[at] then return { code = code, script = at } end
  if #code > 0 then return { code = code } end
  return fail("a script, - or -e CODE is wanted behind the options")
end

-- ---- verbs ----

local function is_script(word)
  if word:find("/", 1, true) or word:find("%.lua$") then return true end
  local file = io.open(word)
  if file then file:close() end
  return file ~= nil
end

local function verb(words)
  local word = words[1]
  if VERBS[word] then return require(VERBS[word]).main({ table.unpack(words, 2) }) end
  if LATER[word] then return fail("the verb " .. word .. " is not in this version of sbxlua") end
  if is_script(word) then return script(words) end
  local known = require("sbx.lists").names(VERBS)
  return fail(unknown("verb", word, known) .. ", and no such script; sbxlua --help")
end

--- The whole command line: gives an exit status, or a script for the program to run.
---@param words string[]  with [0], the program
---@return integer|table
function M.main(words)
  local first = words[1]
  if not first or first == "--help" or first == "-h" then return say(HELP) end
  if first == "--version" then return version() end
  if first:sub(1, 1) == "-" then return script(words) end
  return verb(words)
end

return M

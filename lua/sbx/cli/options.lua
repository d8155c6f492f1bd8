-- Command lines: a list of options as data, read by argparse. argparse takes options anywhere and
-- takes a value that starts with "-" for an option, so the words are split here first: options end
-- at the first word that is none, and each value is tied to its option.

local errors = require("sbx.errors")

local M = {}

---@class sbx.cli.Option
---@field name string      the long name, without the dashes
---@field short string?    one letter
---@field arg string?      what its value is called; nil: it takes none
---@field list boolean?    may be given again and again
---@field later boolean?   known, but delivered by a later version
---@field help string?

local HELP = { name = "help", short = "h", help = "Show this help." }

local function index(options)
  local by_word, names = { ["--help"] = HELP, ["-h"] = HELP }, { "--help" }
  for _, option in ipairs(options) do
    by_word["--" .. option.name] = option
    names[#names + 1] = "--" .. option.name
    if option.short then by_word["-" .. option.short] = option end
  end
  return by_word, names
end

---@class sbx.cli.Reader
---@field words string[]
---@field at integer
---@field by_word table<string, sbx.cli.Option>
---@field names string[]
---@field found string[]  in one form: "--name" or "--name=value"
---@field used table<sbx.cli.Option, boolean>

local function known(reader, word)
  local option = reader.by_word[word]
  if not option then return nil, errors.unknown("option", word, reader.names) end
  if option.later then return nil, "option " .. word .. " is not in this version of sbxlua" end
  return option
end

-- Ties the value to the option's long name; the rest of the word, or else the next word.
local function take(reader, option, word, rest)
  reader.used[option] = true
  if not option.arg then
    if rest then return nil, "option " .. word .. " takes no value" end
    reader.found[#reader.found + 1] = "--" .. option.name
    return true
  end
  if not rest then
    reader.at = reader.at + 1
    rest = reader.words[reader.at]
  end
  if not rest then return nil, "option " .. word .. " needs a value: " .. option.arg end
  reader.found[#reader.found + 1] = "--" .. option.name .. "=" .. rest
  return true
end

local function read_long(reader, word)
  local name, rest = word:match("^(%-%-[^=]+)=(.*)$")
  local option, message = known(reader, name or word)
  if not option then return nil, message end
  return take(reader, option, name or word, rest)
end

-- "-q", "-qw DIR", "-wDIR"
local function read_short(reader, word)
  for i = 2, #word do
    local letter = "-" .. word:sub(i, i)
    local option, message = known(reader, letter)
    if not option then return nil, message end
    local rest = option.arg and i < #word and word:sub(i + 1) or nil
    local ok, why = take(reader, option, letter, rest)
    if not ok then return nil, why end
    if option.arg then break end
  end
  return true
end

-- Reads the option words; reader.at is then where the rest starts.
local function split(words, options)
  local by_word, names = index(options)
  local reader = { words = words, at = 1, by_word = by_word, names = names, found = {}, used = {} }
  while true do
    local word = words[reader.at]
    if not word or word == "-" or word:sub(1, 1) ~= "-" then return reader end
    if word == "--" then
      reader.at = reader.at + 1
      return reader
    end
    local read = word:sub(2, 2) == "-" and read_long or read_short
    local ok, message = read(reader, word)
    if not ok then return nil, message end
    reader.at = reader.at + 1
  end
end

local function add(parser, option)
  local name = "--" .. option.name
  if not option.arg then
    parser:flag(name)
  else
    parser:option(name):count(option.list and "*" or "?")
  end
end

-- Only what this command line names: an option of argparse is not free to make.
local function make_parser(used)
  local parser = require("argparse")("sbxlua"):add_help(false)
  for option in pairs(used) do add(parser, option) end
  return parser
end

-- ---- help ----

local LABEL, WIDTH = 33, 100

local function wrapped(text, indent, width)
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    if #line + #word + 1 > width and line ~= "" then
      lines[#lines + 1], line = line, ""
    end
    line = line == "" and word or line .. " " .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n" .. (" "):rep(indent))
end

local function help_of(option)
  local label = "  " .. (option.short and "-" .. option.short .. ", " or "    ")
    .. "--" .. option.name .. (option.arg and " " .. option.arg or "")
  local gap = #label < LABEL and (" "):rep(LABEL - #label) or "\n" .. (" "):rep(LABEL)
  return label .. gap .. wrapped(option.help, LABEL, WIDTH - LABEL)
end

--- The help of a verb.
function M.help(verb)
  local lines = { verb.usage, "", wrapped(verb.description, 0, WIDTH), "" }
  for _, option in ipairs(verb.options) do
    if not option.later then lines[#lines + 1] = help_of(option) end
  end
  lines[#lines + 1] = help_of(HELP)
  return table.concat(lines, "\n") .. "\n"
end

local function rest_of(words, first)
  local rest = {}
  for i = first, #words do rest[#rest + 1] = words[i] end
  return rest
end

--- Reads the words of one verb.
---@param verb {usage: string, description: string, options: sbx.cli.Option[]}
---@return table|nil values  by long name with "_" for "-"
---@return string[]|string rest  the words behind the options, or what is wrong
function M.read(verb, words)
  local reader, message = split(words, verb.options)
  if not reader then return nil, message end
  local rest = rest_of(words, reader.at)
  if #reader.found == 0 then return {}, rest end -- argparse is a large file: not without a need
  local ok, values = make_parser(reader.used):pparse(reader.found)
  if not ok then return nil, values end
  return values, rest
end

--- Was this flag among the words before the command? For errors in the words themselves, where
--- the command can't be told from the rest.
function M.asked(words, flag)
  for _, word in ipairs(words) do
    if word == "--" then return false end
    if word == flag then return true end
  end
  return false
end

return M

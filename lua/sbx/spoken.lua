-- What a command wrote about why it failed: lines in lower case, looked through for the words of
-- the denial script.

local M = {}

local STRERROR = {
  EROFS = "read-only file system", EACCES = "permission denied", EPERM = "operation not permitted",
  EXDEV = "cross-device link", EBUSY = "device or resource busy", ENOSYS = "not implemented",
  ENETUNREACH = "network is unreachable", ESRCH = "no such process",
  EAFNOSUPPORT = "address family not supported", EOPNOTSUPP = "operation not supported",
  ENOENT = "no such file or directory",
}

-- A reason is given at the end, and at an end of its line; the command decides how much it writes,
-- and the host waits.
local MOST_BYTES, MOST_LINES, HALF_A_LINE = 16384, 100, 500

local function cut(line)
  if #line <= 2 * HALF_A_LINE then return line end
  return line:sub(1, HALF_A_LINE) .. " ... " .. line:sub(-HALF_A_LINE)
end

local function lines_of(text)
  local lines, last = {}, (text or ""):sub(-MOST_BYTES)
  for line in last:gmatch("[^\r\n]+") do lines[#lines + 1] = cut(line):lower() end
  local over = #lines - MOST_LINES
  for i = 1, over > 0 and MOST_LINES or 0 do lines[i] = lines[over + i] end
  for i = #lines, MOST_LINES + 1, -1 do lines[i] = nil end
  return lines
end

-- As a word of its own: "out" is not in "output".
local function has_word(line, word)
  local from = 1
  while true do
    local first, last = line:find(word, from, true)
    if not first then return false end
    local before, after = line:sub(first - 1, first - 1), line:sub(last + 1, last + 1)
    if not before:find("[%w_]") and not after:find("[%w_]") then return true end
    from = first + 1
  end
end

function M.has_any(line, phrases)
  for _, phrase in ipairs(phrases or {}) do
    if line:find(phrase, 1, true) then return phrase end
  end
end

-- A name of one or two letters stands in too many lines.
local SHORTEST = 3

-- The whole path, or what lies below it: "/h/.npm" is not in "/h/.npmrc".
local function has_path(line, path)
  local from = 1
  while true do
    local first, last = line:find(path, from, true)
    if not first then return false end
    if not line:sub(last + 1, last + 1):find("[%w_%-]") then return true end
    from = first + 1
  end
end

function M.names(line, entry)
  for _, what in ipairs({ entry.path or false, entry.target or false, entry.address or false }) do
    local text = what and what:lower():gsub("^unix:", "")
    if text and has_path(line, text) then return true end
    local last = text and text:match("([^/]+)/*$")
    if last and #last >= SHORTEST and has_word(line, last) then return true end
  end
  local host = entry.address and entry.address:match("^(.*):%d+$")
  return host ~= nil and has_word(line, host:lower())
end

function M.says_errno(line, entry)
  local code = entry.errno
  if not code then return false end
  local words = STRERROR[code]
  return words and line:find(words, 1, true) ~= nil or has_word(line, code:lower())
end

--- Whether a line may speak of when it speaks of this refusal.
function M.speaks_of(words, line, entry)
  return M.says_errno(line, entry) or M.has_any(line, words.phrases[entry.operation]) ~= nil
    or M.has_any(line, words.phrases.all) ~= nil
end

--- How a later step says that something isn't there.
M.GONE = { "no such file", "not found", "does not exist", "doesn't exist", "enoent", "missing",
           "cannot stat", "can't open", "cannot open", "not a directory", "nonexistent" }

--- Whether a line has the path itself, or one below it.
function M.below(line, entry)
  local _, last = line:find((entry.path or "\0"):lower(), 1, true)
  return last ~= nil and not line:sub(last + 1, last + 1):find("[%w_%-%.]")
end

--- Likewise of a file, where it is named from a directory that isn't known.
M.NO_FILE = { "no such file", "does not exist", "doesn't exist", "enoent", "cannot stat",
              "can't open", "cannot open", "not a directory", "cannot find module",
              "no module named" }

-- Where a name of one word stands as a name: 'dist', "dist", `cat: dist: `.
local MARKED = {
  { "'", "'" }, { '"', '"' }, { "`", "'" }, { "\u{2018}", "\u{2019}" }, { ": ", ":" },
}

local function is_marked(line, name)
  for _, marks in ipairs(MARKED) do
    for _, tail in ipairs({ "", "/" }) do
      if line:find(marks[1] .. name .. tail .. marks[2], 1, true) then return true end
    end
  end
  return false
end

-- The part of a relative name that is the end of the path: all of it, or the name of what was to
-- hold it.
local function end_of(path, name)
  local at = #name + 1
  while at do
    local part = name:sub(1, at - 1)
    if part ~= "" and path:sub(-#part - 1) == "/" .. part then return part end
    at = part:match("^.*()/")
  end
end

--- The end of the path by which a line names it or something below, from a directory of its own.
---@return string|nil
function M.relative(line, entry)
  local path = (entry.path or ""):lower()
  if line:find("module named", 1, true) then path = path:gsub("%.py$", "") end
  for word in line:gmatch("[^%s'\"`:,;()%[%]{}<>=]+") do
    local name = word:gsub("^%./", ""):gsub("/+$", "")
    local part = not name:find("^[/~$]") and end_of(path, name)
    -- a word of one component may be just a word
    if part and (name:find("/", 1, true) or is_marked(line, word)) then return part end
  end
end

--- A shell's own message about a step that it could not begin.
function M.is_shells(line)
  return line:find("^[^%s:]+: line %d+: ") ~= nil or line:find("^[^%s:]+: %d+: ") ~= nil
end

local function speaks_of_any(words, line, evidence)
  for _, entry in ipairs(evidence) do
    if M.speaks_of(words, line, entry) then return true end
  end
  return false
end

local function matches_any(line, patterns)
  for _, pattern in ipairs(patterns or {}) do
    if line:find(pattern) then return true end
  end
  return false
end

--- Whether a line gives another reason than a refusal.
function M.gives_another(words, line)
  if M.has_any(line, words.cleaning_up) or matches_any(line, words.frames) then return false end
  return M.has_any(line, words.own_reasons) ~= nil or matches_any(line, words.own_patterns)
end

-- What a Lua program was ended with by error(): an exception's message, unless it may speak of what
-- was attempted.
local function is_thrown(words, lines, i)
  return (lines[i + 1] or ""):find("^%s*stack traceback:") ~= nil
    and not M.has_any(lines[i], words.attempts)
end

--- The last line that gives a reason, and whether it is another than a refusal. Lines that only
--- pass on that something below failed give none.
function M.last_word(words, lines, evidence)
  for i = #lines, 1, -1 do
    local line = lines[i]
    if not M.has_any(line, words.passing_on) and not M.has_any(line, words.warnings) then
      if speaks_of_any(words, line, evidence) then return line, false end
      if M.gives_another(words, line) or is_thrown(words, lines, i) then return line, true end
    end
  end
end

-- At the end of a line, with or without the number.
local POWERS = { "operation not permitted[%s%d()]*$", "permission denied[%s%d()]*$" }

--- The last line that gives a reason, where the program says in it, in its own name, that something
--- is not permitted.
function M.lacks_power(words, lines, program)
  for i = #lines, 1, -1 do
    local line = lines[i]
    if line:sub(1, #program + 2) == program:lower() .. ": " and matches_any(line, POWERS) then
      return line
    end
    if M.gives_another(words, line) then return nil end
  end
end

--- The lines that give a reason: of stderr, or of all that was written where stderr gives none.
---@return string[]
function M.lines(words, output, evidence)
  local lines = lines_of(output.stderr)
  if M.last_word(words, lines, evidence) then return lines end
  local all = lines_of(output.aggregated_output)
  return #all > 0 and all or lines_of(output.stdout)
end

return M

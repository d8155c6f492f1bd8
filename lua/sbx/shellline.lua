-- What a shell's own line says of how its steps become its end. Not a parser: what it doesn't know
-- it says nothing of.

local M = {}

M.SHELLS = { sh = true, bash = true, dash = true, zsh = true, ksh = true, ash = true }

local function basename(path) return (path or ""):match("([^/]+)/*$") end

local function is_shell(word) return M.SHELLS[basename(word) or ""] or false end

-- The text of a script that a shell runs: only of one that ends no sooner than it says (`-e`).
local function text_of(work, path)
  local text = work.read and not path:find("^[-+]") and work.read(path) or nil
  local head = text and text:match("^#!([^\n]*)")
  if not text or head and head:find("%s%-%a*e") then return nil end
  return text
end

-- `bash -c '…'` and nothing else is what stands in it; `sh check.sh` what stands in the file.
local function inner_of(work, script)
  local shell, inner = script:match("^%s*(%S+)%s+%-%a*c%s+'([^']*)'%s*$")
  if is_shell(shell) then return inner end
  local name, path = script:match("^%s*(%S+)%s+([%w_%-%./]+)%s*$")
  return is_shell(name) and text_of(work, path) or script
end

-- The line of a shell's -c; it says what follows a refused step.
local function outer_of(work)
  local command = work.command
  if type(command) ~= "table" or not is_shell(tostring(command[1] or "")) then return nil end
  if #command == 2 then return text_of(work, command[2]) end
  for i = 2, #command - 1 do
    if command[i]:find("^%-%a*c%a*$") then
      return not command[i]:find("e", 1, true) and command[i + 1] or nil
    end
  end
end

local function script_of(work)
  if work.script == nil then
    local outer = outer_of(work)
    work.script = outer and inner_of(work, outer) or false
    work.is_nested = outer ~= nil and work.script ~= outer
  end
  return work.script or nil
end

-- Without the text of here-documents: programs of other languages, data.
local function without_documents(script)
  local kept, from = {}, 1
  while true do
    local _, last, word = script:find("<<%-?%s?['\"]?([%w_]+)", from)
    local start = last and script:find("\n", last, true)
    local _, stop = script:find("\n" .. (word or ""), start or #script + 1, true)
    if not start or not stop then break end
    kept[#kept + 1] = script:sub(from, start - 1)
    from = stop + 1
  end
  return table.concat(kept) .. script:sub(from)
end

-- From the opening one on; nothing is escaped in single quotes.
local CLOSING = { ["'"] = "'[^']*'", ['"'] = '[^\\]"' }

-- The next character that stands between steps, in no quotes.
local function next_cut(script, from)
  while true do
    local at = script:find("[;&|\n'\"\\]", from)
    local char = at and script:sub(at, at)
    local beside = char == "&" and script:sub(at - 1, at - 1) .. script:sub(at + 1, at + 1) or ""
    if beside:find("[<>]") then from = at + 1 -- `2>&1`, `&>log`
    elseif char == "\\" then from = at + 2
    elseif char == "'" or char == '"' then
      local _, closing = script:find(CLOSING[char], at)
      if not closing then return nil end
      from = closing + 1
    else return at
    end
  end
end

-- The line may be an agent's, and the host waits: of a longer one nothing is said.
M.MOST_BYTES = 8192
local MOST_STEPS = 100

-- `cut`: the character before it.
local function cut_up(line)
  local list, from, cut, script = {}, 1, "", without_documents(line)
  while #script <= M.MOST_BYTES and #list < MOST_STEPS do
    local at = next_cut(script, from)
    list[#list + 1] = { text = script:sub(from, (at or 0) - 1), cut = cut }
    if not at then return list end
    from, cut = at + 1, script:sub(at, at)
  end
  return {}
end

local function steps_of(work)
  if not work.steps then work.steps = cut_up(script_of(work) or "") end
  return work.steps
end

local function last_step_of(steps)
  for i = #steps, 1, -1 do
    if steps[i].text:find("%S") then return i end
  end
end

local function is_word_in(text, word)
  local from = 1
  while true do
    local first, last = text:find(word, from, true)
    if not first then return false end
    local around = text:sub(first - 1, first - 1) .. text:sub(last + 1, last + 1)
    if not around:find("[%w_%-%.]") then return true end
    from = last + 1
  end
end

-- The last statement, where nothing decides whether it is reached.
local function last_statement(script)
  local text = script:match("^.*%S") or ""
  text = text:gsub(";$", "")
  local before, last = text:match("^(.*)[;\n]%s*(.-)$")
  if not last or last:find("[|&{}()]") then return nil end
  -- it may have ended before
  if before:find("%f[%w]exit%f[%W]") or before:find("%f[%w]set%s+%-%a*e") then return nil end
  return last
end

local DECIDES = { test = true, ["["] = true, ["[["] = true, ["false"] = true }

-- Where a step writes to, in the line's words.
local function targets_of(text)
  local set = {}
  for target in text:gmatch(">%s?([^%s>&]+)") do set[target] = true end
  return set
end

local function mentioned(statement, evidence)
  for k = #evidence, 1, -1 do
    local last = (evidence[k].path or ""):match("([^/]+)$")
    if last and statement:find(last, 1, true) then return evidence[k] end
  end
end

-- A refusal of the step that was to write what is tested.
local function kept_from(work, statement)
  local steps, words = steps_of(work), {}
  for word in statement:gmatch("[%w_%-%./]+") do words[word] = true end
  for i = #steps - 1, 1, -1 do
    for target in pairs(targets_of(steps[i].text)) do
      for k = words[target] and #work.evidence or 0, 1, -1 do
        local program = work.evidence[k].program
        if program and is_word_in(steps[i].text, program) then return work.evidence[k] end
      end
    end
  end
end

local TESTS = { test = true, ["["] = true, ["[["] = true }

-- Of a file, or of what is written there: nothing that came before is in it but as a file.
local function is_settled(statement)
  local word, rest = statement:match("^(%S+)%s*(.*)$")
  if not TESTS[word] then return true end
  return rest:find("^!?%s*%-%a%s") ~= nil or not rest:find("$", 1, true)
end

--- A line that ends in `exit 3`, `false` or a test of a file fails by that, which needs no process
--- and so is not in the chain; a test of what was refused fails because of it.
---@return boolean decides, table|nil entry
function M.last_step(work, exit_code)
  local script = script_of(work)
  local last = script and last_statement(script)
  if not last then return false end
  local code = last:match("^exit%s+(%d+)$")
  if code then return tonumber(code) == exit_code end
  if exit_code ~= 1 or not DECIDES[last:match("^%S+")] or not is_settled(last) then return false end
  return true, mentioned(last, work.evidence) or kept_from(work, last)
end

-- What passes all on whether it can write it or not.
local COPIES = { tee = true }

-- The step of a pipeline whose reader it is, through stages that only pass on.
local function writes_to(steps, i, writer)
  while i > 1 and steps[i].cut == "|" do
    i = i - 1
    if not steps[i].text:find("%S") then return false end -- `a || b`
    if is_word_in(steps[i].text, writer) then return true end
  end
  return false
end

--- `curl … | head | grep x`: who reads what another writes fails where that did.
function M.reads_from(work, child, writer)
  if not child.program or not writer.program or COPIES[writer.program] then return false end
  local steps = steps_of(work)
  for i = 2, #steps do
    if is_word_in(steps[i].text, child.program) and writes_to(steps, i, writer.program) then
      return true
    end
  end
  return false
end

--- Whether the line is another's: `sh -c "bash -c '…'"`.
function M.is_nested(work)
  return script_of(work) ~= nil and work.is_nested
end

--- Whether a program is a step of the line before the last one; a shell is where it could not begin
--- a step, whose redirection was refused.
---@param refused table[]  its refusals
function M.is_earlier_step(work, program, refused)
  local steps = program and steps_of(work) or {}
  for i = 1, (last_step_of(steps) or 1) - 1 do
    local text = steps[i].text
    local bare = text:gsub("'[^']*'", ""):gsub('"[^"]*"', "")
    if not M.SHELLS[program] and is_word_in(bare, program) then return true end
    for _, entry in ipairs(M.SHELLS[program] and bare:find(">", 1, true) and refused or {}) do
      local name = basename(entry.path)
      if name and is_word_in(text, name) then return true end
    end
  end
  return false
end

--- Whether the line has a name only in other directories: `touch /a/x; cat x` misses another x.
function M.is_elsewhere(work, name)
  local script = script_of(work)
  if not script or is_word_in(script, "cd") then return false end
  local text = script:lower():gsub("([%s'\"(=])%./", "%1")
  return text:find("/" .. name, 1, true) ~= nil
end

local MAKES = { create = true, rename = true, link = true }

-- A step that speaks of files only by names from where it stands.
local function is_local(text)
  local rest = text:gsub("/dev/null", "")
  return not rest:find("[/$~]")
end

-- A word for the path: with its directory, by name or by the variable of an earlier step's; or what
-- an earlier step was to write to.
local function stands_for(word, path, earlier)
  local head, name = word:match("^(.*)/([^/]*)$")
  if (name or word) ~= basename(path) then return false end
  local directory = head and (head:match("^.*/(.*)$") or head)
  if directory and directory:find("^%$") then
    for _, step in ipairs(earlier) do
      if step.text:find(directory .. "/", 1, true) then return true end
    end
  elseif directory then
    return path:sub(-#directory - #name - 2) == "/" .. directory .. "/" .. name
  end
  for _, step in ipairs(directory and {} or earlier) do
    if targets_of(step.text)[word] then return true end
    if is_local(step.text) and is_word_in(step.text, word) then return true end
  end
  return false
end

--- What the last step asks for and an earlier one was not let make.
function M.asked_for(work)
  local steps, words, earlier = steps_of(work), {}, {}
  local last = last_step_of(steps)
  if not last then return nil end
  for word in steps[last].text:gmatch("[^%s'\"<>()]+") do words[word] = true end
  for i = 1, last - 1 do earlier[i] = steps[i] end
  for k = #work.evidence, 1, -1 do
    local entry = work.evidence[k]
    for word in pairs(entry.path and MAKES[entry.operation] and words or {}) do
      if stands_for(word, entry.path, earlier) then return entry end
    end
  end
end

-- The first word after `git` that is none of its options.
local function command_of_git(text)
  local rest = text:match("%f[%w]git%s+(.*)")
  while rest do
    local option, after = rest:match("^(%-%S+)%s+(.*)")
    if not option then return rest:match("^[%w%-]+") end
    rest = (option == "-C" or option == "-c") and after:match("^%S+%s+(.*)") or after
  end
end

--- Whether all that git is asked for writes its index.
function M.writes_index(work)
  local command, writes, steps = work.command, false, steps_of(work)
  if not script_of(work) and type(command) == "table" then
    steps = cut_up(table.concat(command, " "))
  end
  for _, step in ipairs(steps) do
    local asked = command_of_git(step.text)
    if asked and not (work.words.index_writers or {})[asked] then return false end
    writes = writes or asked ~= nil
  end
  return writes
end

-- `[ $? -eq 0 ]`, `test $i = 1`
local function ends_in_test(script)
  local last = last_statement(script)
  return last ~= nil and TESTS[last:match("^%S+") or ""] ~= nil and not is_settled(last)
end

--- `|| exit 3` makes another status of a step's.
function M.may_translate(work, exit_code)
  local script = script_of(work)
  return not script or script:find("exit%s+" .. exit_code .. "%f[%D]") ~= nil
    or exit_code == 1 and ends_in_test(script)
end

return M

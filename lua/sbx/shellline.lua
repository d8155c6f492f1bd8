-- What a shell's own line says of how its steps become its end. Not a parser: what it doesn't know
-- it says nothing of.

local M = {}

M.SHELLS = { sh = true, bash = true, dash = true, zsh = true, ksh = true, ash = true }

-- `bash -c '…'` and nothing else is what stands in it.
local function inner_of(script)
  local shell, inner = script:match("^%s*(%S+)%s+%-%a*c%s+'([^']*)'%s*$")
  local name = shell and shell:match("([^/]+)$")
  return name and M.SHELLS[name] and inner or script
end

-- The line of a shell's -c; it says what follows a refused step.
-- (The line is the caller's, and may be an agent's: its length must not become the host's time.)
local function script_of(command)
  if type(command) ~= "table" then return nil end
  local name = tostring(command[1] or ""):match("([^/]+)$")
  if not M.SHELLS[name or ""] then return nil end
  for i = 2, #command - 1 do
    if command[i]:find("^%-%a*c%a*$") then
      return not command[i]:find("e", 1, true) and inner_of(command[i + 1]) or nil
    end
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

local function mentioned(statement, evidence)
  for k = #evidence, 1, -1 do
    local last = (evidence[k].path or ""):match("([^/]+)$")
    if last and statement:find(last, 1, true) then return evidence[k] end
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
  local script = script_of(work.command)
  local last = script and last_statement(script)
  if not last then return false end
  local code = last:match("^exit%s+(%d+)$")
  if code then return tonumber(code) == exit_code end
  if exit_code ~= 1 or not DECIDES[last:match("^%S+")] or not is_settled(last) then return false end
  return true, mentioned(last, work.evidence)
end

-- What passes all on whether it can write it or not.
local COPIES = { tee = true }

local function plain(word) return (word:gsub("%p", "%%%0")) end

--- `curl … | grep x`: who reads what another writes fails where that did.
function M.reads_from(work, child, writer)
  local script = script_of(work.command)
  if not script or not child.program or not writer.program then return false end
  if COPIES[writer.program] then return false end
  local pattern = plain(writer.program) .. "[^;&\n|]*|[^;&\n|]*%f[%w]" .. plain(child.program)
  return script:find(pattern) ~= nil
end

-- `[ $? -eq 0 ]`, `test $i = 1`
local function ends_in_test(script)
  local last = last_statement(script)
  return last ~= nil and TESTS[last:match("^%S+") or ""] ~= nil and not is_settled(last)
end

--- `|| exit 3` makes another status of a step's.
function M.may_translate(work, exit_code)
  local script = script_of(work.command)
  return not script or script:find("exit%s+" .. exit_code .. "%f[%D]") ~= nil
    or exit_code == 1 and ends_in_test(script)
end

return M

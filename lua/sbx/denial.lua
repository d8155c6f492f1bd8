-- When a failure is taken for a refusal by the sandbox. Editable: ~/.config/sbxlua/denial.lua or
-- /etc/sbxlua/denial.lua may change what is here (`local base = ...; base.keywords[#base.keywords
-- + 1] = "x"; return base`).

local M = {}

local SIGSYS = 31

--- Looked for without regard to case in what the command wrote.
M.keywords = {
  "operation not permitted", "permission denied", "read-only file system", "seccomp", "sandbox",
  "landlock", "failed to write file",
}

--- How a shell says misuse, not executable, not found: no refusal, unless a keyword says so.
M.quick_reject_exit_codes = { 2, 126, 127 }

local STREAMS = { "stderr", "stdout", "aggregated_output" }

local function keyword_in(text)
  if type(text) ~= "string" or text == "" then return nil end
  local lower = text:lower()
  for _, keyword in ipairs(M.keywords) do
    if lower:find(keyword:lower(), 1, true) then return keyword end
  end
end

local function is_quick_reject(exit_code)
  for _, code in ipairs(M.quick_reject_exit_codes) do
    if exit_code == code then return true end
  end
  return false
end

--- The heuristic: what the exit code and the text let one guess.
---@param sandbox_type string  "none", "linux-seccomp", "macos-seatbelt", "windows-restricted-token"
---@param output {exit_code: number, stdout: string?, stderr: string?, aggregated_output: string?}
---@return boolean, string reason
function M.is_likely_sandbox_denied(sandbox_type, output)
  if sandbox_type == "none" then return false, "there was no sandbox" end
  if output.exit_code == 0 then return false, "it ended with 0" end
  for _, stream in ipairs(STREAMS) do
    local keyword = keyword_in(output[stream])
    if keyword then return true, string.format("%q in %s", keyword, stream) end
  end
  if is_quick_reject(output.exit_code) then
    return false, string.format("exit code %d says otherwise", output.exit_code)
  end
  if sandbox_type == "linux-seccomp" and output.exit_code == 128 + SIGSYS then
    return true, "it died of SIGSYS"
  end
  return false, "nothing in its output says so"
end

local function ended_otherwise(output)
  if output.timed_out then return "it was ended by its time-out" end
  if output.status == "cancelled" then return "it was cancelled" end
  if output.status == "limit" then return "it was ended by a limit" end
  if output.signal then return "it died of a signal" end
end

local function names(text, evidence)
  local what = evidence.path or evidence.address
  if type(text) ~= "string" or type(what) ~= "string" then return false end
  local last = what:match("([^/]+)/*$") or what
  return text:find(last, 1, true) ~= nil
end

-- A refusal may have been of something optional (a cache): it is the cause where the output names
-- what was refused or speaks of a refusal, or where nothing says anything else.
local function explains(sandbox_type, output, evidence)
  for _, one in ipairs(evidence) do
    for _, stream in ipairs(STREAMS) do
      if names(output[stream], one) then
        return string.format("it names what was refused: %s", one.path or one.address)
      end
    end
  end
  if (output.stderr or "") == "" then return "an access was refused and it says nothing else" end
  local likely, reason = M.is_likely_sandbox_denied(sandbox_type, output)
  return likely and "an access was refused, and " .. reason or nil
end

--- The verdict on a failed command. A watched run is judged by what was seen, any other by the
--- heuristic alone.
---@param evidence table[]|nil  refused accesses
---@param watched boolean|nil
---@return "none"|"likely"|"confirmed", string reason
function M.judge(sandbox_type, output, evidence, watched)
  if sandbox_type == "none" then return "none", "there was no sandbox" end
  if output.exit_code == 0 then return "none", "it ended with 0" end
  local ended = ended_otherwise(output)
  if ended then return "none", ended end
  if not watched then
    local likely, reason = M.is_likely_sandbox_denied(sandbox_type, output)
    return likely and "likely" or "none", reason
  end
  if not evidence or #evidence == 0 then return "none", "no access was refused" end
  local reason = explains(sandbox_type, output, evidence)
  if reason then return "confirmed", reason end
  return "none", "it failed for its own reason"
end

return M

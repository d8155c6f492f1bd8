-- sbxlua policies: which there are, and where they come from.

local text = require("sbx.text")
local verb = require("sbx.cli.verb")

local M = {
  usage = "Usage: sbxlua policies [--json]",
  description = "Lists the policies by name, with their file and what they say of themselves.",
  options = { verb.JSON },
}

local function rows_of(policies)
  local rows = {}
  for i, policy in ipairs(policies) do
    rows[i] = {
      text.escape(policy.name), text.escape(policy.path or ""), text.escape(policy.doc or ""),
    }
  end
  return rows
end

local function act(values)
  local policies, err = require("sbx").policies()
  if not policies then return verb.fail(tostring(err), values.json) end
  if values.json then verb.json({ policies = policies })
  else verb.write(verb.columns(rows_of(policies)))
  end
  return 0
end

function M.main(words) return verb.main(M, words, act) end

return M

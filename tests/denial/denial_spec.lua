-- Verdicts and evidence on what developers and agents really run (cases.lua), against the truth
-- measured here. SBX_DENIAL_TABLE=1 prints the table, SBX_DENIAL=TEXT runs only lines with TEXT.
local sbx = require "sbx"
local fresh = require "tests.denial.fresh"
local score = require "tests.denial.score"
local support = require "tests.support"

local only = os.getenv("SBX_DENIAL")

local function suite(tier)
  local rows, skipped

  setup(function()
    score.tier = tier
    rows, skipped = score.rows(only)
    if os.getenv("SBX_DENIAL_TABLE") then
      io.stderr:write("== ", tier, "\n", score.report(rows, skipped), "\n")
      local unseen = score.rows(only, require "tests.denial.unseen")
      io.stderr:write("-- lines that it was never tuned on\n", score.report(unseen, {}), "\n")
      if not support.is_root then
        for _, hand in ipairs({ "independent", "independent_too" }) do
          local others = fresh.rows(require("tests.denial." .. hand), tier)
          io.stderr:write("-- ", hand, "\n", score.report(others, {}), "\n")
        end
      end
    end
  end)

  it("has a hundred lines and more, and many of each kind", function()
    if only then return pending("only some lines") end
    local denied = 0
    for _, row in ipairs(rows) do denied = denied + (row.denied and 1 or 0) end
    assert.is_true(#rows >= 100, #rows .. " lines")
    assert.is_true(denied >= 50 and #rows - denied >= 50, denied .. " denied")
  end)

  it("is judged rightly where it is watched", function()
    for _, row in ipairs(rows) do
      if not row.is_watched then return pending("no watch here") end
    end
    local figures = score.figures(score.main(rows), score.watched)
    assert.is_true(figures.precision >= 0.99, score.report(rows, skipped))
    assert.is_true(figures.recall >= 0.98, score.report(rows, skipped))
  end)

  it("is told with the operation and the path that were refused", function()
    for _, row in ipairs(rows) do
      if not row.is_watched then return pending("no watch here") end
    end
    assert.is_true(score.evidence(score.main(rows)) >= 0.95, score.report(rows, skipped))
  end)

  it("is better judged than by the heuristic", function()
    local plain = score.figures(score.main(rows), score.heuristic)
    local unwatched = score.figures(score.main(rows), score.unwatched)
    assert.is_true(unwatched.precision >= plain.precision, score.report(rows, skipped))
    assert.is_true(unwatched.recall >= plain.recall, score.report(rows, skipped))
  end)
end

-- Who asks makes no difference between the tiers: a second user looks at one, but for the table.
local both = os.getenv("SBX_DENIAL_TABLE") or not os.getenv("SBX_SECOND_USER")

for _, tier in ipairs(both and { "contained", "landlock" } or { "contained" }) do
  describe("the labelled set in tier " .. tier, function()
    local missing = (sbx.probe().missing_tiers or {})[tier]
    if missing then
      it("is judged", function() pending("no tier " .. tier .. " here: " .. missing) end)
    else
      suite(tier)
    end
  end)
end

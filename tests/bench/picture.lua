-- The figures as a picture (SVG, for README): bars for what one command costs, lines for what a
-- cost grows with. Written by hand of text: no program is needed to look at it but a browser.
local M = {}

local WIDTH, BAR, LABEL = 860, 17, 300
local PANEL_W, PANEL_H, GAP = 270, 170, 25
local COLOURS = { own = "#2b6cb0", peer = "#a0aec0", line = "#2b6cb0", goal = "#c53030" }
local FONT = 'font-family="sans-serif" font-size="%d" fill="#2d3748"'

local Picture = {}
Picture.__index = Picture

function M.new(machine)
  return setmetatable({ machine = machine, bars = {}, panels = {} }, Picture)
end

---@param kind "own"|"peer"
---@param goal number?  the most that it should be
function Picture:bar(label, ratio, kind, goal)
  self.bars[#self.bars + 1] = { label = label, ratio = ratio, kind = kind, goal = goal }
end

---@param points {[1]: number, [2]: number}[]  what grows, and the cost in microseconds
function Picture:line(title, grows, points)
  self.panels[#self.panels + 1] = { title = title, grows = grows, points = points }
end

---------------------------------------------------------------------------------------------------

local function escape(text) return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;",
                                                         [">"] = "&gt;" })) end

local function text(x, y, size, words, anchor)
  return ('<text x="%.1f" y="%.1f" %s text-anchor="%s">%s</text>'):format(
    x, y, FONT:format(size), anchor or "start", escape(words))
end

local function rectangle(x, y, width, height, colour)
  return ('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>'):format(
    x, y, width, height, colour)
end

local function stroke(x1, y1, x2, y2, colour, dash)
  return ('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"%s/>'):format(
    x1, y1, x2, y2, colour, dash and ' stroke-dasharray="3 3"' or "")
end

local function log10(value) return math.log(value, 10) end

-- From 0.5 to what is above the longest, in equal steps for equal factors.
local function bars(out, list, top)
  local most = 1
  for _, bar in ipairs(list) do most = math.max(most, bar.ratio) end
  local low, high = log10(0.5), log10(most * 1.6)
  local function at(ratio)
    return LABEL + (WIDTH - LABEL - 60) * (log10(ratio) - low) / (high - low)
  end
  for i, bar in ipairs(list) do
    local y = top + (i - 1) * BAR
    out[#out + 1] = text(LABEL - 8, y + 12, 12, bar.label, "end")
    out[#out + 1] = rectangle(LABEL, y + 2, at(bar.ratio) - LABEL, BAR - 5, COLOURS[bar.kind])
    if bar.goal then
      out[#out + 1] = stroke(at(bar.goal), y, at(bar.goal), y + BAR - 1, COLOURS.goal)
    end
    out[#out + 1] = text(at(bar.ratio) + 5, y + 12, 11, ("%.2f"):format(bar.ratio))
  end
  local bottom = top + #list * BAR
  out[#out + 1] = stroke(at(1), top - 2, at(1), bottom + 2, "#718096", true)
  return bottom
end

local function range(points, index, room)
  local low, high = math.huge, -math.huge
  for _, point in ipairs(points) do
    low, high = math.min(low, log10(point[index])), math.max(high, log10(point[index]))
  end
  local more = math.max(0, room - (high - low)) / 2
  return low - more, high + more
end

local function short(value)
  if value >= 1e6 then return ("%gM"):format(value / 1e6) end
  if value >= 2e3 or value == 1e3 then return ("%gk"):format(value / 1e3) end
  return ("%g"):format(value)
end

-- Both ways in equal steps for equal factors; at least a hundred from bottom to top, so that what
-- is flat looks flat.
local function panel(out, one, left, top)
  local low_x, high_x = range(one.points, 1, 0.1)
  local low_y, high_y = range(one.points, 2, 2)
  local height, bottom = PANEL_H - 60, top + PANEL_H - 36
  local function at(point)
    return left + (PANEL_W - 30) * (log10(point[1]) - low_x) / (high_x - low_x) + 12,
           bottom - height * (log10(point[2]) - low_y) / (high_y - low_y)
  end
  out[#out + 1] = text(left, top + 12, 12, one.title)
  out[#out + 1] = stroke(left, bottom + 4, left + PANEL_W - 8, bottom + 4, "#a0aec0")
  local path = {}
  for _, point in ipairs(one.points) do
    local x, y = at(point)
    path[#path + 1] = ("%.1f,%.1f"):format(x, y)
    out[#out + 1] = ('<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>'):format(x, y, COLOURS.line)
    out[#out + 1] = text(x, y - 6, 9, point[2] >= 1000 and ("%.1f ms"):format(point[2] / 1000)
                         or ("%.0f us"):format(point[2]), "middle")
    out[#out + 1] = text(x, bottom + 16, 9, short(point[1]), "middle")
  end
  out[#out + 1] = ('<polyline points="%s" fill="none" stroke="%s"/>'):format(
    table.concat(path, " "), COLOURS.line)
  out[#out + 1] = text(left + PANEL_W / 2, bottom + 30, 10, one.grows, "middle")
end

---------------------------------------------------------------------------------------------------

function Picture:is_empty() return #self.bars == 0 and #self.panels == 0 end

---@return string svg
function Picture:svg()
  local out, y = {}, 20
  if #self.bars > 0 then
    out[#out + 1] = text(10, y, 13, "One /bin/true, over a bare posix_spawn with a captured pipe"
                         .. " (red: the goal)")
    y = bars(out, self.bars, y + 12) + 30
  end
  for i, one in ipairs(self.panels) do
    local column = (i - 1) % 3
    panel(out, one, 10 + column * (PANEL_W + GAP / 2), y)
    if column == 2 or i == #self.panels then y = y + PANEL_H + GAP end
  end
  for line in self.machine:gmatch("[^\n]+") do
    out[#out + 1] = text(10, y, 10, (line:gsub("%s+", " ")))
    y = y + 14
  end
  return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">\n'
    .. '<rect width="100%%" height="100%%" fill="white"/>\n%s\n</svg>\n'):format(
    WIDTH, y, WIDTH, y, table.concat(out, "\n"))
end

return M

-- Numeric addresses of the internet, read without the help of a system: a plan is made from text
-- alone.

local M = {}

local function ipv4(text)
  local bytes = {}
  for part in (text .. "."):gmatch("([^.]*)%.") do
    local number = part:find("^%d%d?%d?$") and tonumber(part)
    -- with a leading zero some read it as octal: another address
    if not number or number > 255 or part:find("^0%d") then return nil end
    bytes[#bytes + 1] = number
  end
  return #bytes == 4 and bytes or nil
end

-- Groups between colons, as bytes; the last may be an address of IPv4.
local function groups(text, last)
  local bytes = {}
  if text == "" then return bytes end
  for part, stop in (text .. ":"):gmatch("([^:]*):()") do
    local tail = last and stop > #text + 1 and ipv4(part)
    local number = part:find("^%x%x?%x?%x?$") and tonumber(part, 16)
    if tail then
      for _, byte in ipairs(tail) do bytes[#bytes + 1] = byte end
    elseif number then
      bytes[#bytes + 1], bytes[#bytes + 2] = math.floor(number / 256), number % 256
    else
      return nil
    end
  end
  return bytes
end

local function ipv6(text)
  local from, to = text:find("::", 1, true)
  if not from then
    local bytes = groups(text, true)
    return bytes and #bytes == 16 and bytes or nil
  end
  local head, tail = groups(text:sub(1, from - 1)), groups(text:sub(to + 1), true)
  if not head or not tail or #head + #tail > 14 then return nil end
  for _ = 1, 16 - #head - #tail do head[#head + 1] = 0 end
  for _, byte in ipairs(tail) do head[#head + 1] = byte end
  return head
end

--- An address as bytes, or nil.
---@return "inet"|"inet6"|nil family, integer[]? bytes
function M.read(text)
  local bytes = ipv4(text)
  if bytes then return "inet", bytes end
  bytes = text:find(":", 1, true) and ipv6(text)
  if bytes then return "inet6", bytes end
end

--- Whether the first bits of two addresses are the same.
function M.same(a, b, bits)
  for i = 1, #a do
    local left = bits - (i - 1) * 8
    if left <= 0 then return true end
    local unit = left >= 8 and 1 or 2 ^ (8 - left)
    if math.floor(a[i] / unit) ~= math.floor((b[i] or 0) / unit) then return false end
  end
  return #a == #b
end

--- Whether all bits behind the first ones are zero.
function M.is_network(bytes, bits)
  for i = 1, #bytes do
    local left = math.max(0, math.min(8, bits - (i - 1) * 8))
    if bytes[i] % 2 ^ (8 - left) ~= 0 then return false end
  end
  return true
end

--- An address of IPv4 in the form of IPv6 (::ffff:1.2.3.4) as that one of IPv4; else as it is.
function M.plain(family, bytes)
  if family ~= "inet6" or bytes[11] ~= 255 or bytes[12] ~= 255 then return family, bytes end
  for i = 1, 10 do
    if bytes[i] ~= 0 then return family, bytes end
  end
  return "inet", { bytes[13], bytes[14], bytes[15], bytes[16] }
end

--- 0.0.0.0 or ::, which the kernel connects to as the loopback.
function M.is_any(bytes)
  for i = 1, #bytes do
    if bytes[i] ~= 0 then return false end
  end
  return true
end

return M

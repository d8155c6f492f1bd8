-- Landlock as data: which rights there are, since which ABI, and which sets of them the plans give.
-- Source: Documentation/userspace-api/landlock.rst. Every set is made once for an ABI and shared:
-- nobody writes to what these functions give.

local M = {}

-- The newest ABI whose rights are known here. A newer kernel is used as this one.
M.KNOWN_ABI = 7

M.FS = {
  { name = "execute", abi = 1, file = true, read = true },
  { name = "read_file", abi = 1, file = true, read = true },
  { name = "read_dir", abi = 1, read = true },
  { name = "write_file", abi = 1, file = true },
  { name = "remove_dir", abi = 1 },
  { name = "remove_file", abi = 1 },
  { name = "make_char", abi = 1, device = true },
  { name = "make_dir", abi = 1 },
  { name = "make_reg", abi = 1 },
  { name = "make_sock", abi = 1 },
  { name = "make_fifo", abi = 1 },
  { name = "make_block", abi = 1, device = true },
  { name = "make_sym", abi = 1 },
  { name = "refer", abi = 2 },
  { name = "truncate", abi = 3, file = true },
  { name = "ioctl_dev", abi = 5, file = true, device = true },
}

M.NET_ABI, M.SCOPE_ABI = 4, 6

--- Harmless devices that every policy leaves writable; only a terminal gets device ioctls.
M.DEVICES = {
  { path = "/dev/null" }, { path = "/dev/zero" }, { path = "/dev/full" },
  { path = "/dev/random" }, { path = "/dev/urandom" }, { path = "/dev/tty", terminal = true },
}

local function pick(abi, wanted)
  local names = {}
  for _, right in ipairs(M.FS) do
    if right.abi <= abi and wanted(right) then names[#names + 1] = right.name end
  end
  return names
end

local function is_write(right) return not right.read end

local function make(abi)
  local function tree(right) return not right.device and not right.read end
  local function file(right) return tree(right) and right.file end
  return {
    abi = abi,
    handled_write = pick(abi, is_write),
    handled_all = pick(abi, function() return true end),
    -- only what no command without CAP_MKNOD could use: a domain that guards processes alone
    handled_least = { "make_block" },
    write_tree = pick(abi, tree),
    write_file = pick(abi, file),
    read_tree = pick(abi, function(right) return right.read end),
    read_file = pick(abi, function(right) return right.read and right.file end),
    all_tree = pick(abi, function(right) return not right.device end),
    all_file = pick(abi, function(right) return not right.device and right.file end),
    device = pick(abi, function(right)
      return right.name == "write_file" or right.name == "truncate"
    end),
    device_read = pick(abi, function(right)
      return right.name == "write_file" or right.name == "truncate" or right.name == "read_file"
    end),
    device_tree = pick(abi, function(right)
      return right.read or right.name == "write_file" or right.name == "truncate"
    end),
    terminal_tree = pick(abi, function(right)
      return right.read or file(right) or right.name == "ioctl_dev"
    end),
    terminal = pick(abi, function(right) return file(right) or right.name == "ioctl_dev" end),
    terminal_read = pick(abi, function(right)
      return file(right) or right.name == "ioctl_dev" or right.name == "read_file"
    end),
    net = { "bind_tcp", "connect_tcp" },
    none = {},
  }
end

local made = {}

--- The sets of rights for an ABI, shared.
function M.rights(abi)
  if abi > M.KNOWN_ABI then abi = M.KNOWN_ABI end
  if not made[abi] then made[abi] = make(abi) end
  return made[abi]
end

local SCOPES = { both = { "abstract_unix_socket", "signal" }, signal = { "signal" }, none = {} }

--- Scopes: signals always, abstract sockets unless the network is whole.
function M.scope(abi, network)
  if abi < M.SCOPE_ABI then return SCOPES.none end
  return network == "full" and SCOPES.signal or SCOPES.both
end

return M

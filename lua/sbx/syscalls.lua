-- The system call filter as data. Default: allow; each rule refuses with an errno. `op` and values
-- as in the engine plan. The kernel reads int arguments as 32 bits, so a caller may set the high
-- half at will: an equality test here looks at the low half only, or denies what it can't tell.
-- Rules are made once and shared: nobody writes to them.

local M = {}

local LOW = 0xffffffff
local unpack = table.unpack or unpack

local function low(index, value) return { index, "masked_eq", LOW, value } end
local function bit(index, value) return { index, "masked_eq", value, value } end

local function refuse(list, errno, calls)
  for _, call in ipairs(calls) do list[#list + 1] = { call = call, errno = errno } end
end

local function refuse_if(list, errno, call, ...)
  list[#list + 1] = { call = call, errno = errno, args = { ... } }
end

-- CLONE_NEW*; time namespaces only by unshare, in clone those bits are the exit signal.
local NAMESPACES = {
  0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
}
local NEWTIME = 0x80

local function namespaces(list)
  for _, flag in ipairs(NAMESPACES) do
    refuse_if(list, "EPERM", "unshare", bit(0, flag))
    refuse_if(list, "EPERM", "clone", bit(0, flag))
  end
  refuse_if(list, "EPERM", "unshare", bit(0, NEWTIME))
  refuse(list, "EPERM", { "setns" })
  refuse(list, "ENOSYS", { "clone3" }) -- its flags are in memory; libc falls back to clone
end

local function mounts(list)
  refuse(list, "EPERM", {
    "mount", "umount2", "umount", "pivot_root", "move_mount", "open_tree", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", 467, -- open_tree_attr
  })
  refuse(list, "ENOSYS", { 457, 458, 470 }) -- statmount, listmount, listns: the host's mounts
end

local function kernel(list)
  -- io_uring does what the other rules refuse, from a kernel thread
  refuse(list, "ENOSYS", {
    "io_uring_setup", "io_uring_enter", "io_uring_register", "userfaultfd",
    "keyctl", "add_key", "request_key",
    447, -- memfd_secret: memory that the supervisor can't look into, with a path in it
  })
  refuse(list, "EPERM", {
    "bpf", "perf_event_open", "name_to_handle_at", "open_by_handle_at", "quotactl", "quotactl_fd",
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "acct",
    "swapon", "swapoff", "reboot", "settimeofday", "clock_settime", "syslog", "iopl", "ioperm",
    "fanotify_init", "lookup_dcookie", "vhangup", "nfsservctl",
  })
  -- A second listener could answer for the first (security.md 21).
  refuse_if(list, "EPERM", "seccomp", bit(1, 8)) -- SECCOMP_FILTER_FLAG_NEW_LISTENER
  refuse_if(list, "EPERM", "ioctl", low(1, 0x5412)) -- TIOCSTI: types into the host's terminal
  refuse_if(list, "EPERM", "ioctl", low(1, 0x541c)) -- TIOCLINUX: pastes into it
end

-- Without an IPC namespace these are shared with every process of the user.
local function ipc(list)
  refuse(list, "EPERM", {
    "shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semtimedop", "semctl",
    "msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink",
  })
end

-- Attributes of files that Landlock doesn't guard. EOPNOTSUPP: with EPERM `cp -a` fails.
local function attributes(list)
  refuse(list, "EOPNOTSUPP", {
    "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
    463, 466, 469, -- setxattrat, removexattrat, file_setattr
  })
  for _, request in ipairs({
    0x40086602, 0x40046602, -- FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS
    0x401c5820, -- FS_IOC_FSSETXATTR
    0x40087602, 0x40047602, -- FS_IOC_SETVERSION, FS_IOC32_SETVERSION
    0x40086604, 0x40046604, -- EXT4_IOC_SETVERSION, EXT4_IOC32_SETVERSION
    0x40806685, -- FS_IOC_ENABLE_VERITY
    -- btrfs makes and removes subvolumes by ioctl on a directory opened for reading
    0x50009401, 0x5000940e, 0x5000940f, 0x50009417, 0x50009418, 0x5000943f, 0x4008941a,
    0xc0c89425, -- BTRFS_IOC_SET_RECEIVED_SUBVOL
  }) do
    refuse_if(list, "EOPNOTSUPP", "ioctl", low(1, request))
  end
end

-- A read lease takes no right to write, and stalls whoever opens the file for writing (45 s).
-- EAGAIN is what a file that is open elsewhere gives.
local F_SETLEASE = 1024

-- What a file takes beyond its size, or grows by in its middle, RLIMIT_FSIZE doesn't count. With
-- EOPNOTSUPP libc and others write instead. Holes (KEEP_SIZE with PUNCH_HOLE) give back.
local KEEP_SIZE, PUNCH_HOLE, INSERT_RANGE = 1, 2, 32

local function allocation(list)
  local both = KEEP_SIZE + PUNCH_HOLE
  refuse_if(list, "EOPNOTSUPP", "fallocate", { 1, "masked_eq", both, KEEP_SIZE })
  refuse_if(list, "EOPNOTSUPP", "fallocate", bit(1, INSERT_RANGE))
end

local function leases(list)
  refuse_if(list, "EAGAIN", "fcntl", low(1, F_SETLEASE))
end

-- A set-user-ID file that a command leaves behind is run with its user's power by whoever likes,
-- outside. The bit for the group stays, as directories have it; what openat2(2) makes with it loses
-- it at the first write.
local SET_UID, CREATE = 2048, 64
local MODES = {
  { "chmod", 1 }, { "fchmod", 1 }, { "fchmodat", 2 }, { 452, 2 }, { "creat", 1 }, { "mknod", 1 },
  { "mknodat", 2 },
}

local function set_uid(list)
  for _, mode in ipairs(MODES) do refuse_if(list, "EPERM", mode[1], bit(mode[2], SET_UID)) end
  refuse_if(list, "EPERM", "open", bit(1, CREATE), bit(2, SET_UID))
  refuse_if(list, "EPERM", "openat", bit(2, CREATE), bit(3, SET_UID))
end

-- Landlock before ABI 3 lets truncate(2) through, and O_TRUNC with an access mode that doesn't
-- write (0, or 3, which asks for no access at all). ftruncate needs a descriptor that writes.
local TRUNC, MODE = 512, 3

local function truncation(list)
  refuse(list, "EACCES", { "truncate", "truncate64" })
  refuse(list, "ENOSYS", { "openat2" })
  for _, mode in ipairs({ 0, 3 }) do
    refuse_if(list, "EACCES", "open", { 1, "masked_eq", TRUNC + MODE, TRUNC + mode })
    refuse_if(list, "EACCES", "openat", { 2, "masked_eq", TRUNC + MODE, TRUNC + mode })
  end
end

-- Of socket pairs only AF_UNIX streams (1) and sequenced packets (5): an end of a datagram pair can
-- send to any socket by its path. Their type has bit 0 set, bits 1 and 3 not.
local function pairs_of_sockets(list)
  refuse_if(list, "EPERM", "socketpair", { 0, "ne", 1 })
  refuse_if(list, "EPERM", "socketpair", { 1, "masked_eq", 1, 0 })
  refuse_if(list, "EPERM", "socketpair", bit(1, 2))
  refuse_if(list, "EPERM", "socketpair", bit(1, 8))
end

-- Only AF_INET (2), AF_INET6 (10) and route netlink (16, 0), which libc asks for addresses. The
-- order comparisons deny a family with anything in its high half.
local function loopback_sockets(list)
  refuse_if(list, "EPERM", "socket", { 0, "lt", 2 })
  refuse_if(list, "EPERM", "socket", { 0, "gt", 16 })
  for family = 3, 15 do
    if family ~= 10 then refuse_if(list, "EPERM", "socket", low(0, family)) end
  end
  refuse_if(list, "EPERM", "socket", low(0, 1))
  refuse_if(list, "EPERM", "socket", low(0, 16), { 2, "ne", 0 })
  pairs_of_sockets(list)
end

local function no_sockets(list)
  refuse(list, "EPERM", { "socket" })
  pairs_of_sockets(list)
end

-- Stream sockets of AF_UNIX, without a name of their own; the supervisor connects them, to what is
-- listed. An unconnected datagram socket would not have to ask.
local function listed_sockets(list)
  refuse_if(list, "EPERM", "socket", { 0, "ne", 1 })
  refuse_if(list, "EPERM", "socket", { 1, "masked_eq", 1, 0 })
  refuse_if(list, "EPERM", "socket", bit(1, 2))
  refuse_if(list, "EPERM", "socket", bit(1, 8))
  refuse(list, "EPERM", { "bind", "listen" })
  list[#list + 1] = { call = "connect", on_behalf = true }
  pairs_of_sockets(list)
end

-- Comparisons that together match every int but these (below 128): what is not named is refused,
-- whatever a later kernel means by it.
local function all_but(index, ...)
  local kept, list = {}, { { index, "gt", 127 } }
  for _, value in ipairs({ ... }) do kept[value] = true end
  local function cover(from, size)
    local found = false
    for value = from, from + size - 1 do found = found or kept[value] end
    if not found then
      list[#list + 1] = { index, "masked_eq", LOW - size + 1, from }
    elseif size > 1 then
      cover(from, size / 2)
      cover(from + size / 2, size / 2)
    end
  end
  cover(0, 128)
  return list
end

local function refuse_all(list, errno, call, comparisons, ...)
  for _, comparison in ipairs(comparisons) do refuse_if(list, errno, call, comparison, ...) end
end

-- setsockopt(2) by level: what programs set, and nothing that leads packets elsewhere than to the
-- address that was judged (a source route, an interface, a mark), connects later or puts another
-- protocol into the socket (TCP_FASTOPEN 23, FASTOPEN_CONNECT 30, ULP 31, REPAIR 19).
local OPTIONS = {
  [0] = { 1, 2, 8, 10, 11, 12, 13, 24 }, -- IPPROTO_IP: TOS, TTL, MTU_DISCOVER, RECVERR, RECV…
  [1] = { -- SOL_SOCKET: not DONTROUTE 5, BINDTODEVICE 25, MARK 36, BINDTOIFINDEX 62
    1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 18, 19, 20, 21, 26, 27, 29, 34, 35, 37, 40, 42, 44,
    45, 46, 47, 60, 63, 64, 65, 66, 67, 69, 70, 74, 76,
  },
  [6] = { 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 16, 17, 18, 24, 25, 32, 35, 36 }, -- IPPROTO_TCP
  [41] = { 16, 23, 24, 25, 26, 49, 51, 66, 67, 70 }, -- IPPROTO_IPV6: V6ONLY, TCLASS, HOPS, …
}

local function socket_options(list)
  local levels = {}
  for level, options in pairs(OPTIONS) do
    levels[#levels + 1] = level
    refuse_all(list, "ENOPROTOOPT", "setsockopt", all_but(2, unpack(options)), low(1, level))
  end
  table.sort(levels)
  refuse_all(list, "ENOPROTOOPT", "setsockopt", all_but(1, unpack(levels)))
end

local FASTOPEN = 0x20000000 -- of MSG_: connects, to an address that is in memory

-- TCP, which only the supervisor connects: no other protocol (0, 6; MPTCP would be 262), no
-- datagram, no address of its own, nobody to come in. listen(2) takes a port without bind(2).
local function tcp_sockets(list, families)
  refuse_all(list, "EPERM", "socket", all_but(0, unpack(families)))
  refuse_if(list, "EPERM", "socket", { 1, "masked_eq", 1, 0 })
  refuse_if(list, "EPERM", "socket", bit(1, 2))
  refuse_if(list, "EPERM", "socket", bit(1, 8))
  refuse_if(list, "EPERM", "socket", low(0, 2), bit(1, 4)) -- SOCK_SEQPACKET: SCTP
  refuse_if(list, "EPERM", "socket", low(0, 10), bit(1, 4))
  refuse_all(list, "EPERM", "socket", all_but(2, 0, 6))
  refuse(list, "EPERM", { "bind", "listen" })
  refuse_if(list, "EOPNOTSUPP", "sendto", bit(3, FASTOPEN))
  refuse_if(list, "EOPNOTSUPP", "sendmsg", bit(2, FASTOPEN))
  refuse_if(list, "EOPNOTSUPP", "sendmmsg", bit(3, FASTOPEN))
  -- SIOC…: what the host's interfaces are
  refuse_if(list, "EPERM", "ioctl", { 1, "masked_eq", LOW - 255, 0x8900 })
  socket_options(list)
  pairs_of_sockets(list)
end

local function allowed_sockets(list, wish)
  tcp_sockets(list, wish.sockets and { 1, 2, 10 } or { 2, 10 })
  list[#list + 1] = { call = "connect", on_behalf = true }
end

-- A watched command may make a socket that nothing can be done with but ask for an address, which
-- is then told.
local function watched_none(list)
  tcp_sockets(list, { 1, 2, 10 })
  refuse(list, "EPERM", { "connect" })
end

-- Where the host's processes can be named; 0 is oneself. sched_* can't be refused so: libc sets the
-- affinity of its own threads by their number.
local function others(list)
  refuse_if(list, "EPERM", "prlimit64", { 0, "ne", 0 })
  -- 0 is the caller, but with PRIO_USER or PRIO_PGRP all that the caller's user or group has
  refuse_if(list, "EPERM", "setpriority", { 0, "ne", 0 }) -- PRIO_PROCESS
  refuse_if(list, "EPERM", "setpriority", { 1, "ne", 0 })
  refuse_if(list, "EPERM", "ioprio_set", { 0, "ne", 1 }) -- IOPRIO_WHO_PROCESS
  refuse_if(list, "EPERM", "ioprio_set", { 1, "ne", 0 })
  refuse(list, "EPERM", { "process_madvise", "migrate_pages" })
end

-- The supervisor is 1 there, and has the command's user: limits set from inside would blind it
-- (open files) or end it (processor time).
local function supervisor(list)
  refuse_if(list, "EPERM", "prlimit64", low(0, 1))
end

-- Where there is neither a PID namespace nor a Landlock domain between the command and the rest.
local function tracing(list)
  refuse(list, "EPERM", {
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "move_pages",
  })
end

local NETWORK = {
  none = no_sockets, loopback = loopback_sockets, listed = listed_sockets, allow = allowed_sockets,
}
local WATCHED = {
  none = watched_none, loopback = loopback_sockets, listed = allowed_sockets,
  allow = allowed_sockets,
}

local function make(wish)
  local list = {}
  namespaces(list)
  mounts(list)
  kernel(list)
  if not wish.contained then ipc(list) end -- else the IPC namespace is its own
  if wish.fs then
    if not wish.contained then attributes(list) end -- else read-only mounts guard them
    leases(list)
    set_uid(list)
  end
  if wish.truncation then truncation(list) end
  local network = wish.network == "none" and wish.sockets and "listed" or wish.network
  local sockets = (wish.watch and WATCHED or NETWORK)[network]
  if sockets then sockets(list, wish) end
  if wish.pidns then supervisor(list) else others(list) end
  if wish.tracing then tracing(list) end
  if wish.file_size then allocation(list) end
  return list
end

local made = {}

--- The default list for a wish: `{network, fs, truncation, pidns, tracing,
--- contained, sockets, watch, file_size}`. A new list of shared rules, so that a script may append
--- to it.
function M.filter(wish)
  local key = table.concat({
    wish.network, tostring(wish.fs or false), tostring(wish.truncation or false),
    tostring(wish.pidns or false), tostring(wish.tracing or false),
    tostring(wish.contained or false), tostring(wish.sockets or false),
    tostring(wish.watch or false), tostring(wish.file_size or false),
  }, " ")
  local shared = made[key]
  if not shared then
    shared = make(wish)
    made[key] = shared
  end
  return { unpack(shared) } -- made for each set of layers: the short way, in C
end

-- Refused because a property rests on it: `syscalls.allow` may not undo that.
local NETWORK_CALLS = {
  socket = true, socketpair = true, connect = true, bind = true, listen = true,
  io_uring_setup = true, io_uring_enter = true, io_uring_register = true,
}
-- Where a command may make a socket that only some things may be done with.
local SOCKET_CALLS = { sendto = true, sendmsg = true, sendmmsg = true, setsockopt = true }
local FS_CALLS = { open = true, openat = true, openat2 = true, truncate = true, truncate64 = true }

--- The property that would no longer hold if `call` were allowed, or nil.
function M.rests_on(call, wish)
  if wish.network ~= "full" and NETWORK_CALLS[call] then return "network" end
  local guarded = wish.network == "allow" or wish.watch and wish.network == "none"
  if guarded and SOCKET_CALLS[call] then return "network" end
  if wish.truncation and FS_CALLS[call] then return "fs" end
end

local function as_set(calls)
  local set = {}
  for _, call in ipairs(calls) do set[call] = true end
  return set
end

-- What is left of a default rule where the policy denies the call: one that refuses it whole, with
-- the errno that libc expects.
local function outlasts(rule)
  return not (rule.args or rule.on_behalf)
end

--- The list with a policy's own `{deny, allow}`. Gives also the names in `allow` that were not
--- refused anyway.
function M.edit(list, edits)
  local allowed, denied = as_set(edits.allow or {}), as_set(edits.deny or {})
  local kept, seen, idle = {}, {}, {}
  for _, rule in ipairs(list) do
    seen[rule.call] = seen[rule.call] or allowed[rule.call]
    if not allowed[rule.call] and (outlasts(rule) or not denied[rule.call]) then
      kept[#kept + 1] = rule
    end
  end
  for _, call in ipairs(edits.deny or {}) do
    kept[#kept + 1] = { call = call, errno = "EPERM" }
  end
  for _, call in ipairs(edits.allow or {}) do
    if not seen[call] then idle[#idle + 1] = call end
  end
  return kept, idle
end

return M

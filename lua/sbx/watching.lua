-- Which system calls a watched run shows to its supervisor: those that the policy could refuse.
-- What the kernel's layers refuse goes on to them and is told of; what the filter refuses the
-- supervisor refuses, with the same errno. Pure.

local M = {}

local function bit(index, value) return { index, "masked_eq", value, value } end

---------------------------------------------------------------------------------------------------
-- What goes on

local function go_on(list, call, ...)
  local args = { ... }
  list[#list + 1] = { call = call, ["continue"] = true, args = #args > 0 and args or nil }
end

local function all(list, calls)
  for _, call in ipairs(calls) do go_on(list, call) end
end

-- O_WRONLY, O_RDWR, O_CREAT, O_TRUNC: opening for reading alone stays on the fast path.
local WRITING = { 1, 2, 64, 512 }
local OPENS = { { "open", 1 }, { "openat", 2 } }

local function opens(list, reads)
  for _, open in ipairs(OPENS) do
    local call, index = open[1], open[2]
    if reads then go_on(list, call) end
    for _, flag in ipairs(reads and {} or WRITING) do go_on(list, call, bit(index, flag)) end
  end
  all(list, { "creat", "openat2", "truncate" }) -- openat2's flags are in memory
end

local NAMES = {
  "mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat", "link", "linkat", "rename",
  "renameat", "renameat2", "unlink", "unlinkat", "rmdir",
}

-- By path; on a descriptor of the command's own the errno tells.
local METADATA = {
  "chmod", "fchmodat", 452, "chown", "lchown", "fchownat", "utime", "utimes", "setxattr",
  "lsetxattr", "removexattr", "lremovexattr", 463, 466, 469,
}

local function metadata(list)
  all(list, METADATA)
  go_on(list, "utimensat", { 1, "ne", 0 })
  go_on(list, "futimesat", { 1, "ne", 0 })
end

local function sockets(list)
  all(list, { "connect", "bind" })
  go_on(list, "sendto", { 4, "ne", 0 })
end

-- With another status than 0: who failed, and in which order.
local function exits(list)
  for i = 0, 7 do go_on(list, "exit_group", bit(0, 2 ^ i)) end
end

---------------------------------------------------------------------------------------------------
-- What is refused

-- Not what programs only try, to fall back (ENOSYS), and not what every program calls all the time
-- where the filter's answer is one of many (ioctl, fcntl, prlimit64): that stays with the filter.
local SEEN = {
  "socket", "socketpair", "connect", "bind", "listen", "sendto",
  "unshare", "setns", "clone", "mount", "umount2", "pivot_root", "move_mount", "open_tree",
  "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", 467,
  "bpf", "perf_event_open", "open_by_handle_at", "kexec_load", "kexec_file_load", "init_module",
  "finit_module", "delete_module", "acct", "swapon", "swapoff", "reboot", "settimeofday",
  "clock_settime", "syslog", "iopl", "ioperm", "fanotify_init", "ptrace", "process_vm_readv",
  "process_vm_writev", "shmget", "semget", "msgget", "mq_open", "setxattr", "lsetxattr",
  "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", 463, 466, 469, "chmod", "fchmod",
  "fchmodat", 452, "creat", "mknod", "mknodat", "open", "openat", "truncate", "umount", "quotactl",
  "quotactl_fd", "kcmp", "pidfd_getfd", "move_pages", "migrate_pages", "process_madvise",
  "setpriority", "ioprio_set",
}

local function seen_of(policy, wish)
  local set = {}
  for _, call in ipairs(SEEN) do set[call] = true end
  -- The rules for options are half of the filter, which each start pays for; few commands set any
  -- of sockets that nothing can be done with.
  if wish.network == "none" and not wish.sockets then set.setsockopt = true end
  for _, call in ipairs((policy.syscalls or {}).deny or {}) do
    set[call] = true
  end
  return set
end

---------------------------------------------------------------------------------------------------
-- Places

local RIGHTS = { read_file = "read", write_file = "write", make_reg = "make" }

local function bits_of(rights)
  local list = {}
  for _, right in ipairs(rights or {}) do
    if RIGHTS[right] then list[#list + 1] = RIGHTS[right] end
  end
  return list
end

local function places_of(engine)
  local list, rules = {}, engine.landlock
  if not rules then return nil, {} end
  for _, rule in ipairs(rules.rules or {}) do
    -- a /proc of the command's own is mounted over the one that a rule was made for
    local covered = engine.proc and not rule.inner and (rule.path .. "/"):find("^/proc/")
    if not covered then list[#list + 1] = { path = rule.path, gives = bits_of(rule.access) } end
  end
  if #list == 0 then list[1] = { path = "/", gives = {} } end
  return bits_of(rules.fs), list
end

---------------------------------------------------------------------------------------------------

--- The engine plan's `watch`: `{calls, seen, handled, places}`.
---@param engine table  the rest of it
---@param wish {fs: boolean, contained: boolean, reads: boolean, network: string, sockets: boolean}
---@param policy table
function M.of(engine, wish, policy)
  local calls = {}
  if wish.fs then
    opens(calls, wish.reads)
    all(calls, NAMES)
    if wish.contained then metadata(calls) end
  end
  if wish.network == "loopback" then sockets(calls) end
  exits(calls)
  local handled, places = places_of(engine)
  return { calls = calls, seen = seen_of(policy, wish), handled = handled, places = places }
end

return M

-- What each system call may fail with, from the ERRORS section of its manual page, as far as it can
-- here: no address of ours is bad and no descriptor closed. The first one is what a short run
-- tries. "short" is a read or write of less than was asked for. A call that a recording has and
-- that stands neither here nor in `never` fails the suite: it wants an entry.
local M = {}

local function words(text)
  local list = {}
  for word in text:gmatch("%S+") do list[#list + 1] = word end
  return list
end

local OPEN = words "EMFILE EACCES ENOENT ENFILE ENOMEM ELOOP ENOTDIR EINTR EIO ENXIO"
local STAT = words "ENOMEM EACCES ENOENT ELOOP ENOTDIR EIO"
local SEND = words "ENOBUFS EINTR EAGAIN ENOMEM EPIPE ECONNRESET EMSGSIZE ETOOMANYREFS"
local WRITE = words "ENOSPC EINTR EIO EPIPE EDQUOT EFBIG EPERM EAGAIN short"
local MAKE = words "ENOSPC EACCES EDQUOT EEXIST EMLINK ENOENT ENOMEM EPERM EROFS EIO"
local POLL = words "ENOMEM EINTR EINVAL"
local MADE = words "EMFILE ENFILE ENOMEM"

M.calls = {
  access = STAT, faccessat = STAT, faccessat2 = STAT, arch_prctl = words "EINVAL",
  bind = words "EADDRINUSE EACCES EINVAL", brk = words "ENOMEM",
  capget = words "EPERM EINVAL", capset = words "EPERM EINVAL",
  chdir = words "EACCES ENOENT ENOTDIR EIO ELOOP ENOMEM", fchdir = words "EACCES",
  chmod = words "EPERM EROFS EIO", fchmod = words "EPERM EROFS EIO",
  fchmodat = words "EPERM EROFS EIO", fchownat = words "EPERM EROFS EIO",
  clock_nanosleep = words "EINTR", clone = words "EAGAIN ENOMEM EPERM ENOSPC EINVAL EUSERS",
  clone3 = words "EAGAIN ENOMEM EPERM ENOSPC EINVAL ENOSYS",
  close = words "EIO EINTR", close_range = words "EMFILE ENOMEM",
  dup = MADE, dup2 = words "EBUSY EINTR EMFILE", dup3 = words "EBUSY EINTR EMFILE",
  epoll_create1 = MADE, epoll_ctl = words "ENOMEM ENOSPC EEXIST", epoll_wait = words "EINTR",
  eventfd2 = MADE,
  execve = words("EACCES ENOENT ENOMEM E2BIG EAGAIN EIO ELIBBAD ELOOP EMFILE ENFILE ENOEXEC"
                 .. " ENOTDIR EPERM ETXTBSY"),
  fcntl = words "EMFILE EINVAL", flock = words "ENOLCK EINTR EAGAIN",
  fstat = words "ENOMEM", fstatfs = words "EIO EINTR ENOMEM ENOSYS",
  statfs = words "EIO EINTR ENOMEM ENOSYS",
  ftruncate = words "EINTR EIO EPERM", getdents64 = words "ENOENT EINVAL",
  getpeername = words "ENOBUFS ENOTCONN", getpriority = words "ESRCH EACCES",
  getgroups = words "EINVAL", getrandom = words "ENOSYS EINTR EAGAIN", getrusage = words "EINVAL",
  getsockname = words "ENOBUFS", getsockopt = words "ENOPROTOOPT EINVAL",
  inotify_add_watch = words "ENOSPC EACCES ENOENT ENOMEM", inotify_init1 = MADE,
  ioctl = words "EINVAL EPERM", ioprio_get = words "ESRCH EINVAL",
  keyctl = words "EDQUOT ENOSYS EPERM ENOMEM EACCES", kill = words "EPERM ESRCH",
  landlock_add_rule = words "EINVAL ENOMSG EPERM",
  landlock_create_ruleset = words "EOPNOTSUPP EINVAL ENOMSG ENOSYS EMFILE",
  landlock_restrict_self = words "EPERM EINVAL E2BIG EOPNOTSUPP", lseek = words "EINVAL ESPIPE",
  lstat = STAT, memfd_create = MADE, mkdir = MAKE, mkdirat = MAKE, mknodat = MAKE,
  mmap = words "ENOMEM EPERM",
  mount = words "EPERM EBUSY EINVAL ENOMEM EACCES ENODEV ENOENT",
  mount_setattr = words "EPERM EINVAL EBUSY",
  move_mount = words "EPERM EINVAL EBUSY ELOOP ENOENT EACCES", mprotect = words "ENOMEM EACCES",
  mremap = words "ENOMEM", munmap = words "EINVAL ENOMEM", nanosleep = words "EINTR",
  newfstatat = STAT, open = OPEN, openat = OPEN, openat2 = OPEN,
  open_tree = words "EPERM ENOMEM EMFILE ENOENT EACCES EINVAL", personality = words "EINVAL",
  fsopen = words "EPERM EMFILE ENODEV ENOMEM", fsconfig = words "EINVAL EPERM ENOMEM",
  fsmount = words "EPERM EBUSY EMFILE ENOMEM",
  pidfd_open = words "EMFILE ENFILE ENOMEM ESRCH EINVAL ENODEV",
  pidfd_getfd = words "EPERM EMFILE", pidfd_send_signal = words "EPERM ESRCH",
  pipe2 = words "EMFILE ENFILE", pivot_root = words "EPERM EBUSY EINVAL", poll = POLL, ppoll = POLL,
  prctl = words "EINVAL EPERM", pread64 = words "EIO EINTR short",
  process_vm_readv = words "EFAULT EPERM ESRCH", prlimit64 = words "EPERM EINVAL",
  ptrace = words "EPERM ESRCH",
  read = words "EIO EINTR EAGAIN short", readlink = words "EACCES EIO ENOENT ENOMEM EINVAL",
  readlinkat = words "EACCES EIO ENOENT ENOMEM EINVAL", recvfrom = words "ENOMEM EINTR ECONNRESET",
  recvmsg = words "ENOMEM EINTR ECONNRESET",
  renameat2 = MAKE, rmdir = words "EBUSY EACCES ENOENT ENOTEMPTY EPERM EROFS ENOMEM",
  rt_sigprocmask = words "EINVAL", rt_sigtimedwait = words "EINTR EAGAIN",
  sched_getscheduler = words "ESRCH EINVAL", sched_getaffinity = words "ESRCH EINVAL",
  seccomp = words "ENOMEM EACCES EINVAL EOPNOTSUPP EBUSY ESRCH", sendmsg = SEND, sendto = SEND,
  setgid = words "EPERM EINVAL", setgroups = words "EPERM ENOMEM",
  setns = words "EPERM EINVAL ENOMEM", setpgid = words "EPERM", setresgid = words "EPERM EAGAIN",
  setresuid = words "EPERM EAGAIN", setsid = words "EPERM", shutdown = words "ENOTCONN",
  setsockopt = words "ENOPROTOOPT EINVAL", setuid = words "EPERM EAGAIN",
  signalfd4 = MADE, socket = words "EMFILE ENFILE ENOMEM EACCES EAFNOSUPPORT",
  socketpair = words "EMFILE ENFILE ENOMEM EOPNOTSUPP", stat = STAT, statx = STAT,
  symlinkat = MAKE, timerfd_create = MADE, timerfd_settime = words "EINVAL",
  umount2 = words "EPERM EBUSY EINVAL", uname = words "EFAULT",
  unlink = words "EBUSY EACCES EIO ENOENT EPERM EROFS ENOMEM",
  unlinkat = words "EBUSY EACCES EIO ENOENT ENOTEMPTY EPERM EROFS ENOMEM",
  utimensat = words "EACCES EPERM EROFS", unshare = words "EPERM ENOSPC ENOMEM EINVAL EUSERS",
  wait4 = words "ECHILD EINTR", waitid = words "ECHILD EINTR", write = WRITE, writev = WRITE,
}

-- Of an open descriptor: nothing about a path.
M.of_descriptor = { newfstatat = words "ENOMEM", statx = words "ENOMEM" }

-- What a plan is made from: that nothing is there, or can't be reached by this user, is an answer
-- like others, and makes another plan.
local QUESTION = words "ENOMEM EIO"
M.of_plan = { newfstatat = QUESTION, statx = QUESTION, access = QUESTION, readlink = QUESTION,
              lstat = QUESTION, stat = QUESTION, openat = words "EMFILE ENFILE ENOMEM EIO" }

M.never = {}
for _, name in ipairs(words [[exit exit_group getegid geteuid getgid getpgid getpid getppid getsid
    gettid getuid restart_syscall rseq rt_sigpending rt_sigqueueinfo
    rt_sigreturn sched_yield set_robust_list
    set_tid_address umask clock_gettime time futex madvise sigaltstack vfork fork]]) do
  M.never[name] = true
end

-- rt_sigaction(2) fails only for a number that is no signal's or that nobody may catch.
M.never.rt_sigaction = true

-- Only a host may have somebody in it who reaps its children.
local OF_HOST = { wait4 = true, waitid = true }

--- What the call may fail with; nil for one that nobody has written an entry for.
function M.of(call)
  if M.never[call.name] then return {} end
  if OF_HOST[call.name] and call.role ~= "host" then return { "EINTR" } end
  return call.text == "" and M.of_descriptor[call.name]
    or call.phase == "transform" and M.of_plan[call.name] or M.calls[call.name]
end

return M

-- What `${platform}` stands for in `readable`: where programs, their libraries and what those read
-- at start lie.

local M = {}

-- The Filesystem Hierarchy Standard; of /etc only what says nothing of the user.
M.LINUX = {
  "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store",
  "/proc", "/sys/devices/system/cpu",
  "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload",
  "/etc/alternatives", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts",
  "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
  "/etc/localtime", "/etc/timezone", "/etc/locale.alias", "/etc/locale.conf", "/etc/os-release",
  "/etc/ssl", "/etc/ca-certificates", "/etc/pki", "/etc/crypto-policies", "/etc/terminfo",
  "/etc/inputrc", "/etc/profile", "/etc/profile.d", "/etc/bash.bashrc", "/etc/environment",
  "/etc/mime.types", "/etc/magic", "/etc/fonts",
}

M.MACOS = {
  "/usr", "/bin", "/sbin", "/opt/homebrew", "/System", "/Library", "/private/etc",
  "/private/var/db/dyld", "/private/var/db/timezone", "/dev",
}

return M

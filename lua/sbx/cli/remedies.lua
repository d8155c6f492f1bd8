-- What to do where a layer is missing: each looks at what the kernel says of itself and names the
-- one setting that is in the way.

local core = require("sbx.core")

local M = {}

local function setting(path)
  local value = core.fs_read("/proc/sys/" .. path)
  return value and value:match("^%s*(%-?%d+)")
end

local function in_container()
  if core.fs_stat("/.dockerenv") or core.fs_stat("/run/.containerenv") then return true end
  return core.environ().KUBERNETES_SERVICE_HOST ~= nil
end

local function older_than(kernel, major, minor)
  local have_major, have_minor = tostring(kernel):match("^(%d+)%.(%d+)")
  if not have_major then return false end
  have_major, have_minor = tonumber(have_major), tonumber(have_minor)
  return have_major < major or have_major == major and have_minor < minor
end

local KEEP = " (in a file in /etc/sysctl.d to keep it)"

local function namespaces()
  if setting("user/max_user_namespaces") == "0" then
    return "sysctl -w user.max_user_namespaces=15000" .. KEEP
  end
  if setting("kernel/unprivileged_userns_clone") == "0" then
    return "sysctl -w kernel.unprivileged_userns_clone=1" .. KEEP
  end
  if setting("kernel/apparmor_restrict_unprivileged_userns") == "1" then
    return "an AppArmor profile for the installed sbxlua with the line \"userns,\" (the helper"
      .. " sbx-exec is the same file), or sysctl -w"
      .. " kernel.apparmor_restrict_unprivileged_userns=0" .. KEEP
  end
  if in_container() then
    return "start the container with --security-opt seccomp=unconfined, or a profile that allows"
      .. " clone and unshare of namespaces; Kubernetes: hostUsers: false"
  end
  return "another sandbox or a filter around this process refuses it: run sbxlua outside of it"
end

-- Each kind of namespace has a limit of its own beside that of user namespaces.
local function of_kind(kind)
  if setting("user/max_" .. kind .. "_namespaces") == "0" then
    return "sysctl -w user.max_" .. kind .. "_namespaces=15000" .. KEEP
  end
  return namespaces()
end

function M.userns() return namespaces() end
function M.mountns() return of_kind("mnt") end
function M.netns() return of_kind("net") end

-- A PID namespace counts only with a /proc of its own, and a container that covers parts of its own
-- /proc may not mount one.
function M.pidns(_, probe)
  if probe.userns == true and in_container() then
    return "start the container with --security-opt systempaths=unconfined; Kubernetes: procMount:"
      .. " Unmasked with hostUsers: false"
  end
  return of_kind("pid")
end

-- On Ubuntu a namespace can be made and the first mount in it fails.
function M.mounts(_, probe)
  if probe.mountns == true and setting("kernel/apparmor_restrict_unprivileged_userns") ~= "1" then
    if older_than(probe.kernel, 5, 12) then return "Linux 5.12 or newer (mount_setattr)" end
    if in_container() then
      return "start the container with --security-opt seccomp=unconfined --security-opt"
        .. " apparmor=unconfined --security-opt systempaths=unconfined; Kubernetes: procMount:"
        .. " Unmasked with hostUsers: false"
    end
  end
  return of_kind("mnt")
end

function M.cgroup()
  return "run under a delegated cgroup: systemd-run --user --scope -p Delegate=yes sbxlua ..."
end

M.pids_cgroup, M.memory_cgroup = M.cgroup, M.cgroup

function M.landlock_abi(_, probe)
  if older_than(probe.kernel, 5, 13) then return "Linux 5.13 or newer" end
  local modules = core.fs_read("/sys/kernel/security/lsm")
  if modules and not modules:find("landlock", 1, true) then
    return "boot with lsm=landlock," .. modules:gsub("%s+$", "")
  end
  if in_container() then
    return "a container runtime whose seccomp profile knows landlock_create_ruleset"
      .. " (Docker 20.10.24 or newer)"
  end
  return "a kernel built with CONFIG_SECURITY_LANDLOCK, booted with landlock in lsm="
end

function M.seccomp() return "a kernel built with CONFIG_SECCOMP_FILTER" end

function M.user_notify(_, probe)
  if older_than(probe.kernel, 5, 0) then return "Linux 5.0 or newer" end
  return "run sbxlua outside of the sandbox whose filter refuses it"
end

function M.pidfd(_, probe)
  if older_than(probe.kernel, 5, 3) then return "Linux 5.3 or newer" end
  return "run sbxlua outside of the sandbox whose filter refuses it"
end

--- The remedy for a property of sbx.probe() that is missing, or nil.
function M.of(property, reason, probe)
  local remedy = M[property]
  return remedy and (remedy(reason, probe)) or nil
end

return M

-- The catalogue as data: under which policies each attempt runs, what it needs, and where it is
-- known to succeed (then the result must say so). What an attempt does stands in catalogue/*.c.
local M = {}

local GROUPS = {
  file = { "workspace", "full" }, inherited = { "workspace" }, left = { "workspace" },
  meta = { "workspace", "full" }, process = { "workspace", "full" },
  memory = { "workspace", "full" }, unix = { "workspace", "loopback", "full" },
  net = { "workspace", "loopback" }, family = { "workspace", "loopback" },
  arrive = { "workspace", "loopback" }, ipc = { "workspace", "full" },
  ns = { "workspace", "full" }, mount = { "workspace", "full" },
  kernel = { "workspace", "full" }, sys = { "workspace", "full" },
  device = { "workspace", "full" }, terminal = { "workspace", "full", "readable" },
  protect = { "protect" }, read = { "deny", "readable" }, foreign = { "workspace", "full" },
  nested = { "workspace", "full" }, supervisor = { "workspace", "full" },
}

local OTHER_GROUPS = {
  -- a socket of one's own, by a path in the root, is what `loopback` allows
  arrive_path = { "workspace" },
  -- libc asks it for addresses
  family_route = { "workspace" },
  -- a connection that full network allows
  kernel_own_filter = { "workspace", "loopback" }, foreign_tcp = { "workspace", "loopback" },
  nested_tcp = { "workspace", "loopback" },
  -- reading is what the other policies allow
  device_disk_read = { "readable" },
}

-- What lies in a writable root can be read anyway where `readable` is given.
for _, name in ipairs({ "inside", "for_both", "hard_link_inside", "move_parent", "move",
                        "reopen_inside", "mode" }) do
  OTHER_GROUPS["read_" .. name] = { "deny" }
end

local function set(...)
  local map = {}
  for _, name in ipairs({ ... }) do map[name] = true end
  return map
end

-- A power that only root has.
local ROOT = set(
  "file_handle", "net_raw", "family_packet", "memory_join", "memory_join_pidfd", "kernel_bpf",
  "sys_core_pattern", "sys_modprobe", "sys_overcommit", "sys_keys", "sys_interrupts", "sys_file",
  "sys_requests", "sys_events_helper", "sys_cgroup_file", "sys_cgroup_make", "sys_kernel_memory",
  "device_kernel_log", "device_disk_write", "device_disk_read", "device_character",
  "device_block", "device_memory", "device_tunnel", "device_kvm")

-- What this kernel or its configuration may lack.
local OPTIONAL = set(
  "foreign_x32", "foreign_open", "foreign_mode", "foreign_unlink", "foreign_kill", "foreign_tcp",
  "family_ping", "family_vsock", "family_algorithms", "family_xdp", "device_memory",
  "device_disk_write", "device_disk_read", "device_block", "device_fuse", "device_tunnel",
  "device_kvm", "kernel_user_faults", "kernel_perf", "memory_perf", "mount_tree_attributes",
  "meta_file_setattr", "meta_attribute_at", "meta_ring_attribute", "meta_acl", "net_mptcp",
  "net_tcp6", "net_tcp_mapped", "net_udp6", "process_affinity", "sys_file", "sys_kernel_memory",
  "sys_keys", "sys_interrupts", "sys_modprobe", "sys_requests", "sys_events_helper", "ns_time",
  "terminal_type", "memory_attach", "memory_seize", "memory_vm_write", "memory_vm_read",
  "memory_write", "memory_read", "supervisor_trace", "supervisor_memory",
  "supervisor_descriptor")

-- The property under which a success is declared, for each tier.
local BOTH_HARD_LINKS = { landlock = "hard_links", contained = "hard_links" }
local OPEN = {
  file_link_before = BOTH_HARD_LINKS, read_link_before = BOTH_HARD_LINKS,
  protect_link_before = BOTH_HARD_LINKS,
}

for _, name in ipairs({ "mode", "mode_reader", "mode_2", "mode_proc", "mode_directory",
                        "mode_link", "owner", "owner_reader", "times", "times_now",
                        "times_reader" }) do
  OPEN["meta_" .. name] = { landlock = "metadata" }
end

-- Reading is what most policies allow, and that goes for terminals too.
OPEN.terminal_read = { landlock = "policy_entry" }

-- By a path only, and only where the network is whole.
local SOCKETS = { landlock = "unix_sockets", contained = "unix_sockets" }

--- The property that covers a success of `name`, or nil where it must fail.
function M.open(name, tier, group)
  local theme = name:match("^%l+")
  if tier == "landlock" and theme == "protect" then return "protect" end
  if tier == "landlock" and group == "deny" then return "read_deny" end
  if theme == "unix" then return group == "full" and SOCKETS[tier] or nil end
  return OPEN[name] and OPEN[name][tier]
end

--- The attempts of a list of names, in that order: `{name, theme, groups, root, optional}`.
function M.attempts(names)
  local list = {}
  for i, name in ipairs(names) do
    local theme = name:match("^%l+")
    list[i] = {
      name = name, theme = theme, groups = assert(OTHER_GROUPS[name] or GROUPS[theme], name),
      root = ROOT[name], optional = OPTIONAL[name],
    }
  end
  return list
end

M.GROUPS = { "workspace", "loopback", "full", "protect", "deny", "readable" }

local function protecting(policy, world)
  policy.writable_roots, policy.protect, policy.read_only = {}, { "kept.conf" }, {}
  for _, name in ipairs(world.names) do
    local root = world.dir .. "/roots/" .. name
    table.insert(policy.writable_roots, root)
    if name:match("^protect_below") then table.insert(policy.writable_roots, root .. "/below") end
    if name:match("^protect_tree") then table.insert(policy.read_only, root .. "/tree/kept") end
  end
end

local SECRETS = { "outside/%s/secret", "outside/%s/hidden", "inside/%s/parent/secret" }

local function denying(policy, world)
  policy.deny_read = {}
  for _, name in ipairs(world.names) do
    for _, path in ipairs(SECRETS) do
      table.insert(policy.deny_read, world.dir .. "/" .. path:format(name))
    end
  end
end

--- The policy of a group, and what may be missing of it in a tier that can't hold it.
function M.policy(group, world)
  local policy = {
    extends = "workspace-write", exclude_slash_tmp = true, exclude_tmpdir_env_var = true,
  }
  if group == "full" or group == "loopback" then policy.network = group end
  if group == "readable" then policy.readable = { "${platform}", world.programs } end
  if group == "protect" then protecting(policy, world) end
  if group == "deny" then denying(policy, world) end
  return policy, group == "protect" and { "protect" } or group == "deny" and { "read_deny" } or nil
end

return M

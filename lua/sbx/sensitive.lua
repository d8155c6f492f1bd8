-- Places that nobody gets by the way: what is written (or read) there acts outside, or is a secret.
-- A grant for one is never offered without saying so.

local ip = require "sbx.ip"
local lists = require "sbx.lists"
local paths = require "sbx.paths"

local M = {}

-- Below a home, names that begin with a dot are what shells, tools and desktops read and run, and
-- where keys lie; these hold what can be fetched or made again.
M.CACHES = {
  ".cache", ".cargo/registry", ".cargo/git", ".npm/_cacache", ".npm/_logs", ".local/share/pnpm",
  ".m2/repository", ".gradle/caches", ".gradle/wrapper", ".ccache", ".nuget/packages",
  ".pnpm-store", ".rustup/tmp", ".rustup/downloads", ".pub-cache", ".ivy2/cache",
  ".cabal/packages", ".yarn/cache", ".yarn/berry/cache", ".bun/install/cache",
  ".terraform.d/plugin-cache", ".node-gyp", ".cpan/sources", ".matplotlib", ".jupyter/runtime",
}

-- Components of a path, wherever they stand.
local SECRET = {
  [".ssh"] = "keys", [".gnupg"] = "keys", [".aws"] = "keys", [".kube"] = "keys",
  [".docker"] = "keys", [".azure"] = "keys", [".password-store"] = "keys", [".netrc"] = "keys",
  [".pgpass"] = "keys", [".git-credentials"] = "keys", [".git"] = "a repository's own files",
  [".codex"] = "what an agent obeys", [".agents"] = "what an agent obeys",
  [".vscode"] = "what editors and shells run", [".idea"] = "what editors and shells run",
  [".husky"] = "what editors and shells run", [".envrc"] = "what editors and shells run",
}

local KEY_NAMES = {
  "^id_[%w]+$", "%.pem$", "%.key$", "%.p12$", "%.kdbx$", "^authorized_keys$", "^deploy_key",
  "_rsa$", "_dsa$", "_ecdsa$", "_ed25519$", "^%.env$",
}

-- What every program of the machine rests on, and what its services keep. Only root comes so far,
-- but for a user's own runtime directory below /run.
local SYSTEM = {
  "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/boot", "/var", "/run",
  "/nix", "/snap",
}
local NOT_SYSTEM = { "/usr/local/src", "/usr/src", "/var/tmp", "/var/home" }

local function covered(list, path)
  for _, base in ipairs(list) do
    if paths.covers(base, path) then return base end
  end
end

local function key_name(name)
  for _, pattern in ipairs(KEY_NAMES) do
    if name:find(pattern) then return "keys" end
  end
end

--- What is sensitive about a name wherever it stands, or nil.
---@param name string  one component
function M.name(name) return SECRET[name] or key_name(name) end

local function secret(path)
  local last
  for part in path:gmatch("[^/]+") do
    if SECRET[part] then return SECRET[part] end
    last = part
  end
  return key_name(last or "")
end

local function is_cache(rest)
  for _, name in ipairs(M.CACHES) do
    if paths.covers(name, rest) then return true end
  end
  return false
end

-- The home that a path lies in: the user's own, or one where homes are.
local function home_of(path, home)
  if home and home ~= "/" and paths.covers(home, path) then return home end
  return path:match("^/home/[^/]+") or path:match("^/var/home/[^/]+")
    or paths.covers("/root", path) and "/root" or nil
end

local function dotfile(path, home)
  local base = home_of(path, home)
  if not base then return nil end
  local rest = path:sub(#base + 2)
  if rest == "" then return "all of a home, with its dotfiles" end
  if rest:sub(1, 1) == "." and not is_cache(rest) then return "a home's dotfiles" end
end

-- What lies above them may be granted: they stay read-only in it.
local function of_engine(path, own)
  for _, place in ipairs(own or {}) do
    if paths.covers(place, path) then return "sbxlua's own files" end
  end
end

-- Sockets and files of the user's own services, wherever it lies.
local function of_runtime(path, runtime)
  if runtime and runtime:sub(1, 1) == "/" and runtime ~= "/" and paths.covers(runtime, path) then
    return "the user's runtime directory"
  end
end

-- Where other software and other file systems are put.
local TOPS = { ["/opt"] = true, ["/srv"] = true, ["/mnt"] = true, ["/media"] = true }

-- What everybody may write is no less so where a home lies in it.
local EVERYBODYS = { ["/tmp"] = true, ["/var/tmp"] = true, ["/dev/shm"] = true }

--- Whether all users of the machine put their files there.
function M.is_everybodys(path) return EVERYBODYS[path] or false end

-- What lies above a sensitive place has it in it.
local function is_above(path, ctx)
  if EVERYBODYS[path] then return nil end
  for _, home in ipairs({ ctx.home or "/root", ctx.real_home or "/root", "/root" }) do
    if paths.covers(path, home) and path ~= home then return "a home, with its dotfiles" end
  end
  for _, base in ipairs(SYSTEM) do
    if paths.covers(path, base) then return "files of the system" end
  end
  if TOPS[path] then return "all of " .. path end
end

--- What is sensitive about a path, or nil.
---@param path string
---@param ctx {home: string?, real_home: string?, own: string[]?, runtime: string?}
---@return string|nil
function M.path(path, ctx)
  if path == "/home" or path == "/var/home" then return "the homes of all" end
  local known = secret(path) or dotfile(path, ctx.home) or dotfile(path, ctx.real_home)
    or of_engine(path, ctx.own) or is_above(path, ctx) or of_runtime(path, ctx.runtime)
  if known then return known end
  if covered(SYSTEM, path) and not covered(NOT_SYSTEM, path) then return "files of the system" end
end

local SOCKET_PLACES = { "/run", "/var/run", "/var/lib", "/tmp/.X11-unix", "/tmp/.ICE-unix" }
local SOCKET_NAMES = {
  "^docker", "^containerd", "^podman", "^S%.gpg%-agent", "^agent%.", "ssh%-agent", "^bus$", "dbus",
  "^wayland", "^X%d+$", "^snapd", "^libvirt", "^tmux", "^screen", "^emacs", "^vscode", "^lxd",
}

--- What is sensitive about a socket, or nil: a service behind it acts with its own power.
---@param path string  of the socket
---@param runtime string|nil  $XDG_RUNTIME_DIR
function M.socket(path, ctx, runtime)
  if covered(SOCKET_PLACES, path) then return "a socket of the system's services" end
  if runtime and runtime ~= "" and paths.covers(runtime, path) then
    return "a socket of the user's services"
  end
  for part in path:gmatch("[^/]+") do -- its directory may say it: /tmp/tmux-1000/default
    for _, pattern in ipairs(SOCKET_NAMES) do
      if part:find(pattern) then return "a socket of a service" end
    end
  end
  if path:find("/ssh%-[%w]+/") then return "a socket of a service" end
  return secret(path) or dotfile(path, ctx.home) or dotfile(path, ctx.real_home)
end

--- What is given away with the network as a whole.
M.WHOLE_NETWORK = "the whole network, and with it loopback, the local network and the sockets of"
  .. " services"

-- Where machines of a cloud are told who they are, keys included: link-local addresses, and those
-- that providers have chosen (AWS by IPv6, Azure, Alibaba).
local METADATA = {
  { "169.254.0.0", 16 }, { "fe80::", 10 }, { "fd00:ec2::254", 128 }, { "168.63.129.16", 32 },
  { "100.100.100.200", 32 },
}

-- Docker; Kubernetes' API and its kubelets; etcd. Who speaks to one of them has the machine.
local CONTROL_PORTS = { 2375, 2376, 6443, 10250, 2379, 2380 }

local function is_metadata(host)
  local family, bytes = ip.read(host or "")
  if not family then return false end
  family, bytes = ip.plain(family, bytes)
  for _, entry in ipairs(METADATA) do
    local other, start = ip.read(entry[1])
    if other == family and ip.same(bytes, start, entry[2]) then return true end
  end
  return false
end

--- What is sensitive about an address of the internet, or nil.
---@param address sbx.Address
function M.address(address)
  if is_metadata(address.host) then return "where a cloud gives its machines their keys" end
  if lists.has(CONTROL_PORTS, address.port) then return "where containers are commanded" end
end

return M

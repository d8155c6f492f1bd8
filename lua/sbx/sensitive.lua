-- Places that nobody gets by the way: what is written (or read) there acts outside, or is a secret.
-- A grant for one is never offered without saying so.

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
}

local KEY_NAMES = { "^id_[%w]+$", "%.pem$", "%.key$", "%.p12$", "%.kdbx$", "^authorized_keys$" }

-- What every program of the machine rests on. Only root comes so far.
local SYSTEM = {
  "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/boot", "/var/lib", "/var/spool",
}
local NOT_SYSTEM = { "/usr/local/src", "/usr/src" }

local function covered(list, path)
  for _, base in ipairs(list) do
    if paths.covers(base, path) then return base end
  end
end

local function secret(path)
  local last
  for part in path:gmatch("[^/]+") do
    if SECRET[part] then return SECRET[part] end
    last = part
  end
  for _, pattern in ipairs(KEY_NAMES) do
    if (last or ""):find(pattern) then return "keys" end
  end
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
  return path:match("^/home/[^/]+") or paths.covers("/root", path) and "/root" or nil
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

-- Where other software and other file systems are put.
local TOPS = { ["/opt"] = true, ["/srv"] = true, ["/mnt"] = true, ["/media"] = true }

-- What everybody may write is no less so where a home lies in it.
local EVERYBODYS = { ["/tmp"] = true, ["/var/tmp"] = true, ["/dev/shm"] = true }

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
---@param ctx {home: string?, real_home: string?, own: string[]?}
---@return string|nil
function M.path(path, ctx)
  if path == "/home" then return "the homes of all" end
  local known = secret(path) or dotfile(path, ctx.home) or dotfile(path, ctx.real_home)
    or of_engine(path, ctx.own) or is_above(path, ctx)
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

return M

-- A file system and a core made of tables.
local M = {}

local function parent_of(path) return path:match("^(.+)/[^/]+$") or "/" end

--- tree: path -> "directory", {link = path}, {text = …}, or a stat table.
function M.fs(tree)
  local function look(path) return path == "/" and { type = "directory" } or tree[path] end
  local real
  local function resolve(path)
    local node = look(path)
    if type(node) == "table" and node.link then
      return real(node.link:sub(1, 1) == "/" and node.link or parent_of(path) .. "/" .. node.link)
    end
    return node and path or nil
  end
  function real(path)
    if path == "/" then return "/" end
    local up = real(parent_of(path))
    if up and path:match("/%.%.$") then return parent_of(up) end
    return up and resolve((up == "/" and "" or up) .. "/" .. path:match("[^/]+$")) or nil
  end
  local function node_of(path)
    local found = real(path)
    return found and look(found)
  end
  return {
    realpath = real,
    stat = function(path)
      local node = node_of(path)
      if not node then return nil end
      if type(node) == "string" then return { type = node, uid = 1000 } end
      return { type = node.type or "file", uid = node.uid or 1000 }
    end,
    readlink = function(path)
      local node = look(path)
      return type(node) == "table" and node.link or nil
    end,
    read = function(path)
      local node = node_of(path)
      return type(node) == "table" and node.text or nil
    end,
  }
end

--- A core that has these files and nothing else.
function M.core(files)
  return {
    cwd = function() return "/host" end,
    fs_read = function(path)
      if type(files[path]) == "table" then return nil, files[path] end
      if files[path] then return files[path] end
      return nil, { code = "ENOENT", message = path .. ": No such file or directory" }
    end,
    fs_list = function(directory)
      local names = {}
      for path in pairs(files) do
        local name = path:match("^(.*)/[^/]+$") == directory and path:match("[^/]+$")
        if name then names[#names + 1] = name end
      end
      return names
    end,
  }
end

return M

-- A weaker set of layers is tried only where this machine can't do better, never where a neighbour
-- could have caused the refusal.
local weaker = require "sbx.weaker"

local ENGINE = { namespaces = { user = true, pid = true, mount = true } }

local function may(step, code, limits, engine)
  return weaker.may_follow({ kind = "sandbox", step = step, code = code }, engine or ENGINE,
                           function(path) return (limits or {})[path:match("max_(%a+)_")] end)
end

describe("a weaker set of layers", function()
  it("follows what this machine can't do", function()
    for _, code in ipairs({ "EPERM", "EACCES", "ENOSYS", "EINVAL", "EOPNOTSUPP" }) do
      for _, step in ipairs({ "namespaces", "user_namespace", "mounts_private", "proc", "loopback",
                              "cgroup", "subreaper" }) do
        assert.is_true(may(step, code), step .. code)
      end
    end
    for _, step in ipairs({ "user_namespace", "proc", "cgroup" }) do
      assert.is_true(may(step, "ENOENT"))
    end
  end)

  it("doesn't follow what is the same in all sets", function()
    for _, step in ipairs({ "landlock", "seccomp", "no_new_privs", "capabilities", "helper",
                            "spawner", "supervisor", "setup_timeout", "execve" }) do
      for _, code in ipairs({ "EPERM", "ENOENT", "EINVAL", "ENOSYS" }) do
        assert.is_false(may(step, code), step .. code)
      end
    end
    assert.is_false(weaker.may_follow({ kind = "spawn", step = "namespaces", code = "EPERM" },
                                      ENGINE, function() end))
  end)

  it("doesn't follow what passes", function()
    for _, code in ipairs({ "EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "EBUSY", "EINTR", "EIO" }) do
      assert.is_false(may("namespaces", code), code)
    end
    assert.is_false(may("namespaces", nil))
    assert.is_false(may("namespaces", "ENOENT"))
  end)

  it("follows a full count only where none is allowed at all", function()
    for _, code in ipairs({ "ENOSPC", "EUSERS" }) do
      assert.is_false(may("namespaces", code))
      assert.is_false(may("namespaces", code, { user = "15000\n", pid = "1\n", mnt = "5\n" }))
      for _, word in ipairs({ "user", "pid", "mnt" }) do
        assert.is_true(may("namespaces", code, { [word] = "0\n" }), word)
      end
      assert.is_true(may("user_namespace", code, { user = "0\n" }))
      assert.is_false(may("cgroup", code, { user = "0\n" }))
      -- root needs no user namespace: that none is allowed is no reason
      assert.is_false(may("namespaces", code, { user = "0\n" }, { namespaces = { pid = true } }))
      assert.is_false(may("namespaces", code, { net = "0\n" }))
    end
  end)
end)

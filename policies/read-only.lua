-- Reads everything, writes nothing, has no network. What other policies start from when they name
-- nothing else.
return {
  doc = "Reads everything, writes nothing, no network.",
  mode = "read-only",
  network = "none",
  -- for those who extend this one and name writable roots
  protect = { ".git", ".codex", ".agents" },
}

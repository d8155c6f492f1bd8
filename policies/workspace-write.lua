-- Writes the working directory, /tmp and $TMPDIR (the mode adds them); no network.
return {
  doc = "Writes the working directory, /tmp and $TMPDIR; reads everything, no network.",
  mode = "workspace-write",
  network = "none",
  -- what tools on the host read and run later: not the command's to change
  protect = { ".git", ".codex", ".agents" },
}

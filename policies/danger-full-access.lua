-- No sandbox at all. With `network = "none"` over it: filters for the network alone.
return {
  doc = "No restriction: writes everything, full network.",
  mode = "danger-full-access",
  network = "full",
}

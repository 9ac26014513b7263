server {
  # The key of gossip, the same on every server of all federated regions. Keep this file secret.
  encrypt = "cg8StVXbQJ0gPvMd9o7yrg=="
}

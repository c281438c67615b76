"""What tests share: builders, servers that run for real, clients that talk to them."""

"""Make the parts as the configuration says, join them, and run them."""

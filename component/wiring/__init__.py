"""Make the parts of the program from the configuration, join them, and run them."""

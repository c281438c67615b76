"""The parts that tests share: builders, real servers, and clients of them."""

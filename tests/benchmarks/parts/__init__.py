"""The parts of the benchmarks: one module for each, with an async function that yields samples."""

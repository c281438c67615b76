"""What is measured of them: one module a part, each an async function that yields samples."""

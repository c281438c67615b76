"""The operator's own module: functions that take the place of what the program does itself."""

"""The routes of the operators' pages, one module for each subject."""

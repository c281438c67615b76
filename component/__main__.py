"""Run the command as `python -m component`."""

from component.cli import main

raise SystemExit(main())

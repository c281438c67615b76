"""Exit codes, and the text about them for --help."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
UNCONFIRMED = 3
UNREACHABLE = 75
CONFIG_WRONG = 78
INTERRUPTED = 130

EXIT_CODES = f"""\
exit codes:
  {OK:<4} done
  {FAILED:<4} failed or refused; the message or the log says why; doctor: at least one error
  {USAGE:<4} the command line is wrong; doctor: ejabberd could not be examined
  {UNCONFIRMED:<4} nothing was done: the command was not confirmed on the terminal, or there was no
       terminal and no --yes
  {UNREACHABLE:<4} check-config: ejabberd, the store or the HTTP port does not answer, or refuses;
       other commands: no running program answers at the address of this configuration
  {CONFIG_WRONG:<4} the configuration is wrong, or ejabberd refuses it; trying again does not help
  {INTERRUPTED:<4} interrupted from the keyboard

The configuration file is the first of: --config, $MUNIMENT_CONFIG, ./muniment.toml,
/etc/muniment/muniment.toml. Variables named MUNIMENT_SECTION__KEY override its options.
"""

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
  {FAILED:<4} failed or refused; the message or the log says why
  {USAGE:<4} the command line is wrong
  {UNCONFIRMED:<4} nothing was done: it was not confirmed on the terminal, or there was no terminal
       and no --yes
  {UNREACHABLE:<4} check-config: ejabberd, the store or the HTTP port does not answer, or refuses;
       other commands: no running program answers at the address of this configuration
  {CONFIG_WRONG:<4} the configuration is wrong, or ejabberd refuses it; to try again is of no use
  {INTERRUPTED:<4} interrupted from the keyboard before it was done

The configuration is the file given by --config, or else by $MUNIMENT_CONFIG, or else
./muniment.toml, or else /etc/muniment/muniment.toml. Variables named MUNIMENT_SECTION__KEY
override it.
"""

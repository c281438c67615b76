"""Exit codes, their meanings, and the names of the errors that they stand for."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
UNCONFIRMED = 3
UNREACHABLE = 75
CONFIG_WRONG = 78
INTERRUPTED = 130

#: The meanings, as docs/operations.md has them too.
MEANINGS = {
    OK: "success",
    FAILED: "failed or refused; the message or the log says why; doctor: at least one error; "
    "import: not everything; compare: differences; verify: faults",
    USAGE: "the command line is wrong; doctor: ejabberd could not be examined",
    UNCONFIRMED: "nothing was done: the command was not confirmed on the terminal, or there was "
    "no terminal and no --yes",
    UNREACHABLE: "check-config: ejabberd, the store or an HTTP port does not answer or cannot be "
    "used; import, copy-store: another process uses the store; other commands: no running "
    "program answers at the address of this configuration",
    CONFIG_WRONG: "the configuration is wrong, or ejabberd refuses it; a retry does not help",
    INTERRUPTED: "interrupted from the keyboard",
}


#: The same in a word: the value of `error` in an error as JSON.
NAMES = {
    OK: "success",
    FAILED: "failed",
    USAGE: "wrong-usage",
    UNCONFIRMED: "unconfirmed",
    UNREACHABLE: "unreachable",
    CONFIG_WRONG: "wrong-configuration",
    INTERRUPTED: "interrupted",
}

#: Where the configuration is.
CONFIGURATION = """\
The configuration file is the first of: --config, $MUNIMENT_CONFIG, ./muniment.toml,
/etc/muniment/muniment.toml. Variables named MUNIMENT_SECTION__KEY override its options.
"""

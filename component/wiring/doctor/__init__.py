"""Checks of this machine and of ejabberd, for `check-config` and `doctor`."""

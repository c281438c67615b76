"""Muniment: message archive and remote-data component for ejabberd."""

__version__ = "0.1.0"

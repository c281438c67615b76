"""The checks of `muniment doctor` about ejabberd: from facts to findings, one module a check."""

"""Push: which events a receiver of an account gets, in which form, and what follows a failure."""

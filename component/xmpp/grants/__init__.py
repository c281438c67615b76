"""The grants of ejabberd to the component, learnt from notifications and from our own messages."""

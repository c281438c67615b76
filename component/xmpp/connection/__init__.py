"""The component's stream to ejabberd (XEP-0114), read fairly and checked."""

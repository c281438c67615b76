"""What ejabberd grants to the component, seen in its notifications and by messages of our own."""

"""Moving: messages of other archives are imported, and whole stores are copied and verified."""

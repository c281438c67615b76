"""XML, JIDs and times: parsers of streams and documents, and the values in stanzas."""

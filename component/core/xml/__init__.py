"""XML, JIDs and times: parsers of the stream and of stanzas, and what stands in them."""

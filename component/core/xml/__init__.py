"""XML: the parsers of the stream and of single stanzas, and namespace prefixes."""

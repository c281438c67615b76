"""XEP-0313 and XEP-0441 over XMPP: queries, forms, results, preferences."""

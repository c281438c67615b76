"""IQ queries: direct and delegated (XEP-0355), privileges (XEP-0356), errors, discovery."""

"""The OpenAPI document of a listener: /openapi.json, and as a page: /docs."""

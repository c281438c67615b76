"""The HTTP sidecar: one module a family of routes, over component.core."""

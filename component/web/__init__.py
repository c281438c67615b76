"""The HTTP sidecar: one folder a family of routes, over component.core."""

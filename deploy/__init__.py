"""How the bureau is run: `local` on one machine; container images, Kubernetes and observability beside it."""

"""The one-machine runtime: a private PostgreSQL and Apache Kafka, their principals, and a supervisor of the services.

`README.md` tells the design. Nothing is imported here, so that using one server does not load the other's client.
"""

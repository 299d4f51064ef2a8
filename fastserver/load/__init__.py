"""A load generator for `fastserver` and for other servers that pass messages on."""

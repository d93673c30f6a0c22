"""The demonstration: real small servers on loopback, and the plugins checking them."""

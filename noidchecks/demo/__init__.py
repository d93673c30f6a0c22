"""The demonstration: small real servers on loopback, and the plugins that check them."""

"""Real monitoring servers, each started on loopback in a folder of its own."""

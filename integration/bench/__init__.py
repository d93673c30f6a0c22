"""Every figure that the README claims, measured beside the peer in one run."""

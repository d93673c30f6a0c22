"""The demonstration of farms: a balancer whose backends die, are left half dead and are healed, and a client."""

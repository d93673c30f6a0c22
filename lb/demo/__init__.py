"""The demonstration: a balancer, its backends and a client in namespaces of their own."""

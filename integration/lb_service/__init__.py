"""The program `noidlb guard` in the lab's balancer, with everything around the guardian."""

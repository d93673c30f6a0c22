"""Farms proven by real traffic: each test applies a configuration in the lab's balancer and uses what it promises."""

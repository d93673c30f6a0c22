"""A real Debian: its own kernel under systemd, booted by qemu without a network, in which the farms are proven.

`python -m integration.machine 12 13` builds an image for each release once (`image`), packs the checkout (`payload`),
boots (`boot`), and prints what the programs in `inside` found out. KVM is not needed: software emulation is 10 to 20
times slower than the machine itself, so that everything inside waits for states and asserts no times.
"""

"""Machines that boot from the network through a TFTP farm: qemu with real boot ROMs and boot loaders.

`integration/prepare --machine` installs what they need. `make machine` runs them, `make test` does not.
"""

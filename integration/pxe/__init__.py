"""Machines that boot from the network through a TFTP farm: qemu with real boot ROMs and boot loaders.

They need the packages qemu-system-x86, ipxe-qemu, dnsmasq-base, pxelinux, syslinux-common and grub-pc-bin, and minutes:
`make machine` runs them, `make test` does not.
"""

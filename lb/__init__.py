"""FTP, TFTP and SFTP farms on nftables."""

"""What FTP and SFTP checks have in common: whom to log in as, files to get, folders to list, and their judgement."""

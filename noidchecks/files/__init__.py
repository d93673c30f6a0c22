"""The common parts of FTP and SFTP checks: logins, files to get, folders to list, and their judgement."""

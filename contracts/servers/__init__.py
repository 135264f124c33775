"""The servers that clients meet, each a folder of data: what it is, and how it differs from TGI 3.3."""

"""Adapters for published TGI clients, with the locks of the environments they were run in.

They hold no behaviour of their own: no retry, no parsing, no timeout, no text repair. They import the client
and the standard library only, so that the host can run them under an interpreter that has nothing else. Those
for Node import the kit's host too.
"""

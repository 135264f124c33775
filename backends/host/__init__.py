"""The Python host: runs one adapter in a process of its own, by the adapter protocol.

The protocol is told in docs/adapter-protocol.md and in the schema adapter-message.

Standard library only, Python 3.9 or later, and relative imports alone: ``python host/__main__.py`` works
under an interpreter that holds the adapter's dependencies and nothing of this project (see ``__main__``). The
driver takes the wire form (tags, lines, parts) from here too, so that it is written down once.

``node/`` is the same for JavaScript, in files that an adapter imports. ``init`` writes copies of them.
"""

"""The guide: pages in Markdown, shipped with the program, and the list of them.

`cellam guide` shows them in a terminal, `make docs` makes a site of them.
"""

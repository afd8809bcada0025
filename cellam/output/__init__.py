"""Output: what leaves the program: files for others (`export`, `tables`) and a page to read.

The page (`report`) holds what a fit found (`findings`), how it was done (`methods`) and
`pictures`.
"""

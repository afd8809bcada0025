"""Report: a page to read, and the words in which choices and methods are told."""

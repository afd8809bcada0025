"""Export: results as files for scanpy, scVelo, CellRank, R or a spreadsheet."""

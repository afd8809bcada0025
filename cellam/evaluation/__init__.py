"""Evaluation: how well a fit predicts what it has not seen, held-out days or lineage barcodes."""

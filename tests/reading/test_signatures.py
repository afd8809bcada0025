"""The sets of genes are those that were published."""

from __future__ import annotations

from cellam.reading.signatures import BIRTH, DEATH, RENAMED


def test_the_sets_have_the_genes_that_were_published_less_those_of_division():
    assert {species: len(s.genes) for species, s in BIRTH.items()} == {"human": 97, "mouse": 97}
    # 161 without TOP2A and HMGB2; 193 without Pcna.
    assert {species: len(s.genes) for species, s in DEATH.items()} == {"human": 159, "mouse": 192}
    for signature in (*BIRTH.values(), *DEATH.values()):
        assert len(set(signature.genes)) == len(signature.genes)


def test_no_gene_tells_of_division_and_of_death():
    for species, division in BIRTH.items():
        upper = {gene.upper() for gene in division.genes}
        assert not upper & {gene.upper() for gene in DEATH[species].genes}


def test_genes_of_the_textbook_are_where_they_belong():
    assert {"MKI67", "PCNA", "TOP2A", "CDK1"} <= set(BIRTH["mouse"].genes)
    assert {"BAX", "CASP3", "FAS"} <= set(DEATH["human"].genes)
    assert {"Bax", "Trp53", "Cdkn1a", "Fas"} <= set(DEATH["mouse"].genes)


def test_what_was_renamed_is_in_a_set_under_its_old_name_only():
    every = {gene.upper() for s in (*BIRTH.values(), *DEATH.values()) for gene in s.genes}
    assert RENAMED.keys() <= every
    assert not set(RENAMED.values()) & every

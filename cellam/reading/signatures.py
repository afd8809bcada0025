"""Signatures: published sets of genes whose expression tells of division and of death.

Symbols as published. Renamed since, and matched under either name: `RENAMED`.

References
----------
.. [1] Tirosh et al., Dissecting the multicellular ecosystem of metastatic melanoma by single-cell
   RNA-seq, Science 2016: 97 genes of the phases S and G2/M, which Waddington-OT and moscot use.
.. [2] Liberzon et al., The Molecular Signatures Database Hallmark gene set collection, Cell Systems
   2015 (CC BY 4.0): HALLMARK_APOPTOSIS, 161 human genes, as moscot uses it.
.. [3] The same, HALLMARK_P53_PATHWAY by its 193 genes of the mouse, which Schiebinger et al.,
   Optimal-transport analysis of single-cell gene expression, Cell 2019 take for death, and moscot.
"""

from __future__ import annotations

from typing import NamedTuple


class Signature(NamedTuple):
    """Genes of one process, and where they were published."""

    genes: tuple[str, ...]
    source: str


_CELL_CYCLE = """
ANLN ANP32E ATAD2 AURKA AURKB BIRC5 BLM BRIP1 BUB1 CASP8AP2 CBX5 CCNB2 CCNE2 CDC20 CDC25C CDC45
CDC6 CDCA2 CDCA3 CDCA7 CDCA8 CDK1 CENPA CENPE CENPF CHAF1B CKAP2 CKAP2L CKAP5 CKS1B CKS2 CLSPN
CTCF DLGAP5 DSCC1 DTL E2F8 ECT2 EXO1 FAM64A FEN1 G2E3 GAS2L3 GINS2 GMNN GTSE1 HELLS HJURP HMGB2
HMMR HN1 KIF11 KIF20B KIF23 KIF2C LBR MCM2 MCM4 MCM5 MCM6 MKI67 MLF1IP MSH2 NASP NCAPD2 NDC80
NEK2 NUF2 NUSAP1 PCNA POLA1 POLD3 PRIM1 PSRC1 RAD51 RAD51AP1 RANGAP1 RFC2 RPA2 RRM1 RRM2 SLBP
SMC4 TACC3 TIPIN TMPO TOP2A TPX2 TTK TUBB4B TYMS UBE2C UBR7 UHRF1 UNG USP1 WDR76
"""

_APOPTOSIS = """
ADD1 AIFM3 ANKH ANXA1 APP ATF3 AVPR1A BAX BCAP31 BCL10 BCL2L1 BCL2L10 BCL2L11 BCL2L2 BGN BID BIK
BIRC3 BMF BMP2 BNIP3L BRCA1 BTG2 BTG3 CASP1 CASP2 CASP3 CASP4 CASP6 CASP7 CASP8 CASP9 CAV1 CCNA1
CCND1 CCND2 CD14 CD2 CD38 CD44 CD69 CDC25B CDK2 CDKN1A CDKN1B CFLAR CLU CREBBP CTH CTNNB1 CYLD
DAP DAP3 DCN DDIT3 DFFA DIABLO DNAJA1 DNAJC3 DNM1L DPYD EBP EGR3 EMP1 ENO2 ERBB2 ERBB3 EREG ETF1
F2 F2R FAS FASLG FDXR FEZ1 GADD45A GADD45B GCH1 GNA15 GPX1 GPX3 GPX4 GSN GSR GSTM1 GUCY2D H1-0
HGF HMGB2 HMOX1 HSPB1 IER3 IFITM3 IFNB1 IFNGR1 IGF2R IGFBP6 IL18 IL1A IL1B IL6 IRF1 ISG20 JUN
KRT18 LEF1 LGALS3 LMNA LUM MADD MCL1 MGMT MMP2 NEDD9 NEFH PAK1 PDCD4 PDGFRB PEA15 PLAT PLCB2
PLPPR4 PMAIP1 PPP2R5B PPP3R1 PPT1 PRF1 PSEN1 PSEN2 PTK2 RARA RELA RETSAT RHOB RHOT2 RNASEL ROCK1
SAT1 SATB1 SC5D SLC20A1 SMAD7 SOD1 SOD2 SPTAN1 SQSTM1 TAP1 TGFB2 TGFBR3 TIMP1 TIMP2 TIMP3 TNF
TNFRSF12A TNFSF10 TOP2A TSPO TXNIP VDAC2 WEE1 XIAP
"""

_P53_PATHWAY = """
Abat Abcc5 Abhd4 Acvr1b Ada Adck3 Aen Ak1 Alox8 Ankra2 Apaf1 App Atf3 Baiap2 Bak1 Bax Blcap Bmp2
Btg1 Btg2 Casp1 Ccnd2 Ccnd3 Ccng1 Ccnk Ccp110 Cd81 Cd82 Cdh13 Cdk5r1 Cdkn1a Cdkn2a Cdkn2aip
Cdkn2b Cebpa Cgrrf1 Clca2 Csrnp2 Ctsd Ctsf Cyfip2 Dcxr Ddb2 Ddit3 Ddit4 Def6 Dgka Dnttip2 Dram1
Ei24 Epha2 Ephx1 Eps8l2 Ercc5 F2r Fam162a Fas Fbxw7 Fdxr Fgf13 Fos Foxo3 Fuca1 Gadd45a Gls2 Gm2a
Gnb2l1 Gpx2 H2afj Hbegf Hdac3 Hexim1 Hint1 Hist1h1c Hist3h2a Hmox1 Hras Hspa4l Ier3 Ier5 Ikbkap
Il1a Inhbb Ip6k2 Irak1 Iscu Itgb4 Jag2 Jun Kif13b Klf4 Klk8 Krt17 Ldhb Lif Lrmp Mapkapk3 Mdm2
Mknk2 Mxd1 Mxd4 Ndrg1 Nhlh2 Ninj1 Nol8 Notch1 Nudt15 Nupr1 Osgin1 Pcna Pdgfa Perp Phlda3 Plk2
Plk3 Plxnb2 Pmm1 Polh Pom121 Ppm1d Ppp1r15a Prkab1 Prmt2 Procr Ptpn14 Ptpre Rab40c Rad51c Rad9a
Ralgds Rap2b Rb1 Rchy1 Retsat Rgs16 Rhbdf2 Rnf19b Rpl18 Rps12 Rps27l Rrad Rrp8 Rxra S100a10
S100a4 Sat1 Sdc1 Sec61a1 Serpinb5 Sertad3 Sesn1 Sfn Slc19a2 Slc35d1 Slc3a2 Slc7a11 Socs1 Sp1
Sphk1 St14 Steap3 Stom Tap1 Tax1bp3 Tcn2 Tgfa Tgfb1 Tm4sf1 Tm7sf3 Tnni1 Tob1 Tpd52l1 Tprkb Traf4
Trafd1 Triap1 Trib3 Trp53 Trp63 Tsc22d1 Tspyl2 Txnip Upp1 Vamp8 Vdr Vwa5a Wrap73 Wwp1 Xpc Zbtb16
Zfp365 Zfp36l1 Zmat3
"""

RENAMED = {"MLF1IP": "CENPU", "FAM64A": "PIMREG", "HN1": "JPT1", "H1-0": "H1F0",
           "ADCK3": "COQ8A", "IKBKAP": "ELP1", "GNB2L1": "RACK1", "LRMP": "IRAG2",
           "H2AFJ": "H2AJ", "HIST1H1C": "H1F2", "HIST3H2A": "H2AW"}  # fmt: skip

_BIRTH = Signature(tuple(_CELL_CYCLE.split()), "Tirosh et al. 2016")
BIRTH = {"human": _BIRTH, "mouse": _BIRTH}
# Genes that also speak of division say nothing of death: TOP2A and HMGB2; in the mouse Pcna.
DEATH = {
    species: Signature(
        tuple(gene for gene in genes.split() if gene.upper() not in _BIRTH.genes), source
    )
    for species, genes, source in (
        ("human", _APOPTOSIS, "MSigDB Hallmark apoptosis, Liberzon et al. 2015"),
        ("mouse", _P53_PATHWAY, "MSigDB Hallmark p53 pathway, as in Schiebinger et al. 2019"),
    )
}

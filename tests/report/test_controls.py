"""The frameworks' controls: ids that the standards have, each said what it leaves open."""

import re

import pytest

from lpaudit import report


def numbered(prefix, count, sub=0):
    return {f"{prefix}{n}" for n in range(1, count + 1)}


TSC = (
    numbered("CC1.", 5) | numbered("CC2.", 3) | numbered("CC3.", 4) | numbered("CC4.", 2) | numbered("CC5.", 3)
    | numbered("CC6.", 8) | numbered("CC7.", 5) | {"CC8.1"} | numbered("CC9.", 2)
    | numbered("A1.", 3) | numbered("C1.", 2) | numbered("PI1.", 5)
    | {"P1.1", "P2.1"} | numbered("P3.", 2) | numbered("P4.", 3) | numbered("P5.", 2) | numbered("P6.", 7)
    | {"P7.1", "P8.1"}
)  # fmt: skip
ANNEX_A = numbered("5.", 37) | numbered("6.", 8) | numbered("7.", 14) | numbered("8.", 34)
FAMILIES = {
    "AC": 25, "AT": 6, "AU": 16, "CA": 9, "CM": 14, "CP": 13, "IA": 12, "IR": 10, "MA": 7, "MP": 8, "PE": 23,
    "PL": 11, "PM": 32, "PS": 9, "PT": 8, "RA": 10, "SA": 23, "SC": 51, "SI": 23, "SR": 12,
}  # fmt: skip
NIST = {i for family, count in FAMILIES.items() for i in numbered(f"{family}-", count)} | {
    *(f"AC-2({n})" for n in range(1, 14)), *(f"AC-6({n})" for n in range(1, 11)),
    *(f"AU-6({n})" for n in (1, 3, 4, 5, 6, 7, 8, 9)), *(f"AU-9({n})" for n in range(1, 8)),
    *(f"IA-5({n})" for n in (1, 2, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18)),
}  # fmt: skip
PCI = {
    "7.2.1", "7.2.2", "7.2.3", "7.2.4", "7.2.5", "7.2.5.1", "7.2.6",
    "8.2.1", "8.2.2", "8.2.3", "8.2.4", "8.2.5", "8.2.6", "8.2.7", "8.2.8", "8.6.1", "8.6.2", "8.6.3",
    "10.2.1", *numbered("10.2.1.", 7), "10.2.2", *numbered("10.3.", 4), "10.4.1", "10.4.1.1", "10.4.2",
    "10.4.2.1", "10.4.3", "10.5.1", *numbered("10.6.", 3), *numbered("10.7.", 3),
}  # fmt: skip
IDS = {"soc2-tsc-2017": TSC, "iso27001-2022": ANNEX_A, "nist-800-53-r5": NIST, "pci-dss-4.0.1": PCI}

NAMED = {
    "soc2-tsc-2017": """CC1.1 CC1.5 CC2.1 CC3.2 CC3.4 CC4.1 CC4.2 CC5.2 CC6.1 CC6.2 CC6.3 CC6.4 CC6.5 CC6.6 CC6.7 CC6.8
        CC7.1 CC7.2 CC7.3 CC7.4 CC7.5 CC8.1 CC9.2 A1.1 A1.2 PI1.1 PI1.2 PI1.3 PI1.4 PI1.5 C1.1 C1.2 P4.2""",
    "iso27001-2022": """5.3 5.15 5.16 5.17 5.18 5.24 5.25 5.26 5.27 5.28 5.33 5.34 5.36 6.8 8.2 8.3 8.4 8.5 8.6 8.9 8.10
        8.11 8.12 8.15 8.16 8.17 8.18 8.20 8.21 8.22 8.24 8.25 8.31 8.32""",
    "nist-800-53-r5": """AC-2 AC-2(3) AC-2(4) AC-2(12) AC-3 AC-5 AC-6 AC-6(9) AC-7 AU-2 AU-3 AU-4 AU-5 AU-6 AU-6(3) AU-7
        AU-8 AU-9 AU-9(3) AU-10 AU-11 AU-12 AU-14 IA-2 IA-5(1) CM-3 CM-5 IR-5 SI-4 SC-5 SC-7""",
    "pci-dss-4.0.1": """7.2.4 7.2.5.1 8.2.2 8.2.6 8.6.1 10.2.1 10.2.1.1 10.2.1.2 10.2.1.3 10.2.1.4 10.2.1.5 10.2.1.6
        10.2.1.7 10.2.2 10.3.1 10.3.2 10.3.3 10.3.4 10.4.1 10.4.1.1 10.4.2 10.4.2.1 10.4.3 10.5.1 10.6.1 10.7.2 10.7.3""",
}  # fmt: skip


@pytest.mark.parametrize("framework_id", sorted(IDS))
def test_every_control_has_an_id_that_the_standard_has(framework_id):
    named = {control.id for control in report.load_framework(framework_id).controls}
    assert named <= IDS[framework_id]
    assert set(NAMED[framework_id].split()) <= named


@pytest.mark.parametrize("framework_id", sorted({*IDS, "sox-itgc"}))
def test_every_control_says_what_it_leaves_open(framework_id):
    for control in report.load_framework(framework_id).controls:
        assert control.intent[0].isupper()
        assert control.not_shown.endswith(".")
        assert control.checks or re.match(r"Everything\b", control.not_shown), control.id


def test_sox_has_ids_of_our_own_and_says_so():
    framework = report.load_framework("sox-itgc")
    assert "the ids are this project's own" in framework.description
    assert {"program-changes", "job-scheduling"} <= {control.id for control in framework.controls}


ALL = numbered("S", 20)


@pytest.mark.parametrize("framework_id", sorted({*IDS, "sox-itgc"}))
def test_a_framework_has_every_section_that_data_can_give(framework_id):
    framework = report.load_framework(framework_id)
    sections = {report.load_check(s.check).section for s in framework.sections} - {None}
    assert sections == ALL

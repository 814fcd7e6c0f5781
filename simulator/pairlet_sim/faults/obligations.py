"""The numbered items that verdicts cite, each with the section it comes from.

1 to 37 are the items of tests/conformance.toml; 38 to 43 go on with revocation and metadata.
"""

SECTIONS = {
    1: "RFC 8628 section 3.1",
    2: "RFC 8628 section 3.1",
    3: "RFC 8628 section 3.1",
    4: "RFC 8628 section 3.1",
    5: "RFC 8628 section 3.1",
    7: "RFC 8628 section 3.2",
    8: "RFC 8628 section 3.2",
    9: "RFC 8628 section 3.2",
    10: "RFC 8628 section 3.3",
    11: "RFC 8628 section 3.3",
    14: "RFC 8628 section 3.3.1",
    15: "RFC 8628 section 3.4",
    16: "RFC 8628 section 3.4",
    17: "RFC 8628 section 3.5",
    18: "RFC 8628 section 3.5",
    19: "RFC 8628 section 3.5",
    20: "RFC 8628 section 3.5",
    21: "RFC 8628 section 3.5",
    23: "RFC 8628 section 4",
    27: "RFC 6749 section 3.2",
    28: "RFC 6749 section 2.3.1",
    29: "RFC 6749 section 3.2.1",
    30: "RFC 6749 section 5.1",
    31: "RFC 6749 section 5.1",
    32: "RFC 6749 section 5.2",
    33: "RFC 6749 section 6",
    34: "RFC 6749 section 7.1",
    35: "RFC 6749 sections 10.3 and 10.4",
    37: "RFC 6749 section 10.9",
    38: "RFC 7009 section 2",
    41: "RFC 7009 section 2.2.1",
    42: "RFC 8414 section 3.3",
    43: "RFC 8414 section 3.1",
}

GOOD_PRACTICE = "good practice"


def cited(item: int | None) -> str:
    """`item` as people read it; without one it is good practice that no RFC spells out."""
    return GOOD_PRACTICE if item is None else f"item {item}, {SECTIONS[item]}"

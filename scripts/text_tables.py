"""Writes vocabulary/text_tables.json: the tables of ftfy (Apache-2.0, Robyn Speer) and of HTML's entities.

Regular expressions are rewritten for Rust: without verbose mode and without what Rust's engine lacks.
"""

import html.entities
import json
import re
import sys

from ftfy import chardata
from ftfy.badness import BADNESS_RE

LOOKBEHIND = re.compile(r"^\(\?<!(\[.*?\])\)", re.DOTALL)


def plain(verbose):
    """Takes the layout out of a verbose expression."""
    out, in_class, skip = [], False, False
    i = 0
    while i < len(verbose):
        c = verbose[i]
        if skip:
            skip = c != "\n"
        elif c == "\\":
            out.append(verbose[i : i + 2])
            i += 1
        elif in_class:
            in_class = c != "]"
            out.append("\\" + c if c in "[&~" else c)
        elif c == "[":
            in_class = True
            out.append(c)
        elif c == "#":
            skip = True
        elif c not in " \t\n\r\f\v":
            out.append(c)
        i += 1
    # Python's \w has no marks, its \s has the four separators of ASCII.
    return "".join(out).replace("\\w", "[\\p{L}\\p{N}_]").replace("\\s", "[\\s\\x1c-\\x1f]")


def main(out):
    detector = plain(chardata.UTF8_DETECTOR_RE.pattern)
    before = LOOKBEHIND.match(detector)
    everything = bytes(range(256))
    tables = {
        "badness": plain(BADNESS_RE.pattern),
        "utf8_detector": detector[before.end() :],
        "not_before_utf8": before.group(1),
        "encodings": [[name, everything.decode(name)] for name in chardata.CHARMAP_ENCODINGS],
        "replacements": {chr(k): v for k, v in {**chardata.LIGATURES, **chardata.WIDTH_MAP}.items()},
        "entities": html.entities.html5,
        "shouted_entities": {k[1:]: v for k, v in chardata.HTML_ENTITIES.items() if k[1:] not in html.entities.html5},
    }
    with open(out, "w") as file:
        json.dump(tables, file, indent=0, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])

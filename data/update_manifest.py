"""Write the sizes and SHA-256 checksums of the bundled files into data_manifest.yaml.

    python data/update_manifest.py

Rewrites the lines ``- {path: data/..., bytes: ..., sha256: ...}`` and leaves everything else as it is. Such a line
with only a path is filled in; one whose file is not there is an error.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

MANIFEST = Path(__file__).parents[1] / "data_manifest.yaml"
BUNDLED = re.compile(r"^(\s*- )\{path: (data/[^,}]+).*\}$", re.MULTILINE)


def line(match: re.Match[str]) -> str:
    """The line for the file that ``match`` names, as the file is now."""
    content = (MANIFEST.parent / match[2]).read_bytes()
    return f"{match[1]}{{path: {match[2]}, bytes: {len(content)}, sha256: {hashlib.sha256(content).hexdigest()}}}"


if __name__ == "__main__":
    before = MANIFEST.read_text(encoding="utf-8")
    after, files = BUNDLED.subn(line, before)
    MANIFEST.write_text(after, encoding="utf-8")
    print(f"{MANIFEST.name}: {files} bundled files, {'updated' if after != before else 'nothing to change'}")

"""What must not stand in any tracked file: work put off, places of one machine, addresses of package registries."""

import re

from tests.architecture.tree import GENERATED, ROOT, tracked

# Written with a class in each word, so that this file does not find itself.
PUT_OFF = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b")
MACHINE_PATH = re.compile(r"(?<![\w.~])/(wor[k]|roo[t]|hom[e]|User[s])/|/tm[p]/[a-z]")
REGISTRY = re.compile(
    r"pyp[i]\.org|pythonhoste[d]\.org|prox[y]\.golang\.org|registr[y]\.npmjs|de[b]\.debian\.org|--(extra-)?inde[x]-url"
)
SUPPRESSION = re.compile(r"#\s*(noqa\b(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)?|type:\s*ignore(\[[\w, -]+\])?)(?P<reason>.*)$")

SUMS = ("go.sum",)


def lines(*, suffix: str = "") -> list[tuple[str, str]]:
    """(`path:line`, text) of every line of every tracked text file that people write."""
    found = []
    for path in tracked():
        if path.startswith(GENERATED) or path.endswith(SUMS) or not path.endswith(suffix):
            continue
        try:
            content = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [(f"{path}:{number}", line) for number, line in enumerate(content.splitlines(), start=1)]
    return found


def test_no_work_is_put_off() -> None:
    assert [place for place, line in lines() if PUT_OFF.search(line)] == []


def test_no_path_of_one_machine() -> None:
    assert [(place, line) for place, line in lines() if MACHINE_PATH.search(line)] == []


def test_no_address_of_a_registry() -> None:
    assert [(place, line) for place, line in lines() if REGISTRY.search(line)] == []


def test_every_suppression_names_its_rule_and_its_reason() -> None:
    found = ((place, SUPPRESSION.search(line)) for place, line in lines(suffix=".py"))
    wordless = [place for place, match in found if match and not re.search(r"[a-z]{2,}", match["reason"])]
    assert wordless == []

"""edge/docs/messages.md shows every topic and a real message of each kind.

`make schema` renews the table and the examples.
"""

import re
from pathlib import Path

import msgspec

from roeh.desk.published import BODIES, PUBLISHED
from tests.message_examples import examples

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"
_CHECKPOINT = re.compile(r'"(checkpoint|note)": "[^"]*"')


def topics_table():
    found = examples()
    lines = ["| topic | body | bytes | QoS | retained |", "| --- | --- | --- | --- | --- |"]
    for one in PUBLISHED:
        names = [
            f"[{name}](schema/{name}.schema.json)" if name in BODIES else name
            for name in one.messages
        ]
        sizes = [
            len(next(ex for ex in found if (ex.key, ex.name) == (one.key, name)).payload)
            for name in one.messages
        ]
        lines.append(
            f"| `{one.address}` | {' or '.join(names)} | {', '.join(map(str, sizes))}"
            f" | {one.qos} | {'yes' if one.retained else 'no'} |"
        )
    return "\n".join(lines)


def statement():
    command = next(one for one in examples() if one.name == "cmd")
    return f"```\n{command.payload.decode()}```"


def example_blocks():
    shown, blocks = set(), []
    for one in examples():
        if one.body is None or one.name in shown:
            continue
        shown.add(one.name)
        body = msgspec.json.format(one.body, indent=2).decode()
        # A checkpoint is 250 signs of base64 that say nothing to a reader.
        body = _CHECKPOINT.sub(r'"\1": "…"', body)
        blocks.append(f"`{one.topic}`: {one.name}\n\n```json\n{body}\n```")
    return "\n\n".join(blocks)


def renewed(text):
    for mark, content in (
        ("topics", topics_table()),
        ("statement", statement()),
        ("examples", example_blocks()),
    ):
        start, end = f"<!-- {mark} -->\n", "<!-- end -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}{content}\n{end}{after}"
    return text


def test_the_page_is_what_the_program_says():
    text = PAGE.read_text(encoding="utf-8")
    assert text == renewed(text), "renew with: make schema"


def test_the_page_shows_every_body():
    text = PAGE.read_text(encoding="utf-8")
    for name in BODIES:
        assert f": {name}\n\n```json" in text


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

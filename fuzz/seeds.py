#!/usr/bin/env python3
"""Writes seeds for every target to fuzz/corpus/, from the test data of the repository.

    fuzz/seeds.py [FOLDER …]    other folders, with definitions as JSON files, beside the committed sets
"""

import hashlib
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
EXPRESSION = re.compile(r"\{%(.*)%\}", re.DOTALL)
SEED_BYTES_MAX = 20_000


def seed(target, *parts):
    text = "\0".join(parts).encode("utf-8", "replace")
    if len(text) > SEED_BYTES_MAX:
        return
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(text).hexdigest()).write_bytes(text)


def shown(value):
    return json.dumps(value, ensure_ascii=False)


def texts(value):
    """Every text in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)


def states(definition):
    """Every state, nested ones too."""
    if isinstance(definition, list):
        for item in definition:
            yield from states(item)
    elif isinstance(definition, dict):
        yield from (state for state in (definition.get("States") or {}).values() if isinstance(state, dict))
        for item in definition.values():
            yield from states(item)


def of_definition(definition, document="{}"):
    text = definition if isinstance(definition, str) else shown(definition)
    seed("definition", text)
    seed("execution", text, document)
    if not isinstance(definition, dict):
        return
    for state in states(definition):
        fields = {name: value for name, value in state.items() if name not in ("End", "Next", "Catch", "Comment")}
        seed("execution", shown(fields), document)
        seed("definition", shown(state))
    for text in texts(definition):
        of_text(text, document)


def of_text(text, document):
    if inside := EXPRESSION.search(text):
        seed("jsonata", inside[1], document)
    elif text.startswith("$"):
        seed("jsonpath", text, document)
    elif text.startswith("States."):
        seed("intrinsic", text, document)


def of_set(path):
    """A set of recorded cases, whatever its shape: definitions, expressions, and the documents beside them."""

    def walk(value):
        if isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            if "definition" in value:
                definition = value["definition"]
                if isinstance(definition, str):
                    try:
                        definition = json.loads(definition)
                    except ValueError:
                        pass
                of_definition(definition, shown(value.get("input", {})))
            for field, target in (("selector", "jsonpath"), ("path", "jsonpath"), ("expr", "jsonata")):
                if isinstance(value.get(field), str):
                    document = value.get("document", value.get("data"))
                    seed(target, value[field].replace("$$", "$states.input"), shown(document))
            for item in value.values():
                walk(item)

    walk(json.loads(path.read_text()))


def of_lines(path, target):
    """`EXPRESSION => RESULT`, after the document of the first block."""
    lines = path.read_text().splitlines()
    document = lines[lines.index("document") + 1]
    for line in lines:
        if " => " in line:
            seed(target, line.split(" => ")[0], document)


def of_page(path):
    """Fenced blocks; an input belongs to the machine before it."""
    machine = None
    for kind, body in re.findall(r"```json ?(\w*)\n(.*?)```", path.read_text(), re.DOTALL):
        try:
            value = json.loads(body)
        except ValueError:
            seed("definition", body)
            continue
        if kind == "input" and machine is not None:
            of_definition(machine, body)
        elif kind in ("", "machine"):
            machine = value
            of_definition(machine)


def main():
    for folder in [ROOT / "crates" / "conformance" / "sets", *map(pathlib.Path, sys.argv[1:])]:
        for path in folder.rglob("*.json"):
            try:
                content = json.loads(path.read_text())
            except ValueError:
                seed("definition", path.read_text(errors="replace"))
                continue
            if isinstance(content, dict) and "States" in content:
                of_definition(content)
            else:
                of_set(path)
    for path in [*ROOT.glob("crates/conformance/cases/**/*.md"), *ROOT.glob("crates/asl/tests/data/*.md")]:
        of_page(path)
    for path in [*ROOT.glob("crates/*/tests/data/*.asl.json"), *ROOT.glob("examples/**/*.asl.json")]:
        of_definition(json.loads(path.read_text()))
    for target in ("jsonpath", "intrinsic"):
        of_lines(ROOT / "crates" / "query" / "tests" / "data" / f"{target}.txt", target)
    for folder in sorted(CORPUS.iterdir()):
        print(f"{folder.name}: {len(list(folder.iterdir()))} seeds")


if __name__ == "__main__":
    main()

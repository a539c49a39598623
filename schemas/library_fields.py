"""Reads which configuration fields the installed training libraries have, from their source text.

Importing them takes half a minute and needs torch. `schemas.field_tables` keeps what this finds.
"""

import ast
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

# Base classes come first, so that a derived class's defaults win.
_DATACLASSES = {
    "TrainingArguments": (
        ("transformers", "transformers/training_args.py", "TrainingArguments"),
        ("trl", "trl/trainer/base_config.py", "_BaseConfig"),
        ("trl", "trl/trainer/sft_config.py", "SFTConfig"),
    ),
    "LoraConfig": (
        ("peft", "peft/config.py", "PeftConfigMixin"),
        ("peft", "peft/config.py", "PeftConfig"),
        ("peft", "peft/tuners/lora/config.py", "LoraConfig"),
    ),
    "DataCollator": (("transformers", "transformers/data/data_collator.py", "DataCollatorForLanguageModeling"),),
}
_QUANTIZATION = ("transformers", "transformers/utils/quantization_config.py", "BitsAndBytesConfig")
_ENUMS = (("transformers", "transformers/trainer_utils.py"), ("transformers", "transformers/training_args.py"))

Field = dict[str, object]


def installed_fields() -> dict[str, dict[str, Field]]:
    """By section and name: `type` (JSON kinds between bars), `default`, and `choices` where the library has a list."""
    choices = dict(_enums())
    sections = {
        section: {
            name: field
            for owner in owners
            for name, field in _dataclass_fields(_class(*owner), choices)
            if field["default"] is not Ellipsis
        }
        for section, owners in _DATACLASSES.items()
    }
    sections["QuantizationConfig"] = dict(_parameters(_class(*_QUANTIZATION)))
    return sections


def _source(package: str, path: str) -> ast.Module:
    return ast.parse(Path(str(distribution(package).locate_file(path))).read_text(encoding="utf-8"))


def _class(package: str, path: str, name: str) -> ast.ClassDef:
    return next(node for node in _source(package, path).body if isinstance(node, ast.ClassDef) and node.name == name)


def _enums() -> Iterator[tuple[str, list[str]]]:
    for owner in _ENUMS:
        for node in _source(*owner).body:
            if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
                values = (item.value for item in node.body if isinstance(item, ast.Assign))
                yield node.name, [str(value.value) for value in values if isinstance(value, ast.Constant)]


def _dataclass_fields(owner: ast.ClassDef, choices: dict[str, list[str]]) -> Iterator[tuple[str, Field]]:
    names = {
        target.id: _literal(node.value, {})
        for node in ast.walk(owner)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in owner.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            kinds = [ast.unparse(part) for part in _alternatives(node.annotation)]
            field: Field = {"type": _kinds(kinds), "default": _default(node.value, names)}
            listed = [choices[kind] for kind in kinds if kind in choices]
            listed += [*_literals(node.annotation), *_listed_choices(node.value)]
            yield node.target.id, field | ({"choices": listed[-1]} if listed else {})


def _parameters(owner: ast.ClassDef) -> Iterator[tuple[str, Field]]:
    init = next(node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    for argument, default in zip(init.args.args[1:], init.args.defaults, strict=True):
        yield argument.arg, {"type": "any", "default": _literal(default, {})}


def _listed_choices(value: ast.expr | None) -> Iterator[list[str]]:
    """`choices` that stand in a field's metadata, for the command line."""
    for node in ast.walk(value) if value else ():
        if isinstance(node, ast.Dict):
            for key, listed in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "choices" and isinstance(listed, ast.List):
                    yield [str(item.value) for item in listed.elts if isinstance(item, ast.Constant)]


def _default(value: ast.expr | None, names: dict[str, object]) -> object:
    """Ellipsis where a field has none. Factories for empty containers count as what they make."""
    if not isinstance(value, ast.Call):
        return Ellipsis if value is None else _literal(value, names)
    for keyword in value.keywords:
        if keyword.arg == "default":
            return _literal(keyword.value, names)
        if keyword.arg == "default_factory":
            return {"list": [], "dict": {}}.get(ast.unparse(keyword.value))
    return Ellipsis


def _literal(value: ast.expr, names: dict[str, object]) -> object:
    if isinstance(value, ast.Name):
        return names.get(value.id)
    try:
        literal: object = ast.literal_eval(value)
    except ValueError:
        return None
    return literal


def _alternatives(annotation: ast.expr) -> Iterator[ast.expr]:
    """The parts of a union, however it is written."""
    if isinstance(annotation, ast.BinOp):
        yield from _alternatives(annotation.left)
        yield from _alternatives(annotation.right)
    elif isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) in ("Optional", "Union"):
        inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        for part in inner:
            yield from _alternatives(part)
        if ast.unparse(annotation.value) == "Optional":
            yield ast.Constant(None)
    else:
        yield annotation


def _kinds(parts: Iterable[str]) -> str:
    simple = {"bool", "int", "float", "str", "list[str]", "list[int]"}
    kinds = []
    for part in parts:
        if part in simple:
            kinds.append(part)
        elif part == "None":
            kinds.append("null")
        elif part.startswith("Literal["):
            kinds.append("str")
        elif part.startswith("dict"):
            kinds.append("dict")
    return "|".join(dict.fromkeys(kinds)) or "any"


def _literals(annotation: ast.expr) -> Iterator[list[str]]:
    for part in _alternatives(annotation):
        if isinstance(part, ast.Subscript) and ast.unparse(part.value) == "Literal":
            inner = part.slice.elts if isinstance(part.slice, ast.Tuple) else [part.slice]
            yield [str(item.value) for item in inner if isinstance(item, ast.Constant)]

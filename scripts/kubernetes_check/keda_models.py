"""KEDA's CustomResourceDefinitions as JSON Schema, read from the classes of the package cloudcoil-models-keda.

The package is made from KEDA's definitions. It needs a newer Python than most machines have, so its source is read
and not run."""

import ast
import zipfile
from pathlib import Path

MODULE = "cloudcoil/models/keda/v1alpha1.py"
SIMPLE = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "AwareDatetime": "string"}
LIMITS = {
    "ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum", "pattern": "pattern",
}
LENGTHS = {"min_length": ("minLength", "minItems"), "max_length": ("maxLength", "maxItems")}


def definitions(folder: Path) -> dict[str, dict]:
    """The schema of every class, by its name."""
    (wheel,) = folder.glob("cloudcoil_models_keda-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        module = ast.parse(archive.read(MODULE))
    return {each.name: of_class(each) for each in module.body if isinstance(each, ast.ClassDef)}


def of_class(each: ast.ClassDef) -> dict:
    for base in each.bases:
        if isinstance(base, ast.Subscript) and ast.unparse(base.value) == "RootModel":
            return of_type(base.slice)
    properties = {}
    required = []
    for field in each.body:
        if not isinstance(field, ast.AnnAssign) or ast.unparse(field.annotation).startswith("ClassVar"):
            continue
        name = field.target.id
        annotation = field.annotation
        if is_annotated(annotation):
            name = settings(annotation).get("alias", name)
        properties[name] = of_type(annotation)
        if field.value is None:
            required.append(name)
    if "Resource" in [ast.unparse(base) for base in each.bases]:
        required += ["apiVersion", "kind"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def is_annotated(annotation: ast.expr) -> bool:
    return isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Annotated"


def settings(annotation: ast.Subscript) -> dict:
    """The arguments of `Field` in `Annotated[..., Field(...)]`."""
    call = annotation.slice.elts[1]
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg in ("alias", *LIMITS, *LENGTHS)}


def of_type(annotation: ast.expr) -> dict:
    if is_annotated(annotation):
        return limited(of_type(annotation.slice.elts[0]), settings(annotation))
    if isinstance(annotation, ast.BinOp):
        # `X | None` is an optional field; null itself is a mistake in a file.
        parts = [of_type(part) for part in parts_of(annotation) if ast.unparse(part) != "None"]
        return parts[0] if len(parts) == 1 else {"anyOf": parts}
    if isinstance(annotation, ast.Subscript):
        return of_generic(ast.unparse(annotation.value), annotation.slice)
    name = ast.literal_eval(annotation) if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
    if name in ("dict", "Any"):
        return {}
    return {"type": SIMPLE[name]} if name in SIMPLE else {"$ref": f"#/$defs/{name}"}


def parts_of(union: ast.expr) -> list[ast.expr]:
    return [*parts_of(union.left), *parts_of(union.right)] if isinstance(union, ast.BinOp) else [union]


def of_generic(name: str, inner: ast.expr) -> dict:
    if name == "list":
        return {"type": "array", "items": of_type(inner)}
    if name == "dict":
        return {"type": "object", "additionalProperties": of_type(inner.elts[1])}
    if name == "Literal":
        values = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        return {"enum": [ast.literal_eval(value) for value in values]}
    raise NotImplementedError(f"the type {name} of KEDA's models")


def limited(schema: dict, limits: dict) -> dict:
    found = dict(schema)
    for name, value in limits.items():
        if name in LIMITS:
            found[LIMITS[name]] = value
        elif name in LENGTHS:
            found[LENGTHS[name][schema.get("type") == "array"]] = value
    return found

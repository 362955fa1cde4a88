"""Mistakes made on purpose, to see that the validation notices them."""

import copy
from collections.abc import Callable, Iterator

from consistency import problems
from schemas import Schemas

# Maps whose keys are free: labels, annotations, data, selectors, amounts of resources.
FREE = {"labels", "annotations", "data", "matchLabels", "selector", "nodeSelector", "requests", "limits"}

Path = tuple[str | int, ...]


def fields(value: object, path: Path = ()) -> Iterator[Path]:
    """The path of every field with a fixed name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if not (path and path[-1] in FREE and name != "matchLabels"):
                yield (*path, name)
            yield from fields(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from fields(inner, (*path, number))


def at(value: object, path: Path) -> object:
    for step in path:
        value = value[step]
    return value


def misspelt(objects: list[dict], new: list[dict]) -> Iterator[tuple[str, list[dict]]]:
    """The objects once for each field, with one more letter in its name."""
    for number, each in enumerate(objects):
        if each not in new:
            continue
        for path in fields(each):
            if path in (("kind",), ("apiVersion",), ("metadata",), ("metadata", "name")):
                continue
            mutant = copy.deepcopy(each)
            parent = at(mutant, path[:-1])
            parent[f"{path[-1]}s"] = parent.pop(path[-1])
            name = ".".join(map(str, path))
            yield f"the misspelt {name} of {each['kind']}/{each['metadata']['name']}", [*objects[:number], mutant, *objects[number + 1:]]


def set_at(kind: str, name: str, *path: str | int, value: object) -> Callable[[list[dict]], bool]:
    """A change of one value, if the overlay has the object."""

    def change(objects: list[dict]) -> bool:
        for each in objects:
            if (each["kind"], each["metadata"]["name"]) == (kind, name):
                at(each, path[:-1])[path[-1]] = value
                return True
        return False

    return change


CONTAINER = ("spec", "template", "spec", "containers", 0)
WRONG = {
    "a worker with other slots": set_at("Deployment", "worker", *CONTAINER, "args", 3, value="5"),
    "a grace that is longer than that of the pod": set_at("Deployment", "worker", *CONTAINER, "args", 5, value="600"),
    "a probe of another port": set_at("Deployment", "frontend", *CONTAINER, "readinessProbe", "httpGet", "port", value="web"),
    "a Secret that is not made": set_at("Deployment", "frontend", *CONTAINER, "env", 0, "valueFrom", "secretKeyRef", "key", value="uri"),
    "a ConfigMap that is not there": set_at("Deployment", "frontend", *CONTAINER, "envFrom", 0, "configMapRef", "name", value="clipdraw"),
    "a Service without pods": set_at("Service", "frontend", "spec", "selector", value={"app.kubernetes.io/component": "front"}),
    "fixed replicas beside an autoscaler": set_at("Deployment", "frontend", "spec", "replicas", value=2),
    "a budget for no pods": set_at("PodDisruptionBudget", "worker", "spec", "selector", "matchLabels", value={"app": "worker"}),
    "a stream that nobody writes": set_at("ScaledObject", "worker", "spec", "triggers", 0, "metadata", "stream", value="cd:{0}:q:urgent"),
    "a number where KEDA wants a text": set_at("ScaledObject", "worker", "spec", "triggers", 0, "metadata", "streamLength", value=4),
    "a trigger without a name": set_at("ScaledObject", "worker", "spec", "triggers", 0, "name", value="other"),
    "a root file system that can be written": set_at("Deployment", "worker", *CONTAINER, "securityContext", "readOnlyRootFilesystem", value=False),
    "an image without a version": set_at("Deployment", "worker", *CONTAINER, "image", value="clipdraw"),
    "a wrong backend": set_at("Ingress", "clipdraw", "spec", "defaultBackend", "service", "name", value="front"),
    "a wrong health check": set_at("BackendConfig", "frontend", "spec", "healthCheck", "port", value=8080),
    "a negative number": set_at("PodDisruptionBudget", "frontend", "spec", "maxUnavailable", value=[1]),
}


def mistaken(objects: list[dict]) -> Iterator[tuple[str, list[dict]]]:
    for name, change in WRONG.items():
        mutant = copy.deepcopy(objects)
        if change(mutant):
            yield name, mutant


def missed(objects: list[dict], new: list[dict], schemas: Schemas) -> tuple[int, list[str]]:
    """How many mistakes were made, and those that nothing notices. Only the fields of new objects are misspelt."""
    count = 0
    survivors = []
    for name, mutant in [*misspelt(objects, new), *mistaken(objects)]:
        count += 1
        if not is_noticed(mutant, objects, schemas):
            survivors.append(name)
    return count, survivors


def is_noticed(mutant: list[dict], objects: list[dict], schemas: Schemas) -> bool:
    changed = [each for each in mutant if each not in objects]
    if any(True for each in changed for _ in schemas.problems(each)):
        return True
    try:
        return any(True for _ in problems(mutant))
    except (KeyError, TypeError):
        # A field that the others need is not there.
        return True

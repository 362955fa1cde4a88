"""The schemas of all kinds, in which unknown fields are errors."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema
from keda_models import definitions
from referencing import Registry, Resource

# The oldest and the newest version of Kubernetes that an overlay is for.
VERSIONS = ["1.30.0", "1.37.0"]
META = "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

INTEGER = {"type": "integer"}
STRING = {"type": "string"}


def fields(**properties: dict) -> dict:
    return {"type": "object", "properties": properties, "additionalProperties": False}


# GKE's kinds, as far as they are used, from GKE's documentation: no package has their schemas.
GKE = {
    ("cloud.google.com/v1", "BackendConfig"): fields(
        timeoutSec=INTEGER,
        connectionDraining=fields(drainingTimeoutSec=INTEGER),
        healthCheck=fields(
            type={"enum": ["HTTP", "HTTPS", "HTTP2"]}, port=INTEGER, requestPath=STRING, checkIntervalSec=INTEGER, timeoutSec=INTEGER, healthyThreshold=INTEGER, unhealthyThreshold=INTEGER
        ),
    ),
    ("networking.gke.io/v1", "ManagedCertificate"): fields(domains={"type": "array", "items": STRING, "minItems": 1, "maxItems": 100}),
}


class Schemas:
    """A validator for each kind and each version of Kubernetes, made when it is first needed."""

    def __init__(self, models: Path) -> None:
        self.keda = definitions(models)
        self.folder = files("kubernetes_validate") / "kubernetes-json-schema"
        self.registries = {version: self.registry(version) for version in VERSIONS}
        self.validators: dict[tuple[str, str, str], jsonschema.Draft202012Validator] = {}

    def problems(self, each: dict) -> Iterator[str]:
        """What is wrong with one object, once for all versions that say the same."""
        said = set()
        for version in VERSIONS:
            try:
                validator = self.validator(version, each["apiVersion"], each["kind"])
            except FileNotFoundError:
                yield f"{each['apiVersion']} has no {each['kind']} in Kubernetes {version}"
                continue
            for error in validator.iter_errors(each):
                text = f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"
                if text not in said:
                    said.add(text)
                    yield text

    def contents(self, version: str, name: str) -> dict:
        return json.loads((self.folder / f"v{version}-local-strict" / name).read_text())

    def registry(self, version: str) -> Registry:
        return Resource.from_contents(self.contents(version, "_definitions.json")) @ Registry()

    def validator(self, version: str, api_version: str, kind: str) -> jsonschema.Draft202012Validator:
        key = (version, api_version, kind)
        if key not in self.validators:
            self.validators[key] = jsonschema.Draft202012Validator(self.schema(*key), registry=self.registries[version])
        return self.validators[key]

    def schema(self, version: str, api_version: str, kind: str) -> dict:
        if (api_version, kind) in GKE:
            return {**fields(apiVersion=STRING, kind=STRING, metadata={"$ref": META}, spec=GKE[api_version, kind]), "required": ["metadata", "spec"]}
        if api_version.startswith("keda.sh/"):
            if kind not in self.keda:
                raise FileNotFoundError(kind)
            return {"$ref": f"#/$defs/{kind}", "$defs": {**self.keda, "ObjectMeta": {"$ref": META}}}
        group, _, number = api_version.rpartition("/")
        group = group.split(".")[0]
        return self.contents(version, f"{kind.lower()}-{group}-{number}.json" if group else f"{kind.lower()}-{number}.json")

"""What no schema says: whether the objects of one overlay fit together."""

import json
import re
from collections.abc import Iterator

# What is made by hand, see deploy/kubernetes/README.md.
SECRETS = {"clipdraw-broker": {"url", "address", "password"}, "clipdraw": {"CLIPDRAW_AUTH_TOKEN", "WEBHOOK_AUTH_TOKEN"}}
CONFIG_MAPS = {"clipdraw-broker-ca"}

# The streams of the broker whose lengths are the number of predictions that wait and run.
STREAMS = {f"cd:{{0}}:q:{priority}" for priority in ("high", "normal", "low")}

# The metadata of KEDA's triggers: only KEDA's source has these names, and it ignores others.
TRIGGERS = {
    "redis-streams": {
        "address", "host", "port", "username", "usernameFromEnv", "password", "passwordFromEnv", "stream", "streamLength", "consumerGroup", "lagCount",
        "pendingEntriesCount", "activationLagCount", "databaseIndex", "enableTLS", "unsafeSsl",
    },
    "metrics-api": {"url", "format", "valueLocation", "targetValue", "activationTargetValue", "authMode", "method", "keyParamName", "unsafeSsl", "aggregateFromKubeServiceEndpoints", "aggregationType"},
}
# The parameters that their authentication may have.
PARAMETERS = {
    "redis-streams": {"address", "host", "port", "username", "password", "tls", "ca", "cert", "key", "keyPassword"},
    "metrics-api": {"apiKey", "username", "password", "token", "ca", "cert", "key"},
}

# The seconds that a server may need after its grace: see src/command/serve/server.rs.
AFTER_GRACE = 25

Objects = dict[tuple[str, str], dict]


def problems(objects: list[dict]) -> Iterator[str]:
    """Everything that does not fit."""
    index: Objects = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    if len(index) != len(objects):
        yield "two objects have the same kind and name"
    for (kind, name), each in index.items():
        found = CHECKS.get(kind, lambda *_: [])(each, index)
        yield from (f"{kind}/{name}: {problem}" for problem in found)


def workloads(index: Objects) -> list[dict]:
    return [each for (kind, _), each in index.items() if kind in ("Deployment", "StatefulSet")]


def labels_of(workload: dict) -> dict:
    return workload["spec"]["template"]["metadata"]["labels"]


def matches(selector: dict, labels: dict) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def selector_problems(selector: dict, index: Objects) -> Iterator[str]:
    found = [each for each in workloads(index) if matches(selector, labels_of(each))]
    if len(found) != 1:
        yield f"{selector} selects {len(found)} workloads"


def target_problems(target: dict, index: Objects) -> Iterator[str]:
    found = index.get((target.get("kind", "Deployment"), target["name"]))
    if found is None:
        yield f"scales {target['name']}, which is not there"
    elif "replicas" in found["spec"]:
        yield f"scales {target['name']}, whose replicas are fixed"


def workload_problems(workload: dict, index: Objects) -> Iterator[str]:
    spec = workload["spec"]
    pod = spec["template"]["spec"]
    if not matches(spec["selector"]["matchLabels"], labels_of(workload)):
        yield "does not select its own pods"
    for constraint in pod.get("topologySpreadConstraints", []):
        if not matches(constraint["labelSelector"]["matchLabels"], labels_of(workload)):
            yield "spreads the pods of others"
    if pod.get("automountServiceAccountToken") is not False:
        yield "has a token of the cluster"
    account = pod.get("serviceAccountName")
    if account and ("ServiceAccount", account) not in index:
        yield f"runs as {account}, which is not there"
    security = pod.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser") or security.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "may run as root, or without seccomp"
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
    for volume in pod.get("volumes", []):
        if "configMap" in volume:
            yield from config_map_problems(volume["configMap"]["name"], index)
    for container in pod["containers"]:
        yield from container_problems(container, index, volumes)
        yield from grace_problems(container, pod.get("terminationGracePeriodSeconds", 30))


def container_problems(container: dict, index: Objects, volumes: set[str]) -> Iterator[str]:
    security = container.get("securityContext", {})
    if (
        security.get("allowPrivilegeEscalation") is not False
        or security.get("readOnlyRootFilesystem") is not True
        or security.get("capabilities") != {"drop": ["ALL"]}
    ):
        yield f"{container['name']} has rights that it does not need"
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in volumes:
            yield f"mounts {mount['name']}, which is not there"
    names = [variable["name"] for variable in container.get("env", [])]
    if len(set(names)) != len(names):
        yield "sets a variable twice"
    for variable in container.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference and reference["key"] not in SECRETS.get(reference["name"], set()):
            yield f"refers to {reference['name']}/{reference['key']}, which README.md does not make"
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            yield from config_map_problems(source["configMapRef"]["name"], index)
        if "secretRef" in source and source["secretRef"]["name"] not in SECRETS:
            yield f"refers to the Secret {source['secretRef']['name']}, which README.md does not make"
    ports = port_names(container)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        settings = container.get(probe)
        if settings is None:
            yield f"{container['name']} has no {probe}"
            continue
        port = settings.get("httpGet", settings.get("tcpSocket", {})).get("port")
        if port is not None and port not in ports:
            yield f"{probe} asks the port {port}, which is not there"
    if not re.fullmatch(r"clipdraw-(frontend|worker)|.+:[\w.-]+", container["image"]) or container["image"].endswith(":latest"):
        yield f"the image {container['image']} has no version"


def port_names(container: dict) -> set[str]:
    return {port["name"] for port in container.get("ports", [])}


def config_map_problems(name: str, index: Objects) -> Iterator[str]:
    if name not in CONFIG_MAPS and ("ConfigMap", name) not in index:
        yield f"refers to the ConfigMap {name}, which is not there"


def option(container: dict, name: str) -> str | None:
    """The value of an option of clipdraw, given as two arguments or one."""
    arguments = container.get("args", [])
    for argument, following in zip(arguments, [*arguments[1:], None], strict=True):
        if argument == name:
            return following
        if argument.startswith(f"{name}="):
            return argument.removeprefix(f"{name}=")
    return None


def grace_problems(container: dict, termination: int) -> Iterator[str]:
    grace = option(container, "--shutdown-grace")
    if grace is None:
        return
    before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    needed = before + float(grace) + (AFTER_GRACE if float(grace) else 0)
    if needed > termination:
        yield f"{container['name']} may need {needed:g} s to end and gets {termination}"


def service_problems(service: dict, index: Objects) -> Iterator[str]:
    selector = service["spec"]["selector"]
    yield from selector_problems(selector, index)
    pods = [each["spec"]["template"]["spec"] for each in workloads(index) if matches(selector, labels_of(each))]
    names = {name for pod in pods for container in pod["containers"] for name in port_names(container)}
    for port in service["spec"]["ports"]:
        if port["targetPort"] not in names:
            yield f"leads to the port {port['targetPort']}, which is not there"
    backend = service["metadata"].get("annotations", {}).get("cloud.google.com/backend-config")
    if backend and ("BackendConfig", json.loads(backend)["default"]) not in index:
        yield f"has the configuration {backend}, which is not there"


def scaled_problems(scaled: dict, index: Objects) -> Iterator[str]:
    spec = scaled["spec"]
    yield from target_problems(spec["scaleTargetRef"], index)
    triggers = spec["triggers"]
    modifiers = spec["advanced"]["scalingModifiers"]
    if set(re.findall(r"\w+", modifiers["formula"])) != {trigger["name"] for trigger in triggers}:
        yield f"the formula {modifiers['formula']} does not have all triggers"
    target = index.get(("Deployment", spec["scaleTargetRef"]["name"]))
    slots = target and option(target["spec"]["template"]["spec"]["containers"][0], "--slots")
    if modifiers["target"] != slots:
        yield f"a worker has {slots} slots, and the target is {modifiers['target']}"
    for trigger in triggers:
        known = TRIGGERS.get(trigger["type"], set())
        for name in trigger["metadata"].keys() - known:
            yield f"the trigger {trigger['type']} has no metadata {name}"
        authentication = index.get(("TriggerAuthentication", trigger["authenticationRef"]["name"]))
        if authentication is None:
            yield f"{trigger['name']} has an authentication that is not there"
            continue
        for reference in authentication["spec"]["secretTargetRef"]:
            if reference["parameter"] not in PARAMETERS.get(trigger["type"], set()):
                yield f"the authentication of {trigger['type']} has no parameter {reference['parameter']}"
            if reference["key"] not in SECRETS.get(reference["name"], set()):
                yield f"refers to {reference['name']}/{reference['key']}, which README.md does not make"
    streams = {trigger["metadata"].get("stream") for trigger in triggers if trigger["type"] == "redis-streams"}
    if streams and streams != STREAMS:
        yield f"the streams are {sorted(map(str, streams))}"


def backend_problems(backend: dict, index: Objects) -> Iterator[str]:
    port = backend["spec"]["healthCheck"]["port"]
    frontend = index[("Deployment", backend["metadata"]["name"])]["spec"]["template"]["spec"]["containers"][0]
    if port not in {each["containerPort"] for each in frontend["ports"]}:
        yield f"checks the port {port}, which is not there"


def ingress_problems(ingress: dict, index: Objects) -> Iterator[str]:
    backend = ingress["spec"]["defaultBackend"]["service"]
    service = index.get(("Service", backend["name"]))
    if service is None or backend["port"]["name"] not in {port["name"] for port in service["spec"]["ports"]}:
        yield f"leads to {backend}, which is not there"
    certificate = ingress["metadata"]["annotations"]["networking.gke.io/managed-certificates"]
    if ("ManagedCertificate", certificate) not in index:
        yield f"has the certificate {certificate}, which is not there"


# What is wrong with an object of each kind.
CHECKS = {
    "Secret": lambda *_: ["a Secret must not be in a file"],
    "Deployment": workload_problems,
    "StatefulSet": workload_problems,
    "Service": service_problems,
    "PodDisruptionBudget": lambda each, index: selector_problems(each["spec"]["selector"]["matchLabels"], index),
    "HorizontalPodAutoscaler": lambda each, index: target_problems(each["spec"]["scaleTargetRef"], index),
    "ScaledObject": scaled_problems,
    "BackendConfig": backend_problems,
    "Ingress": ingress_problems,
}

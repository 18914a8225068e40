"""Who and with what: the operator, the tool, its configuration down to every profile key, and the models with weights.

A model is a configured tool of its own. Its weights stand in its configuration as content data with their digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from facerecon.errors import IntegrityError
from facerecon.exchange.contents import Contents, Run
from facerecon.exchange.graph import Node, facet, hashed, inherent, node, ref
from facerecon.hashing import canonical_json, sha256_bytes
from facerecon.profiles.documents import parse_yaml

_MOST_KEYS = 10_000
_MOST_DEPTH = 16
_WEIGHTS = ("weights_sha256", "source_sha256")


class Tools:
    """The tools of a case: which run used which; each is described once."""

    def __init__(self, contents: Contents) -> None:
        """Read the case's profile.

        Raises:
            IntegrityError: profile.yaml is no profile.
        """
        self._contents, self._names = contents, contents.names
        self._profile = _profile(contents)
        self._nodes: dict[str, Node] = {}
        self.operator = self.identity(contents.info.operator)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All that was asked for so far, in that order."""
        return tuple(self._nodes.values())

    def identity(self, name: str) -> str:
        """Return the identifier of a person or office that the case names."""
        identifier = self._names.of("identity", name)
        self._keep(node(identifier, "uco-identity:Identity", uco_core__name=name))
        return identifier

    def performer(self, run: Run) -> str:
        """Return who did it: whom the ledger line names, else the case's operator."""
        named = next((run.details[key] for key in ("reviewer", "signer", "operator") if run.details.get(key)), None)
        return self.identity(named) if isinstance(named, str) else self.operator

    def used_by(self, run: Run) -> list[str]:
        """Return the identifiers of what a run was done with: the tool as it was configured, and its models."""
        stamps = run.details.get("models")
        models = [stamp for stamp in stamps if isinstance(stamp, Mapping)] if isinstance(stamps, (list, tuple)) else []
        return [self._configured(run), *(self._model(stamp) for stamp in models)]

    # --- the tool -----------------------------------------------------------------------------------------------------

    def _tool(self, version: str) -> str:
        identifier = self._names.of("tool", version)
        self._keep(
            node(
                identifier,
                "uco-tool:AnalyticTool",
                uco_core__name="facerecon",
                uco_core__description="Finds faces in archived footage, enhances them, compares them with a gallery.",
                uco_tool__toolType="video and face examination",
                uco_tool__version=version,
            )
        )
        return identifier

    def _configured(self, run: Run) -> str:
        runtime = _mapping(run.details.get("runtime"))
        version = str(runtime.get("facerecon", run.details.get("tool_version", self._contents.info.tool_version)))
        settings = self._settings(run)
        key = sha256_bytes(canonical_json([version, settings, dict(runtime)]))
        identifier = self._names.of("configured tool", key)
        if identifier not in self._nodes:
            configuration = self._names.of("configuration", key)
            entries = [
                *(_entry(configuration, name, value) for name, value in settings),
                _entry(configuration, "profile_sha256", self._profile_sha256(run)),
            ]
            self._keep_configured(identifier, self._tool(version), "facerecon", version, "", configuration)
            self._keep(
                node(
                    configuration,
                    "uco-configuration:Configuration",
                    uco_core__name=str(run.details.get("profile", self._contents.info.profile_name)),
                    uco_configuration__configurationEntry=entries,
                    uco_configuration__dependencies=list(_dependencies(configuration, runtime)),
                )
            )
        return identifier

    def _profile_sha256(self, run: Run) -> str:
        return str(run.details.get("profile_sha256", self._contents.info.profile_sha256))

    def _settings(self, run: Run) -> list[tuple[str, Any]]:
        """Return every key in effect: the case's profile, or what the ledger has of another that the run was given."""
        if self._profile_sha256(run) == self._contents.info.profile_sha256:
            return self._profile
        return list(_flat(_mapping(run.details.get("parameters")), "the ledger"))

    # --- the models ---------------------------------------------------------------------------------------------------

    def _model(self, stamp: Mapping[str, Any]) -> str:
        key = sha256_bytes(canonical_json(dict(stamp)))
        identifier = self._names.of("model", key)
        if identifier not in self._nodes:
            configuration = self._names.of("model configuration", key)
            name, version = str(stamp.get("id", "model")), str(stamp.get("weights_sha256", ""))
            base = self._names.of("model tool", name, version)
            role = str(stamp.get("role", ""))
            self._keep(
                node(base, "uco-tool:Tool", uco_core__name=name, uco_tool__toolType=role, uco_tool__version=version)
            )
            self._keep_configured(identifier, base, name, version, role, configuration)
            self._keep(
                node(
                    configuration,
                    "uco-configuration:Configuration",
                    uco_core__name=f"{name} as it ran",
                    uco_configuration__configurationEntry=[
                        self._weights(configuration, each, str(value), name)
                        if each in _WEIGHTS
                        else _entry(configuration, each, value)
                        for each, value in sorted(stamp.items())
                    ],
                )
            )
        return identifier

    def _weights(self, configuration: str, key: str, sha256: str, model: str) -> Node:
        content = self._names.of("weights", sha256)
        what = "weights in memory" if key == "weights_sha256" else "file that the weights were read from"
        self._keep(
            node(
                content,
                "uco-observable:ContentData",
                uco_core__name=f"{model}: {what}",
                uco_core__hasFacet=[
                    facet(content, "uco-observable:ContentDataFacet", uco_observable__hash=hashed(sha256))
                ],
            )
        )
        return node(
            inherent(configuration, key),
            "uco-configuration:ConfigurationEntry",
            uco_configuration__itemName=key,
            uco_configuration__itemDescription=what,
            uco_configuration__itemObject=ref(content),
        )

    # --- both ---------------------------------------------------------------------------------------------------------

    def _keep_configured(
        self, identifier: str, base: str, name: str, version: str, kind: str, configuration: str
    ) -> None:
        self._keep(
            node(
                identifier,
                "uco-tool:ConfiguredTool",
                uco_core__name=name,
                uco_tool__toolType=kind,
                uco_tool__version=version,
                uco_configuration__isConfigurationOf=ref(base),
                uco_configuration__usesConfiguration=ref(configuration),
            )
        )

    def _keep(self, made: Node) -> None:
        self._nodes.setdefault(made["@id"], made)


def _entry(owner: str, name: str, value: Any) -> Node:
    """Return one key of a configuration; its value is JSON, but text stands as it is."""
    return node(
        inherent(owner, name),
        "uco-configuration:ConfigurationEntry",
        uco_configuration__itemName=name,
        uco_configuration__itemType=_kind(value),
        # Not through `node`, which leaves out empty text: a key without a value is a key all the same.
    ) | {"uco-configuration:itemValue": value if isinstance(value, str) else canonical_json(value).decode()}


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "list"


def _dependencies(owner: str, runtime: Mapping[str, Any]) -> Iterator[Node]:
    for name, value in sorted(runtime.items()):
        text = value if isinstance(value, str) else canonical_json(value).decode()
        yield node(
            inherent(owner, f"dependency {name}"),
            "uco-configuration:Dependency",
            uco_configuration__dependencyType=name,
            uco_configuration__dependencyDescription=text,
        )


def _profile(contents: Contents) -> list[tuple[str, Any]]:
    where = f"{contents.case.root / 'profile.yaml'}"
    try:
        data = parse_yaml(contents.case.bytes_of("profile.yaml").decode())
    except ValueError:
        raise IntegrityError(f"{where} is not YAML") from None
    return list(_flat(_mapping(data), where))


def _flat(data: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    """Yield dotted key and value of nested data; steps of a list are numbered from 0: enhance.steps[0].kind.

    Raises:
        IntegrityError: there are more keys, or deeper ones, than any profile has.
    """
    stack: list[tuple[str, Any, int]] = [("", data, 0)]
    count = 0
    while stack:
        key, value, depth = stack.pop()
        count += 1
        if count > _MOST_KEYS or depth > _MOST_DEPTH:
            raise IntegrityError(f"{where} is not a profile: it has more keys, or deeper ones, than any profile")
        inner = list(_inner(key, value))
        if inner:
            stack += [(name, each, depth + 1) for name, each in reversed(inner)]
        else:
            yield key, value if isinstance(value, (str, bool, int, float)) or value is None else _empty(value)


def _inner(key: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return ((f"{key}.{name}" if key else str(name), each) for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return ((f"{key}[{index}]", each) for index, each in enumerate(value))
    return ()


def _empty(value: Any) -> Any:
    """Return an empty container, or the text of what YAML knows and JSON does not (a date)."""
    return value if isinstance(value, (list, dict)) else str(value)


def _mapping(anything: Any) -> Mapping[str, Any]:
    return anything if isinstance(anything, Mapping) else {}

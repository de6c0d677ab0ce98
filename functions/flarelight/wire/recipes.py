"""The shapes of what is sent of preparations, and of previews. A recipe is checked by the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from flarelight.errors import STEP_MEMBERS
from flarelight.wire import described
from flarelight.wire.common import IMPORT, PROJECT, Answer, IdText, Message, Request, Shape
from flarelight.wire.preparations import StepColumn, StepReport, renamed
from fluvial import preparations, steps
from fluvial.errors import InvalidError
from fluvial.http.wire import NOT_NULL, WHOLE, Documented, line, text
from fluvial.preparations import Change

Name = Annotated[str, line(preparations.MAX_NAME_LENGTH)]
Description = Annotated[str, text(preparations.MAX_DESCRIPTION_LENGTH)]
Recipe = Annotated[dict[str, Any], Documented(**described.RECIPE)]
MAX_SHOWN_ROWS = 100
ShownRows = Annotated[int, Field(ge=1, le=MAX_SHOWN_ROWS), WHOLE]
Version = Annotated[int, Field(ge=1, le=10**15), WHOLE]

TO_CORE = {wire: core for core, wire in STEP_MEMBERS.items()}


class PreparationInputRequest(Request):
    """An import, at the version that is current when the preparation is executed unless one is named."""

    import_id: IdText
    version: Version | None = None


class PreparationOutputRequest(Request):
    """How the output is made: without a name it has the preparation's, without a project it is in the default one."""

    name: Name | None = None
    project_id: IdText | None = None


Inputs = Annotated[dict[str, PreparationInputRequest], Documented(minProperties=1, maxProperties=steps.MAX_INPUTS)]


class PreparationCreate(Request):
    """`inputs` by the names that the recipe has for them. What a recipe is made of is in docs/data-model.md."""

    name: Name
    description: Description | None = None
    inputs: Inputs
    recipe: Recipe
    output: PreparationOutputRequest | None = None


class PreparationUpdate(Request):
    """What is left out stays; a null takes away what may lack."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Annotated[Name | None, NOT_NULL] = None
    description: Description | None = None
    inputs: Annotated[Inputs | None, NOT_NULL] = None
    recipe: Annotated[Recipe | None, NOT_NULL] = None
    output: PreparationOutputRequest | None = None

    def to_core(self) -> Change:
        return Change(
            frozenset(self.model_fields_set),
            self.name,
            self.description,
            None if self.inputs is None else to_inputs(self.inputs),
            None if self.recipe is None else to_recipe(self.recipe),
            to_output(self.output),
        )


class PreviewRows(Request):
    """How many rows of each step are answered."""

    rows: ShownRows = 20


class PreviewRequest(PreviewRows):
    inputs: Inputs
    recipe: Recipe


class ReadInput(Shape):
    """What was read of an input: its first `rows` of `rowsTotal`; `sampled` where these are not all."""

    name: str
    import_id: str
    version: int
    rows: int
    rows_total: int
    sampled: bool


class Preview(Shape):
    """What each step made of what was read, the last one the result; `columns` are the result's."""

    inputs: list[ReadInput]
    columns: list[StepColumn]
    steps: list[StepReport]


class PreviewAnswer(Answer):
    data: Preview

    @classmethod
    def of_core(cls, found: Any) -> PreviewAnswer:
        """Of a `fluvial.recipes.Preview`, whose module opens the engine."""
        shown = [StepReport(**each.to_json()) for each in found.steps]
        read = [
            ReadInput(
                name=each.name,
                import_id=IMPORT.spell(each.dataset),
                version=each.version,
                rows=each.rows,
                rows_total=each.rows_total,
                sampled=each.sampled,
            )
            for each in found.inputs
        ]
        messages = [
            Message(
                code="SAMPLED",
                message=f"The preview read the first {each.rows} of {each.rows_total} rows of '{each.name}'.",
                field=f"inputs.{each.name}",
            )
            for each in read
            if each.sampled
        ]
        return cls.of(Preview(inputs=read, columns=shown[-1].columns, steps=shown), *messages)


def to_inputs(inputs: Mapping[str, PreparationInputRequest]) -> dict[str, preparations.Input]:
    return {
        name: preparations.Input(IMPORT.parse(each.import_id, field=f"inputs.{name}"), each.version)
        for name, each in inputs.items()
    }


def to_output(output: PreparationOutputRequest | None) -> preparations.Output:
    if output is None:
        return preparations.Output()
    project = output.project_id
    return preparations.Output(
        output.name, None if project is None else PROJECT.parse(project, field="output.projectId")
    )


def to_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe as the core has it; InvalidError for a member under the core's name, where this API has another."""
    for at, step in enumerate(recipe.get("steps") or ()):
        _check_names(f"steps.{at}", step)
    found: dict[str, Any] = renamed(dict(recipe), TO_CORE)
    return found


def _check_names(place: str, given: object) -> None:
    if isinstance(given, list):
        for at, each in enumerate(given):
            _check_names(f"{place}.{at}", each)
    if isinstance(given, dict):
        for name, value in given.items():
            if name in STEP_MEMBERS:
                wanted = STEP_MEMBERS[name]
                raise InvalidError(f"{place}.{wanted}", f"Names are in camel case: send '{wanted}'.", value=name)
            _check_names(f"{place}.{name}", value)

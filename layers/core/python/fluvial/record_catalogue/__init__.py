"""The core classes, as data: what every account has before it defines classes and fields of its own.

Names and types of the fields are those that clients of grants management systems ask for and write.
"""

from __future__ import annotations

from fluvial.record_catalogue.definitions import CLASSES as DEFINITIONS
from fluvial.record_catalogue.documents import CLASSES as DOCUMENTS
from fluvial.record_catalogue.grants import CLASSES as GRANTS
from fluvial.record_catalogue.money import CLASSES as MONEY
from fluvial.record_catalogue.people import CLASSES as PEOPLE
from fluvial.record_catalogue.platform import CLASSES as PLATFORM
from fluvial.record_catalogue.structure import CLASSES as STRUCTURE
from fluvial.record_catalogue.work import CLASSES as WORK
from fluvial.record_classes import ModelClass

CLASSES = (*GRANTS, *PEOPLE, *STRUCTURE, *MONEY, *DOCUMENTS, *WORK, *DEFINITIONS, *PLATFORM)

BY_NAME = {model.name: model for model in CLASSES}


def model(name: str) -> ModelClass:
    """The core class of this name, without what an account adds to it; KeyError for another name."""
    return BY_NAME[name]

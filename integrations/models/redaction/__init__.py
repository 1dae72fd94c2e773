"""Redaction: what people's data become before they leave for a model, and how they come back. See docs/privacy.md."""

from integrations.models.redaction.finding import KINDS, Wanted, blotted
from integrations.models.redaction.redacting import Classifying, Redacting, RedactingEmbedder, StaysHere
from integrations.models.redaction.rules import Redaction, RulesError, kept_key

__all__ = [
    "KINDS",
    "Classifying",
    "Redacting",
    "RedactingEmbedder",
    "Redaction",
    "RulesError",
    "StaysHere",
    "Wanted",
    "blotted",
    "kept_key",
]

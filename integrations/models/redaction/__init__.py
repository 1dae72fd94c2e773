"""Redaction: what people's data become before they leave for a model, and how they come back. See docs/privacy.md."""

from integrations.models.redaction.redacting import Redacting, StaysHere
from integrations.models.redaction.rules import Redaction, kept_key

__all__ = ["Redacting", "Redaction", "StaysHere", "kept_key"]

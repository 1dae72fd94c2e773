"""Proof that a webhook comes from its source. See `verifier` for how, `schemes` for the vendors, `keys` for secrets.

Source modules use `verify`, `load_secrets` and a row of `schemes`; then `payload` to read the body. The sample company
uses `sign`. Nothing here knows an event type, a case or a database.
"""

from integrations.webhooks.keys import Secret, load_secrets, secrets_from_env
from integrations.webhooks.schemes import Scheme
from integrations.webhooks.verifier import Reason, sign, verify

__all__ = ["Reason", "Scheme", "Secret", "load_secrets", "secrets_from_env", "sign", "verify"]

"""What ops configure: the policy file with its defects and schema, and the settings."""

from governor.config.defects import Defect, PolicyInvalid
from governor.config.policy_file import load_policy, read_policy
from governor.config.schema import policy_schema, policy_schema_text

__all__ = [
    "Defect",
    "PolicyInvalid",
    "load_policy",
    "policy_schema",
    "policy_schema_text",
    "read_policy",
]

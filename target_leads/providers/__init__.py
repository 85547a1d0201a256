"""Providers as data: each is a folder that says all in which its API differs from the others."""

from target_leads.providers.definition import (
    Definition,
    ItemResults,
    JobCall,
    ManyLeads,
    RateLimit,
    RateLimits,
    ReadCall,
    RecordedResponse,
    ResponseRule,
    ResponseRules,
    SettingDefinition,
    UpdateCall,
)
from target_leads.providers.folder import (
    load_example,
    load_folder,
    load_responses,
    name_in,
    read_example,
    read_folder,
    read_responses,
)
from target_leads.providers.loader import bundled, folders_at, load, load_all, load_right
from target_leads.providers.place import Place
from target_leads.providers.validation import LeadSchema

__all__ = [
    "Definition",
    "ItemResults",
    "JobCall",
    "LeadSchema",
    "ManyLeads",
    "Place",
    "RateLimit",
    "RateLimits",
    "ReadCall",
    "RecordedResponse",
    "ResponseRule",
    "ResponseRules",
    "SettingDefinition",
    "UpdateCall",
    "bundled",
    "folders_at",
    "load",
    "load_all",
    "load_example",
    "load_folder",
    "load_responses",
    "load_right",
    "name_in",
    "read_example",
    "read_folder",
    "read_responses",
]

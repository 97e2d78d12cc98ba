"""Where things lie on disk: experiments, field tables, atomic publishing of products, locks between processes."""

from core.workspace.audit_log import AuditLog, chain_problems, head
from core.workspace.experiment import Experiment, Product, create_experiment, import_file, list_experiments, open_experiment
from core.workspace.files import file_errors, read_json, same_bytes, write_atomic, write_json
from core.workspace.fingerprint import fingerprint, plain, product_id, slug
from core.workspace.json_lines import JsonLines
from core.workspace.layout import KINDS, REPOSITORY, allowed_path, allowed_roots, checked_name, experiment_path, named_experiment, workspace_root
from core.workspace.locks import FileLock, hold
from core.workspace.publishing import AlreadyPublished, Partial, publish, set_aside, versions

__all__ = [
    "KINDS",
    "REPOSITORY",
    "AlreadyPublished",
    "AuditLog",
    "Experiment",
    "FileLock",
    "JsonLines",
    "Partial",
    "Product",
    "allowed_path",
    "allowed_roots",
    "chain_problems",
    "checked_name",
    "create_experiment",
    "experiment_path",
    "file_errors",
    "fingerprint",
    "head",
    "hold",
    "import_file",
    "list_experiments",
    "named_experiment",
    "open_experiment",
    "plain",
    "product_id",
    "publish",
    "read_json",
    "same_bytes",
    "set_aside",
    "slug",
    "versions",
    "workspace_root",
    "write_atomic",
    "write_json",
]

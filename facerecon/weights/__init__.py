"""The weights registry: which model files exist, where they come from, and that their bytes are the pinned ones.

Never imports torch or the packages whose files it reads, never hands out bytes that were not hashed, and opens no
socket but in `fetch`.
"""

from facerecon.weights.acquisition import Import, Progress, fetch, import_folder
from facerecon.weights.files import (
    Checkpoint,
    Status,
    checkpoint_bytes,
    locate,
    require,
    status,
    verified_bytes,
    way_to_get,
    write_atomically,
)
from facerecon.weights.registry import (
    Capabilities,
    Entry,
    Precision,
    Precisions,
    Provider,
    Registry,
    Role,
    entry,
    load_registry,
)

__all__ = [
    "Capabilities",
    "Checkpoint",
    "Entry",
    "Import",
    "Precision",
    "Precisions",
    "Progress",
    "Provider",
    "Registry",
    "Role",
    "Status",
    "checkpoint_bytes",
    "entry",
    "fetch",
    "import_folder",
    "load_registry",
    "locate",
    "require",
    "status",
    "verified_bytes",
    "way_to_get",
    "write_atomically",
]

"""`evidock store`: looking after the central store."""

from evidence_store.rebuild import rebuild as rebuild_catalogue
from operator_cli.errors import WrongUsageError
from operator_cli.exit_codes import Exit
from operator_cli.group import group, subcommand
from operator_cli.invocation import Invocation

store = group("store")


@subcommand(store, "rebuild")
def rebuild(invocation: Invocation) -> int:
    """Make the catalogue anew from log and vault; the store must be stopped."""
    if not invocation.config().role.stores:
        raise WrongUsageError(invocation.texts("store.none_here"))
    count = rebuild_catalogue(invocation.paths)
    invocation.answer({"ok": True, "events": count}, [invocation.texts("store.rebuilt", count=count)])
    return Exit.DONE

"""An export on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from twt_core.errors import InputError, TwtError


class Push(NamedTuple):
    """Where an export is to go: ``OWNER/NAME``, and whether everybody may see it."""

    repo: str
    public: bool = False


def check_push(push: Push) -> None:
    """Refuse, before anything is written, what cannot be pushed.

    Raises:
        InputError: no such name can be, nobody is logged in, or the hub's client is told to stay offline.
    """
    from huggingface_hub import get_token, is_offline_mode
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(push.repo)
    except HFValidationError as error:
        raise InputError(f"--push {push.repo}: {error}") from error
    if push.repo.count("/") != 1:
        raise InputError(f"--push {push.repo}: a name on the hub is OWNER/NAME")
    if is_offline_mode():
        raise InputError("--push: HF_HUB_OFFLINE is set, so nothing can be uploaded. Unset it")
    if not get_token():
        raise InputError("--push: no Hugging Face token. Log in by `hf auth login`, or set HF_TOKEN")


def upload(folder: Path, push: Push, *, dataset: bool) -> str:
    """Upload a folder, in one commit, to a repository that is made private if it is not there yet.

    Returns:
        What is where, in a few words.

    Raises:
        InputError: the repository is there, everybody may see it, and the push is not said to be public.
        TwtError: the hub cannot be reached, or refuses.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    api, kind = HfApi(), "dataset" if dataset else "model"
    try:
        url = api.create_repo(push.repo, repo_type=kind, private=not push.public, exist_ok=True)
        private = bool(api.repo_info(push.repo, repo_type=kind).private)
        if not private and not push.public:
            raise InputError(
                f"{folder} is written, and not uploaded: everybody may see {push.repo}, and --public is not given. "
                + _by_hand(folder, kind, push)
            )
        api.upload_folder(repo_id=push.repo, repo_type=kind, folder_path=folder, commit_message="Upload by twt export")
    except (OSError, ValueError, RuntimeError, httpx.HTTPError) as error:  # RuntimeError: a large file did not arrive
        cause = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise TwtError(
            f"{folder} is written, and not on the hub as {push.repo}: {cause}. {_by_hand(folder, kind, push)}"
        ) from error
    return f"{url} ({'private' if private else 'public'})"


def _by_hand(folder: Path, kind: str, push: Push) -> str:
    return f"To upload it later: hf upload {push.repo} {folder} . --repo-type {kind}"

"""Attention row by row: rows lie one behind the other in one long sequence and never see each other.

Registered with transformers as `ROWS`. One call a row costs less than it saves: on a pack of 1,000 tokens in rows of
200, forward and backward took 17 ms against 59 ms for one call with a block-diagonal mask (8 heads of 32, 2 cores).
`split` matters: its backward is one concatenation, where slicing would fill a whole tensor with zeros for each row.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

ROWS = "lorabus_rows"


def rows_attention(
    _module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _mask: torch.Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    row_lengths: Sequence[int] | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Shapes (1, heads, tokens, width) in, (1, tokens, heads, width) out. Without `row_lengths` all is one row."""
    share = query.shape[1] // key.shape[1]
    if share > 1:
        key, value = (part.repeat_interleave(share, dim=1) for part in (key, value))
    lengths = [query.shape[2]] if row_lengths is None else list(row_lengths)
    kept = [key.shape[2]] if row_lengths is None else lengths
    rows = zip(query.split(lengths, 2), key.split(kept, 2), value.split(kept, 2), strict=True)
    out = [_row(*row, dropout=dropout, scaling=scaling, window=sliding_window) for row in rows]
    return (torch.cat(out, dim=1) if len(out) > 1 else out[0]), None


def _row(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    dropout: float,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    mask = _banded(query.shape[2], key.shape[2], window, query.device) if window and key.shape[2] > window else None
    # A single query is the newest token of a generation and may see everything before it.
    causal = mask is None and query.shape[2] > 1
    out = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=dropout, scale=scaling, is_causal=causal
    )
    return out.transpose(1, 2)


def _banded(queries: int, keys: int, window: int, device: torch.device) -> torch.Tensor:
    """True where a token may look: at itself and the `window - 1` tokens before it."""
    here = torch.arange(keys - queries, keys, device=device)[:, None]
    there = torch.arange(keys, device=device)[None, :]
    return (there <= here) & (there > here - window)


def _no_mask(*_: object, **__: object) -> None:
    """The rows' lengths say everything that a mask would."""


def register() -> None:
    """Make `ROWS` known to transformers; again does nothing."""
    AttentionInterface.register(ROWS, rows_attention)
    AttentionMaskInterface.register(ROWS, _no_mask)

"""Falcon's attention row by row, like `attention.py` for all others: its class asks for no attention function.

Where a row begins is read off the positions, the only thing that Falcon hands down to its layers.
"""

from types import MethodType
from typing import Any

import torch
from transformers.models.falcon.modeling_falcon import FalconAttention, apply_rotary_pos_emb

from services.trainer.training.attention import rows_attention


def can_be_flat(config: Any) -> bool:
    """Positions that are rotated into queries and keys begin anew with each row; ALiBi's distances would not."""
    return config.model_type == "falcon" and not config.alibi


def take(model: torch.nn.Module) -> None:
    """Replace the attention of a model that was loaded with `sdpa`."""
    for module in model.modules():
        if type(module) is FalconAttention:
            module.forward = MethodType(_forward, module)


def _forward(
    self: Any,
    hidden_states: torch.Tensor,
    alibi: torch.Tensor | None,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None = None,
    layer_past: Any = None,
    position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
    **more: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    if layer_past is not None or position_ids is None or position_embeddings is None or len(hidden_states) > 1:
        # Generation, which has a cache, and batches that are padded.
        own: tuple[torch.Tensor, torch.Tensor | None] = FalconAttention.forward(
            self,
            hidden_states,
            alibi,
            attention_mask,
            position_ids=position_ids,
            layer_past=layer_past,
            position_embeddings=position_embeddings,
            **more,
        )
        return own
    query, key, value = (part.transpose(1, 2) for part in self._split_heads(self.query_key_value(hidden_states)))
    query, key = apply_rotary_pos_emb(query, key, *position_embeddings)
    out, _ = rows_attention(self, query, key, value, None, row_lengths=_lengths(position_ids[0]))
    return self.dense(out.flatten(2)), None


def _lengths(positions: torch.Tensor) -> list[int]:
    starts = (positions == 0).nonzero().flatten().tolist()
    ends = [*starts[1:], len(positions)]
    return [end - start for start, end in zip(starts, ends, strict=True)]

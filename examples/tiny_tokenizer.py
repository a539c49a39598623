"""The tokenizer of `tiny`: byte-level BPE, and a chat template that marks what an assistant-only loss learns."""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from examples import python_docs

BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
VOCABULARY = 2048
POSITIONS = 1024

# Every turn closes with END, which is the end-of-sequence token too. What stands between the generation marks is what
# a trainer with assistant-only loss learns: the answer and its end, not the role before it.
CHAT_TEMPLATE = """{{- bos_token -}}
{%- for message in messages -%}
{%- if message['role'] not in ['system', 'user', 'assistant'] -%}
{{- raise_exception('Unknown role ' ~ message['role'] ~ ': use system, user or assistant.') -}}
{%- endif -%}
{{- '<|' ~ message['role'] ~ '|>' -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}{{- message['content'] ~ eos_token -}}{%- endgeneration -%}
{%- else -%}
{{- message['content'] ~ eos_token -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>' -}}
{%- endif -%}
"""


def chat(row: python_docs.Row) -> str:
    """The row as the chat template writes it."""
    return f"{BEGIN}<|user|>{row.prompt}{END}<|assistant|>{row.completion}{END}"


def plain(row: python_docs.Row) -> str:
    """The row as trainers write a prompt and its completion when both are plain texts."""
    return f"{row.prompt}{row.completion}{END}"


def train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Nothing is put before a plain text: the chat template writes BEGIN itself, and twice would be once too many."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True, normalized=False) for token in (PAD, BEGIN, END, *ROLES)]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        additional_special_tokens=list(ROLES),
        chat_template=CHAT_TEMPLATE,
        model_max_length=POSITIONS,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )

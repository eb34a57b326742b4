"""What a tokenizer puts around one text: ids and token types before it and behind it.

Training's blocks, the export's windows, scoring and filling with a checkpoint all take it from
here. It is read from the tokenizer's own post-processing, whatever its vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from tfmlm.errors import UnsupportedTokenizerError, UserError
from tfmlm.tokenizer_graph.post_processors.template import template_of


@dataclass(frozen=True)
class Frame:
    """Special tokens around one text (`[CLS] … [SEP]`, `<s> … </s>`, or nothing).

    Attributes:
        before, behind: ids before the text and behind it.
        before_types, behind_types: their `token_type_ids`.
        text_type: the `token_type_ids` of the text's own tokens.
    """

    before: tuple[int, ...] = ()
    behind: tuple[int, ...] = ()
    before_types: tuple[int, ...] = ()
    behind_types: tuple[int, ...] = ()
    text_type: int = 0

    def __len__(self) -> int:
        """How many special tokens there are."""
        return len(self.before) + len(self.behind)

    @property
    def types(self) -> set[int]:
        """Every token type that occurs."""
        return {*self.before_types, self.text_type, *self.behind_types}


def frame_of(tokenizer: Any) -> Frame:
    """The frame of a tokenizer of transformers, fast or slow, or of a Rust `Tokenizer`.

    Raises:
        UserError: its post-processing does more than put tokens at both ends.
    """
    if isinstance(tokenizer, Tokenizer):
        return _of_rust(tokenizer)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return _of_python(tokenizer) if backend is None else _of_rust(backend)


def skipped_ids(tokenizer: Any) -> tuple[int, ...]:
    """The ids that `tokenizer.decode(ids, skip_special_tokens=True)` leaves out, ascending.

    A fast tokenizer goes by the flags in its `tokenizer.json`: a language's token may be special
    there although transformers has no name for it.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return tuple(sorted(tokenizer.all_special_ids))
    added = backend.get_added_tokens_decoder()
    return tuple(sorted(number for number, token in added.items() if token.special))


def _of_rust(backend: Tokenizer) -> Frame:
    try:
        template = template_of(backend.post_processor, 1)
    except UnsupportedTokenizerError as error:
        raise UserError(
            f"the tokenizer's post-processor has {error.received}; a masked LM needs one that "
            "puts special tokens around a text"
        ) from error
    before, behind = template.fixed
    before_types, behind_types = template.fixed_types
    return Frame(before, behind, before_types, behind_types, template.text_types[0])


def _of_python(tokenizer: Any) -> Frame:
    """Of a tokenizer written in Python, whose methods take ids, so also one that is none."""
    text = -1
    try:
        ids = list(tokenizer.build_inputs_with_special_tokens([text]))
        types = list(tokenizer.create_token_type_ids_from_sequences([text]))
    except Exception as error:
        raise UserError(
            f"{type(tokenizer).__name__} takes more than a text ({error}); choose a tokenizer "
            "for texts with tokenizer_name"
        ) from error
    if ids.count(text) != 1:
        raise UserError(f"{type(tokenizer).__name__} does not keep a text in one piece")
    place = ids.index(text)
    if "token_type_ids" not in tokenizer.model_input_names or len(types) != len(ids):
        types = [0] * len(ids)
    return Frame(
        tuple(ids[:place]),
        tuple(ids[place + 1 :]),
        tuple(types[:place]),
        tuple(types[place + 1 :]),
        types[place],
    )

"""Texts for warm-up and self-test: several scripts, lengths, and places of the mask."""

from __future__ import annotations

_SENTENCES = (
    "Paris is the {mask} of France.",
    "The {mask} barked at the postman all morning.",
    "{mask} is the largest planet of the solar system.",
    "She opened the door and {mask} into the garden.",
    "Water boils at one hundred {mask}",
    "He plays the {mask}, the violin and the drums.",
    "The {mask} of the company rose by ten {mask} last year.",
    "I don't think it's {mask}; they've seen it before!",
    "Dr. Müller lives in Zürich and speaks {mask} and Français.",
    "(The {mask}) was re-opened in 1998, at a cost of $3.50 per visitor…",
    "Москва является {mask} России.",
    "北京是中国的{mask}。",
    "Η Αθήνα είναι η {mask} της Ελλάδας.",
    "    Spaces   and\ttabs stand {mask}   here.\n",
    "A smile 😀 says {mask} than words.",
    "https://example.org/{mask}?q=1&r=2",
)
_FILLER = (
    "The river runs through the old town, past the market and the mill, and under a stone bridge "
    "that was built when the harbour was still open to ships from the north. "
)


def sample_texts(mask_token: str, longest: int = 200) -> list[str]:
    """Texts that each hold a mask.

    Args:
        mask_token: the tokenizer's.
        longest: words of the longest text; lengths double up to it.
    """
    texts = [sentence.replace("{mask}", mask_token) for sentence in _SENTENCES]
    words = (_FILLER * (longest // 25 + 2)).split()
    length = 8
    while length <= longest:
        chosen = words[:length]
        chosen[length // 3] = mask_token
        texts.append(" ".join(chosen))
        length *= 2
    return texts

"""Sentences for the model card's widget, and how a model fills them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger("tfmlm.checkpoint")

# Written for the cards; nothing is taken from the training text, which may be private.
_SENTENCES = {
    "ar": ("عاصمة فرنسا هي {mask}.", "أريد أن أشرب {mask}."),
    "de": ("Berlin ist die {mask} von Deutschland.", "Das {mask} ist heute sehr schön."),
    "en": ("Paris is the {mask} of France.", "The {mask} is very nice today."),
    "es": ("Madrid es la {mask} de España.", "El {mask} está muy bonito hoy."),
    "fr": ("Paris est la {mask} de la France.", "Le {mask} est très beau aujourd'hui."),
    "it": ("Roma è la {mask} d'Italia.", "Il {mask} è molto bello oggi."),
    "ja": ("東京は日本の{mask}です。", "今日は{mask}がとてもいいです。"),
    "nl": ("Amsterdam is de {mask} van Nederland.", "Het {mask} is vandaag erg mooi."),
    "pl": ("Warszawa jest {mask} Polski.", "Dzisiaj jest bardzo ładny {mask}."),
    "pt": ("Lisboa é a {mask} de Portugal.", "O {mask} está muito bonito hoje."),
    "ru": ("Москва — {mask} России.", "Сегодня очень хороший {mask}."),
    "tr": ("Ankara Türkiye'nin {mask}.", "Bugün {mask} çok güzel."),
    "zh": ("北京是中国的{mask}。", "今天的{mask}很好。"),
}


@dataclass(frozen=True)
class Filled:
    """A sentence and the words that the model puts for its mask, best first, with their scores."""

    sentence: str
    words: tuple[tuple[str, float], ...]


def widget_sentences(mask_token: str, languages: Sequence[str] = ()) -> list[str]:
    """Sentences with one mask each, in the first of `languages` that is known, else in English."""
    known = next((code for code in languages if code in _SENTENCES), "en")
    return [sentence.format(mask=mask_token) for sentence in _SENTENCES[known]]


def fill(model: Any, tokenizer: Any, sentences: Sequence[str], top_k: int = 3) -> list[Filled]:
    """How a TF masked LM fills `sentences`, by transformers' fill-mask pipeline.

    A card must not stop a run: a model that cannot be run here gives no examples.
    """
    try:
        from transformers import FillMaskPipeline

        pipeline = FillMaskPipeline(model=model, tokenizer=tokenizer, framework="tf")
        return [
            Filled(
                sentence,
                tuple(
                    (answer["token_str"].strip(), float(answer["score"]))
                    for answer in pipeline(sentence, top_k=top_k)
                ),
            )
            for sentence in sentences
        ]
    except Exception as error:
        logger.info(f"no filled examples in the model card: {type(error).__name__}: {error}")
        return []

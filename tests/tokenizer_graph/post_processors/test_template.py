"""What a post-processor puts around texts, whatever the texts are."""

import pytest
from tokenizers import processors

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.post_processors.template import Template, template_of

SPECIAL = [("<s>", 7), ("</s>", 9)]


@pytest.mark.parametrize(
    ("processor", "texts", "expected"),
    [
        (None, 1, Template(((), ()), ((), ()), (0,))),
        (None, 2, Template(((), (), ()), ((), (), ()), (0, 1))),
        (
            processors.TemplateProcessing("<s>:2 </s>:1 $A:3 </s>:4", "$A $B", SPECIAL),
            1,
            Template(((7, 9), (9,)), ((2, 1), (4,)), (3,)),
        ),
        (
            processors.RobertaProcessing(("</s>", 9), ("<s>", 7)),
            2,
            Template(((7,), (9, 9), (9,)), ((0,), (0, 0), (0,)), (0, 0)),
        ),
    ],
)
def test_ids_and_types(processor, texts: int, expected: Template) -> None:
    found = template_of(processor, texts)
    assert found == expected and found.added == sum(map(len, expected.fixed))


def test_texts_that_do_not_come_in_order() -> None:
    processor = processors.TemplateProcessing("$A", "$B $A", [])
    with pytest.raises(UnsupportedTokenizerError, match="out of order"):
        template_of(processor, 2)
